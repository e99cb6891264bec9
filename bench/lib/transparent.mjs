// Pictures whose transparency is of different kinds, as PNG.
import { randomFrom } from './drawn.mjs'
import sharp from './sharp.mjs'

/** What they are drawn at, before they are made as wide as they should be. */
const [WIDTH, HEIGHT] = [1600, 1200]

const drawing = (body) =>
  sharp(Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">${body}</svg>`))

function shapes() {
  const random = randomFrom(7)
  const shape = (_, number) => {
    const place = [random() * WIDTH, random() * HEIGHT]
    const fill = `hsl(${random() * 360},70%,50%)`
    if (number % 2) return `<circle cx="${place[0]}" cy="${place[1]}" r="${20 + random() * 120}" fill="${fill}"/>`
    const size = `width="${random() * 300}" height="${random() * 200}" transform="rotate(${number * 3})"`
    return `<rect x="${place[0]}" y="${place[1]}" ${size} fill="${fill}"/>`
  }
  return drawing(Array.from({ length: 40 }, shape).join(''))
}

function text() {
  const line = (_, number) =>
    `<text x="40" y="${40 + number * 39}" font-size="30" font-family="sans-serif" fill="#234">${'A line of words in a picture, '.repeat(3)}${number}</text>`
  return drawing(Array.from({ length: 30 }, line).join(''))
}

function shadow() {
  const blur =
    '<filter id="b" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="60"/></filter>'
  const below = '<ellipse cx="800" cy="640" rx="500" ry="300" opacity=".6" filter="url(#b)"/>'
  return drawing(`<defs>${blur}</defs>${below}<rect x="400" y="300" width="800" height="560" rx="40" fill="#48c"/>`)
}

function gradient() {
  const stops = '<stop offset="0" stop-color="#e33" stop-opacity="0"/><stop offset="1" stop-color="#33e"/>'
  const slope = `<linearGradient id="g" x1="0" y1="0" x2="1" y2="0.4">${stops}</linearGradient>`
  return drawing(`<defs>${slope}</defs><rect width="${WIDTH}" height="${HEIGHT}" fill="url(#g)"/>`)
}

/** A photograph whose own brightness is its transparency, as it is or cut off so that dark parts are clear. */
async function photograph(photo, isCutOut) {
  const scaled = () => sharp(photo).resize(WIDTH, HEIGHT)
  const brightness = isCutOut ? scaled().blur(2.5).greyscale() : scaled().greyscale()
  const { data, info } = await brightness.raw().toBuffer({ resolveWithObject: true })
  const pixels = await scaled().ensureAlpha().raw().toBuffer()
  const middle = data.reduce((sum, level) => sum + level, 0) / data.length
  for (let at = 0; at < WIDTH * HEIGHT; at += 1) {
    const level = data[at * info.channels]
    pixels[at * 4 + 3] = isCutOut ? Math.min(255, Math.max(0, (level - middle) * 6 + 128)) : level
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 4 } })
}

async function noise(width) {
  const random = randomFrom(7)
  const height = Math.round((width * HEIGHT) / WIDTH)
  const pixels = Buffer.from({ length: width * height * 4 }, () => random() * 256)
  return sharp(pixels, { raw: { width, height, channels: 4 } })
}

/** Clear or opaque, and nothing between. */
async function mask(width) {
  const image = shapes().resize(width, undefined, { kernel: 'nearest' })
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
  for (let at = 3; at < data.length; at += 4) data[at] = data[at] > 127 ? 255 : 0
  return sharp(data, { raw: info })
}

/**
 * @param {Buffer} photo a photograph
 * @returns {Record<string, (width: number) => Promise<Buffer>>} pictures by the kind of their transparency
 */
export function transparentPictures(photo) {
  const scaled = (draw) => async (width) => (await draw()).resize(width)
  const kinds = {
    'photograph, cut out': scaled(() => photograph(photo, true)),
    'photograph as transparency': scaled(() => photograph(photo, false)),
    'soft shadow': scaled(shadow),
    gradient: scaled(gradient),
    'shapes, antialiased': scaled(shapes),
    'shapes of two levels': mask,
    text: scaled(text),
    noise,
  }
  const png = ([kind, make]) => [kind, async (width) => (await make(width)).png().toBuffer()]
  return Object.fromEntries(Object.entries(kinds).map(png))
}
