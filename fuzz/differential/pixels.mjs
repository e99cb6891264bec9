// Our decoders' pixels against sharp's, for pictures that sharp made in every variety and for damaged copies of them.
// What only one of the two accepts is counted and not compared. A difference in what sharp has made is a failure. In damaged
// files there is no right answer, and in those of fuzz/corpus, with their odd profiles and ranges, often two: they are counted.
//
//   npm run fuzz -- differential pixels [FILES, default 5000] [SEED, default 1]
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import sharp from 'sharp-reference'
import { chance, ours, report, root } from './lib.mjs'

sharp.cache(false)
const count = Number(process.argv[2] ?? 5_000)
const { random, pick } = chance(Number(process.argv[3] ?? 1))
const KINDS = ['jpeg', 'png', 'gif', 'webp', 'tiff', 'avif']

/**
 * How far two decoders may be from each other: the mean over all samples, in levels. JPEG's and the video codecs' are
 * free in how they round; the other formats leave no choice.
 */
const TOLERANCE = { jpeg: 2.5, png: 0.02, gif: 0.02, webp: 1.5, tiff: 0.6, avif: 2 }

/** The same where two chroma samples stand for eight: how they are spread is free, and noise has much of it. */
const SUBSAMPLED = '4:2:0'
const SUBSAMPLED_TOLERANCE = { jpeg: 12, avif: 12 }

/** Slopes, edges and a little noise. */
function picture() {
  const [width, height, channels] = [1 + random(64), 1 + random(64), pick([1, 3, 3, 4])]
  const data = Buffer.alloc(width * height * channels)
  const [across, down, noise] = [random(9), random(9), pick([1, 4, 32])]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const edge = x * 3 > y * 4 ? 60 : 0
        data[(y * width + x) * channels + channel] =
          (x * across + y * down * (channel + 1) + edge + random(noise)) & 255
      }
    }
  }
  return sharp(data, { raw: { width, height, channels } })
}

const yes = () => random(2) === 0
const quality = () => 20 + random(80)
const make = {
  jpeg: (image, chromaSubsampling) =>
    image.jpeg({
      quality: quality(),
      progressive: yes(),
      mozjpeg: random(4) === 0,
      chromaSubsampling,
    }),
  png: (image) =>
    image.png({ progressive: yes(), palette: yes(), colours: 2 + random(200), compressionLevel: random(10) }),
  gif: (image) => image.gif({ colours: 2 + random(200), progressive: yes() }),
  webp: (image) => image.webp({ quality: quality(), lossless: yes(), alphaQuality: quality(), effort: random(5) }),
  tiff: (image) =>
    image.tiff({
      compression: pick(['none', 'lzw', 'deflate', 'packbits']),
      predictor: pick(['none', 'horizontal']),
      tile: yes(),
      tileWidth: 16,
      tileHeight: 16,
    }),
  avif: (image, chromaSubsampling) =>
    image.avif({ quality: quality(), lossless: random(5) === 0, chromaSubsampling, effort: 0 }),
}

const kept = Object.fromEntries(
  KINDS.map((kind) => {
    const folder = path.join(root, 'fuzz/corpus', kind)
    return [kind, readdirSync(folder).map((name) => readFileSync(path.join(folder, name)))]
  }),
)

async function file(kind) {
  let bytes
  const subsampling = pick([SUBSAMPLED, '4:4:4'])
  const isKept = random(3) === 0
  if (isKept) {
    bytes = Buffer.from(pick(kept[kind]))
  } else {
    const image = random(4) === 0 ? picture().withMetadata({ orientation: 1 + random(8) }) : picture()
    bytes = await make[kind](image, subsampling).toBuffer()
  }
  const isDamaged = random(3) === 0
  if (isDamaged) for (let at = 0; at <= random(3); at++) bytes[random(bytes.length)] ^= 1 << random(8)
  const tolerance = (subsampling === SUBSAMPLED && SUBSAMPLED_TOLERANCE[kind]) || TOLERANCE[kind]
  return { bytes, origin: isDamaged ? 'damaged' : isKept ? 'kept' : 'made', tolerance }
}

/** Sharp's pixels as RGBA; null when it refuses. */
async function theirs(bytes) {
  try {
    const image = sharp(bytes, { failOn: 'warning', limitInputPixels: 1 << 20 })
      .rotate()
      .toColourspace('srgb')
      .ensureAlpha()
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
    return { data, width: info.width, height: info.height }
  } catch {
    return null
  }
}

function rgba({ pixels, channels }) {
  const data = Buffer.from(pixels, 'base64')
  if (channels === 4) return data
  const whole = Buffer.alloc((data.length / channels) * 4, 255)
  for (let at = 0; at < data.length / channels; at++) {
    for (let channel = 0; channel < 3; channel++)
      whole[at * 4 + channel] = data[at * channels + (channels === 3 ? channel : 0)]
  }
  return whole
}

/** The mean difference; colors count as far as they can be seen. */
function distance(one, other) {
  let sum = 0
  for (let at = 0; at < one.length; at += 4) {
    const [alpha, beta] = [one[at + 3], other[at + 3]]
    sum += Math.abs(alpha - beta)
    for (let channel = 0; channel < 3; channel++) {
      sum += Math.abs(one[at + channel] * alpha - other[at + channel] * beta) / 255
    }
  }
  return sum / one.length
}

const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-pixels-'))
const { ask, end } = ours('pixels')
const differences = []
const tally = {}
const only = { us: 0, them: 0, neither: 0, bypass: 0 }
let compared = 0
for (let number = 0; number < count; number++) {
  const kind = KINDS[number % KINDS.length]
  const { bytes, origin, tolerance } = await file(kind)
  const input = path.join(folder, 'input')
  writeFileSync(input, bytes)
  const [[we], they] = await Promise.all([ask([{ file: input }]), theirs(bytes)])
  if (we.bypass) only.bypass++
  else if (we.refused && !they) only.neither++
  else if (we.refused) only.them++
  else if (!they) only.us++
  else {
    compared++
    const isSameSize = we.width === they.width && we.height === they.height
    const apart = isSameSize ? distance(rgba(we), they.data) : Number.POSITIVE_INFINITY
    if (apart > tolerance) tally[`${kind} ${origin}`] = (tally[`${kind} ${origin}`] ?? 0) + 1
    // Of one or two pixels libheif spreads the chroma wrongly; libavif has what we have.
    const isNarrow = kind === 'avif' && Math.min(we.width, we.height) < 3
    if (apart > tolerance && origin === 'made' && !isNarrow) {
      const name = path.join(root, 'fuzz/artifacts', `pixels-${kind}-${number}`)
      differences.push(
        `${name}: ${we.width}x${we.height} against ${they.width}x${they.height}, apart by ${apart.toFixed(2)}`,
      )
      mkdirSync(path.dirname(name), { recursive: true })
      if (differences.length <= 20) writeFileSync(name, bytes)
    }
  }
}
end()
rmSync(folder, { recursive: true })
console.log(`Refused by both ${only.neither}, by us ${only.them}, by sharp ${only.us}; passed through ${only.bypass}`)
for (const [what, times] of Object.entries(tally)) console.log(`${what}: ${times} differ`)
report('Pictures', compared, differences)
