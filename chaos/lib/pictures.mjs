// The sources that the traffic asks for: drawn, not photographed, so that a run needs nothing outside of the repository.
import sharp from 'sharp-reference'
import { publicFile } from '../../__test__/support/app.mjs'
import { cutOut, graphic, photoLike } from '../../bench/lib/drawn.mjs'

/**
 * @typedef {object} Picture
 * @property {string} name as it stands in urls
 * @property {string} type its media type
 * @property {Buffer} body
 * @property {boolean} [unchanged] comes as it is by rule
 */

/** @returns {Promise<Picture[]>} */
export async function drawPictures() {
  const [one, two, three, large] = await Promise.all(
    [
      [1024, 768, 1],
      [900, 1200, 2],
      [640, 640, 3],
      [3000, 2000, 4],
    ].map(([width, height, seed]) => photoLike(width, height, seed)),
  )
  const flat = graphic(800, 600, 5)
  const cut = await cutOut(500, 400, 6)
  const drawn = [
    ['one.jpg', 'image/jpeg', one, (image) => image.jpeg({ quality: 88 })],
    ['two.jpg', 'image/jpeg', two, (image) => image.jpeg({ quality: 85, progressive: true })],
    ['three.jpg', 'image/jpeg', three, (image) => image.jpeg({ quality: 92, chromaSubsampling: '4:4:4' })],
    ['large.jpg', 'image/jpeg', large, (image) => image.jpeg({ quality: 85 })],
    ['flat.png', 'image/png', flat, (image) => image.png()],
    ['palette.png', 'image/png', flat, (image) => image.png({ palette: true })],
    ['cut.png', 'image/png', cut, (image) => image.png()],
    ['one.webp', 'image/webp', one, (image) => image.webp({ quality: 85 })],
    ['cut.webp', 'image/webp', cut, (image) => image.webp({ quality: 85 })],
    ['three.avif', 'image/avif', three, (image) => image.avif({ quality: 70, effort: 1 })],
    ['three.tiff', 'image/tiff', three, (image) => image.tiff({ compression: 'lzw' })],
  ]
  const pictures = drawn.map(async ([name, type, { pixels, raw }, encode]) => ({
    ...{ name, type },
    body: await encode(sharp(pixels, { raw })).toBuffer(),
  }))
  return [
    ...(await Promise.all(pictures)),
    { name: 'moving.gif', type: 'image/gif', body: publicFile('animated.gif'), unchanged: true },
  ]
}

/** Those that the test app has, and that relative urls lead to. */
export const LOCAL = [
  ['cached.jpg', 'image/jpeg'],
  ['photo.jpg', 'image/jpeg'],
  ['alpha.png', 'image/png'],
].map(([name, type]) => ({ name, type, body: publicFile(name) }))
