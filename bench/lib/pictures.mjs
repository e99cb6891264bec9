import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { cutOut, graphic, photoLike } from './drawn.mjs'
import sharp from './sharp.mjs'

const KINDS = new Set(['jpeg', 'png', 'webp', 'heif', 'gif', 'tiff'])

/** From this many pixels on a JPEG counts as one from a phone camera. */
const CAMERA_PIXELS = 10_000_000

/**
 * The pictures of a folder, in the order of their names. What isn't a still picture that Next would
 * optimize is left out.
 *
 * @throws {Error} when the folder can't be read or holds no picture
 */
export async function picturesIn(folder) {
  const pictures = []
  for (const entry of (await readdir(folder)).sort()) {
    const file = path.join(folder, entry)
    if (!(await stat(file)).isFile()) continue
    const picture = await describe(path.parse(entry).name, file).catch(() => null)
    if (picture) pictures.push(picture)
  }
  if (pictures.length === 0) throw new Error(`no picture in ${folder}`)
  return pictures
}

/** A photograph, a screenshot and a cut-out, drawn into `folder`. */
export async function drawnPictures(folder) {
  const photo = path.join(folder, 'photo.jpg')
  const screen = path.join(folder, 'screen.png')
  const shape = path.join(folder, 'cutout.png')
  await store(await photoLike(2400, 1600, 1), (image) => image.jpeg({ quality: 90 }), photo)
  await store(graphic(2000, 1250, 2), (image) => image.png(), screen)
  await store(await cutOut(1200, 900, 3), (image) => image.png(), shape)
  return Promise.all([describe('photo', photo), describe('screen', screen), describe('cutout', shape)])
}

/** A photograph, drawn: 2400 × 1600 px, as JPEG. */
export async function drawnPhoto() {
  const { pixels, raw } = await photoLike(2400, 1600, 1)
  return sharp(pixels, { raw }).jpeg({ quality: 90 }).toBuffer()
}

/**
 * What the decode cells read: every picture as AVIF and as WebP, as one would find them on the web (at most
 * 2560 px wide), and one JPEG of a phone camera's size, drawn when there is none among the pictures.
 */
export async function decodeInputs(pictures, folder) {
  const inputs = []
  for (const [index, picture] of pictures.entries()) {
    for (const [format, settings] of [
      ['avif', { quality: 60, effort: 2 }],
      ['webp', { quality: 80 }],
    ]) {
      const file = path.join(folder, `decode-${index}.${format}`)
      const image = sharp(picture.file).rotate().resize(2560, undefined, { withoutEnlargement: true })
      await image[format](settings).toFile(file)
      inputs.push(await describe(picture.name, file))
    }
  }
  const isCamera = ({ kind, width, height }) => kind === 'jpeg' && width * height >= CAMERA_PIXELS
  let camera = pictures.find(isCamera)
  if (!camera) {
    const file = path.join(folder, 'camera.jpg')
    await store(await photoLike(4032, 3024, 4), (image) => image.jpeg({ quality: 90 }), file)
    camera = await describe('camera', file)
  }
  return [...inputs, camera]
}

/** The same kind of file, 64 px wide: it loads the code a picture needs and nothing of its size. */
export async function tinyVersion(picture, folder) {
  const file = path.join(folder, `tiny-${path.basename(picture.file)}`)
  const image = sharp(picture.file).rotate().resize(64)
  await image.toFormat(picture.kind).toFile(file)
  return describe(picture.name, file)
}

async function store({ pixels, raw }, encode, file) {
  await encode(sharp(pixels, { raw })).toFile(file)
}

/** Width and height are those after the EXIF orientation is applied. */
async function describe(name, file) {
  const { format, compression, autoOrient, pages, hasAlpha } = await sharp(file).metadata()
  if (!KINDS.has(format) || (pages ?? 1) > 1 || (format === 'heif' && compression !== 'av1')) return null
  return {
    name,
    file,
    kind: format === 'heif' ? 'avif' : format,
    width: autoOrient.width,
    height: autoOrient.height,
    hasAlpha,
    bytes: (await stat(file)).size,
  }
}
