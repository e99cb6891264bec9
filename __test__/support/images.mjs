// Inputs of every kind, made by sharp from one photograph-like picture.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp-reference'

const PHOTOS = path.resolve(import.meta.dirname, '../../examples/next/public/photos')

/** One of the demo's pictures, as its file is. */
export const photoFile = (name) => readFileSync(path.join(PHOTOS, name))

const alps = photoFile('alps.jpg')
const bubble = photoFile('bubble.png')

/** The same picture, 900 px wide, in every format that is decoded. */
export async function inputs() {
  const opaque = () => sharp(alps).resize(900)
  const transparent = () => sharp(bubble).resize(600)
  const made = {
    'jpeg baseline': opaque().jpeg({ quality: 90 }),
    'jpeg progressive': opaque().jpeg({ quality: 90, progressive: true }),
    'jpeg 4:4:4': opaque().jpeg({ quality: 90, chromaSubsampling: '4:4:4' }),
    'jpeg gray': opaque().grayscale().jpeg({ quality: 90 }),
    'png rgb': opaque().png(),
    'png rgba': transparent().png(),
    'png palette': opaque().png({ palette: true }),
    'png interlaced': opaque().png({ progressive: true }),
    'png 16 bit': opaque().toColourspace('rgb16').png(),
    'webp lossy': opaque().webp({ quality: 90 }),
    'webp lossless alpha': transparent().webp({ lossless: true }),
    'avif 4:4:4': opaque().avif({ quality: 80, effort: 1 }),
    'avif 4:2:0': opaque().avif({ quality: 80, effort: 1, chromaSubsampling: '4:2:0' }),
    'avif alpha': transparent().avif({ quality: 80, effort: 1 }),
    'gif static': opaque().gif(),
    'tiff lzw': opaque().tiff({ compression: 'lzw' }),
  }
  const buffers = await Promise.all(Object.entries(made).map(async ([name, image]) => [name, await image.toBuffer()]))
  return Object.fromEntries(buffers)
}

/** A picture with four different corners, so that every turn and mirror of it is told apart. */
export async function corners(width = 240, height = 160) {
  const colours = [
    [230, 40, 40],
    [40, 190, 60],
    [50, 80, 220],
    [235, 220, 60],
  ]
  const pixels = Buffer.alloc(width * height * 3)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const corner = (x < width / 2 ? 0 : 1) + (y < height / 2 ? 0 : 2)
      pixels.set(colours[corner], (y * width + x) * 3)
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
}

/** The mean difference of two pictures over all samples, in levels of 255; transparent pixels count as black. */
export async function meanDifference(one, two) {
  const [a, b] = await Promise.all([one, two].map(premultiplied))
  if (a.info.width !== b.info.width || a.info.height !== b.info.height) {
    throw new Error(`${a.info.width}x${a.info.height} and ${b.info.width}x${b.info.height} can't be compared`)
  }
  let sum = 0
  for (let i = 0; i < a.data.length; i += 1) sum += Math.abs(a.data[i] - b.data[i])
  return sum / a.data.length
}

async function premultiplied(file) {
  const { data, info } = await sharp(file)
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  for (let at = 0; at < data.length; at += 4) {
    for (let i = 0; i < 3; i += 1) data[at + i] = (data[at + i] * data[at + 3]) / 255
  }
  return { data, info }
}
