// Images made to cost as much as the limits allow, or to claim more than there is.
import { deflateSync } from 'node:zlib'
import sharp from 'sharp-reference'

/** Next's limit is a square of this side, px. */
const LARGEST_SIDE = 16_383

const flat = (width, height, channels = 3) =>
  sharp({
    create: { width, height, channels, background: { r: 90, g: 120, b: 150, alpha: 0.5 } },
    limitInputPixels: false,
  })

/** The same numbers in every run. */
function noise(bytes) {
  const data = Buffer.alloc(bytes)
  let state = 0x9e3779b9
  for (let at = 0; at < bytes; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    data[at] = state
  }
  return data
}

const noisy = (width, height) => sharp(noise(width * height * 3), { raw: { width, height, channels: 3 } })

const chunk = (name, body) => {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc([Buffer.from(name), body]))
  return Buffer.concat([size, Buffer.from(name), body, sum])
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

function crc(parts) {
  let sum = 0xffffffff
  for (const part of parts) for (const byte of part) sum = CRC_TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8)
  return (sum ^ 0xffffffff) >>> 0
}

const PNG = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

function header(width, height, depth, color, interlace = 0) {
  const body = Buffer.alloc(13)
  body.writeUInt32BE(width, 0)
  body.writeUInt32BE(height, 4)
  body.set([depth, color, 0, 0, interlace], 8)
  return chunk('IHDR', body)
}

/** A PNG whose rows are all zero, as small as deflate makes it. */
function blankPng(width, height, depth, color, interlace = 0, more = []) {
  const samples = [1, 0, 3, 1, 2, 0, 4][color]
  // Filter bytes of seven passes are fewer than those of twice the rows.
  const bytes = height * (Math.ceil((width * depth * samples) / 8) + 1) + (interlace ? 2 * height + 64 : 0)
  const data = chunk('IDAT', deflateSync(Buffer.alloc(bytes)))
  return Buffer.concat([
    PNG,
    header(width, height, depth, color, interlace),
    ...more,
    data,
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const inflating = (name, head) =>
  chunk(name, Buffer.concat([Buffer.from(head, 'latin1'), deflateSync(Buffer.alloc(200 << 20))]))

function claimingJpeg(file, width, height) {
  const made = Buffer.from(file)
  for (let at = 2; at < made.length; at += 2 + made.readUInt16BE(at + 2)) {
    if (made[at + 1] >= 0xc0 && made[at + 1] <= 0xc2) {
      made.writeUInt16BE(height, at + 5)
      made.writeUInt16BE(width, at + 7)
      return made
    }
  }
  throw new Error('a JPEG without a frame')
}

/** Repeats the last scan of a progressive JPEG until it has `scans`. */
function scans(file, count) {
  const starts = []
  for (let at = 2; at < file.length - 1; at++) {
    if (file[at] === 0xff && file[at + 1] === 0xda) starts.push(at)
  }
  const last = file.subarray(starts.at(-1), file.length - 2)
  const more = Math.max(count - starts.length, 0)
  return Buffer.concat([file.subarray(0, -2), ...Array.from({ length: more }, () => last), file.subarray(-2)])
}

function gif(width, height, frames) {
  const head = Buffer.from([...Buffer.from('GIF89a'), 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255])
  head.writeUInt16LE(width, 6)
  head.writeUInt16LE(height, 8)
  const frame = Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0])
  const body = Buffer.alloc(frame.length * frames, frame)
  return Buffer.concat([head, body, Buffer.from([0x3b])])
}

function apng(frames) {
  const control = Buffer.alloc(8)
  control.writeUInt32BE(frames)
  const frame = (number) => {
    const body = Buffer.alloc(26)
    body.writeUInt32BE(number)
    body.writeUInt32BE(1, 4)
    body.writeUInt32BE(1, 8)
    return chunk('fcTL', body)
  }
  const pixel = deflateSync(Buffer.from([0, 0]))
  const parts = [PNG, header(1, 1, 8, 0), chunk('acTL', control), frame(0), chunk('IDAT', pixel)]
  for (let at = 1; at < frames; at++) {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(2 * at)
    parts.push(frame(2 * at - 1), chunk('fdAT', Buffer.concat([number, pixel])))
  }
  return Buffer.concat([...parts, chunk('IEND', Buffer.alloc(0))])
}

const riffChunk = (name, body) => {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(body.length)
  return Buffer.concat([Buffer.from(name), size, body, Buffer.alloc(body.length % 2)])
}

function riff(parts) {
  const body = Buffer.concat([Buffer.from('WEBP'), ...parts])
  const size = Buffer.alloc(4)
  size.writeUInt32LE(body.length)
  return Buffer.concat([Buffer.from('RIFF'), size, body])
}

function animatedWebp(still, frames) {
  const image = still.subarray(12)
  const canvas = Buffer.from([2, 0, 0, 0, 15, 0, 0, 15, 0, 0])
  const frame = riffChunk(
    'ANMF',
    Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 1, 0, 0, 0]), image]),
  )
  const all = Buffer.alloc(frame.length * frames, frame)
  return riff([riffChunk('VP8X', canvas), riffChunk('ANIM', Buffer.alloc(6)), all])
}

/** Little-endian; entries as `[tag, type, count, value]`. The directory that follows is this one where `loops`. */
function tiff(entries, { loops = false } = {}) {
  const body = Buffer.alloc(8 + 2 + entries.length * 12 + 4)
  body.write('II*\0', 'latin1')
  body.writeUInt32LE(8, 4)
  body.writeUInt16LE(entries.length, 8)
  entries.forEach(([tag, type, count, value], index) => {
    const at = 10 + index * 12
    body.writeUInt16LE(tag, at)
    body.writeUInt16LE(type, at + 2)
    body.writeUInt32LE(count, at + 4)
    body.writeUInt32LE(value, at + 8)
  })
  if (loops) body.writeUInt32LE(8, body.length - 4)
  return body
}

/** A grid of one AV1 picture over and over: `columns` × `rows` tiles. */
async function avifGrid(columns, rows, side) {
  const tile = await flat(side, side).avif({ quality: 50 }).toBuffer()
  const mdat = tile.indexOf('mdat')
  const data = tile.subarray(mdat + 4, mdat - 4 + tile.readUInt32BE(mdat - 4))
  const box = (name, ...parts) => {
    const body = Buffer.concat(parts)
    const size = Buffer.alloc(4)
    size.writeUInt32BE(body.length + 8)
    return Buffer.concat([size, Buffer.from(name), body])
  }
  const u8 = (...numbers) => Buffer.from(numbers)
  const u16 = (...numbers) => Buffer.concat(numbers.map((number) => u8(number >> 8, number & 255)))
  const u32 = (...numbers) => Buffer.concat(numbers.map((number) => u16(number >>> 16, number & 0xffff)))
  const [width, height, count] = [columns * side, rows * side, columns * rows]
  const grid = Buffer.concat([u8(0, 0, rows - 1, columns - 1), u16(width, height)])
  const ispe = (w, h) => box('ispe', u32(0, w, h))
  const location = (id, at, length) => Buffer.concat([u16(id, 1, 0, 1), u32(at, length)])
  const info = (id, kind) => box('infe', u32(0x02000000), u16(id, 0), Buffer.from(kind), u8(0))
  const meta = box(
    'meta',
    u32(0),
    box('pitm', u32(0), u16(1)),
    box('iinf', u32(0), u16(2), info(1, 'grid'), info(2, 'av01')),
    box(
      'iloc',
      u32(0x01000000),
      u8(0x44, 0),
      u16(2),
      location(1, data.length, grid.length),
      location(2, 0, data.length),
    ),
    box('iref', u32(0), box('dimg', u16(1, count), ...Array.from({ length: count }, () => u16(2)))),
    box(
      'iprp',
      box('ipco', ispe(width, height), ispe(side, side)),
      box('ipma', u32(0, 2), u16(1), u8(1, 1), u16(2), u8(1, 2)),
    ),
    box('idat', data, grid),
  )
  return Buffer.concat([box('ftyp', Buffer.from('avif\0\0\0\0avifmif1', 'latin1')), meta])
}

/**
 * All of them: a name, the file, and what to ask of it (width 3840 as WebP where nothing is said).
 *
 * @type {{ name: string, file: () => Buffer | Promise<Buffer>, options?: object }[]}
 */
export const BOMBS = [
  { name: 'JPEG of 16383², flat', file: () => flat(LARGEST_SIDE, LARGEST_SIDE).jpeg().toBuffer() },
  {
    name: 'JPEG of 16383², progressive',
    file: () => flat(LARGEST_SIDE, LARGEST_SIDE).jpeg({ progressive: true }).toBuffer(),
  },
  {
    name: 'JPEG of 16383², 100 scans',
    file: async () => scans(await flat(LARGEST_SIDE, LARGEST_SIDE).jpeg({ progressive: true }).toBuffer(), 100),
  },
  {
    name: 'JPEG of 5000 scans',
    file: async () => scans(await noisy(512, 512).jpeg({ progressive: true }).toBuffer(), 5000),
  },
  {
    name: 'JPEG of 8000², progressive, 100 scans, to 8/8',
    file: async () => scans(await flat(8000, 8000).jpeg({ progressive: true }).toBuffer(), 100),
    options: { width: 7900, format: 'jpeg' },
  },
  {
    name: 'JPEG that claims 65535²',
    file: async () => claimingJpeg(await flat(16, 16).jpeg().toBuffer(), 65_535, 65_535),
  },
  {
    name: 'JPEG that claims 16000², 16² there',
    file: async () => claimingJpeg(await flat(16, 16).jpeg().toBuffer(), 16_000, 16_000),
  },
  { name: 'JPEG of CMYK, 12000²', file: () => flat(12_000, 12_000).toColourspace('cmyk').jpeg().toBuffer() },
  { name: 'JPEG of noise, 50 MB', file: () => noisy(6000, 4500).jpeg({ quality: 98 }).toBuffer() },
  ...['webp', 'avif', 'jpeg', 'png'].flatMap((format) => [
    {
      name: `4000x65500 to 3840, ${format}`,
      file: () => flat(4000, 65_500).jpeg().toBuffer(),
      options: { width: 3840, format },
    },
    {
      name: `noise of 3840x5760 to ${format}`,
      file: () => noisy(3840, 5760).jpeg({ quality: 90 }).toBuffer(),
      options: { width: 3840, format, quality: 100 },
    },
  ]),
  {
    // Just as many pixels as a JPEG may have with trellis quantisation, which can't be stopped.
    name: 'noise of 3840x2340 to jpeg',
    file: () => noisy(3840, 2340).jpeg({ quality: 90 }).toBuffer(),
    options: { width: 3840, format: 'jpeg', quality: 100 },
  },
  {
    // As many pixels as the budget lets an addon without libaom take.
    name: 'noise of 3840x3000 to avif',
    file: () => noisy(3840, 3000).jpeg({ quality: 90 }).toBuffer(),
    options: { width: 3840, format: 'avif', quality: 100 },
  },
  {
    name: 'noise of 3840x16000 to avif',
    file: () => noisy(3840, 16_000).jpeg({ quality: 80 }).toBuffer(),
    options: { width: 3840, format: 'avif' },
  },
  { name: 'PNG of 16383², gray', file: () => blankPng(LARGEST_SIDE, LARGEST_SIDE, 8, 0) },
  { name: 'PNG of 11000², RGBA, 16 bits', file: () => blankPng(11_000, 11_000, 16, 6) },
  { name: 'PNG of 11000², RGBA, interlaced', file: () => blankPng(11_000, 11_000, 8, 6, 1) },
  { name: 'PNG of 16383², 1 bit, interlaced', file: () => blankPng(LARGEST_SIDE, LARGEST_SIDE, 1, 0, 1) },
  { name: 'PNG one pixel high, 268 million wide', file: () => blankPng(268_402_689, 1, 1, 0) },
  { name: 'PNG one pixel wide, 268 million high', file: () => blankPng(1, 268_402_689, 1, 0) },
  { name: 'PNG that claims 2³¹−1 squared', file: () => Buffer.concat([PNG, header(0x7fffffff, 0x7fffffff, 8, 2)]) },
  ...[
    ['iCCP', 'key\0\0'],
    ['zTXt', 'key\0\0'],
    ['iTXt', 'key\0\x01\0\0\0'],
  ].map(([name, head]) => ({
    name: `PNG with 200 MB in ${name}`,
    file: () => blankPng(16, 16, 8, 2, 0, [inflating(name, head)]),
  })),
  { name: 'APNG of 200,000 frames', file: () => apng(200_000) },
  { name: 'GIF of a million frames', file: () => gif(16, 16, 1_000_000) },
  { name: 'GIF that claims 65535²', file: () => gif(65_535, 65_535, 1) },
  { name: 'GIF of 16000²', file: () => gif(16_000, 16_000, 1) },
  {
    name: 'WebP of 16383², lossless',
    file: () => flat(LARGEST_SIDE, LARGEST_SIDE).webp({ lossless: true, effort: 0 }).toBuffer(),
  },
  { name: 'WebP of 9000², lossy with alpha', file: () => flat(9000, 9000, 4).webp({ effort: 0 }).toBuffer() },
  // libwebp can't write a larger one: the part with the blocks' modes has room for 512 kB.
  { name: 'WebP of 11000², lossy', file: () => flat(11_000, 11_000).webp({ effort: 0 }).toBuffer() },
  { name: 'WebP of 100,000 frames', file: async () => animatedWebp(await flat(16, 16).webp().toBuffer(), 100_000) },
  { name: 'AVIF of 6000x4000', file: () => flat(6000, 4000).avif({ effort: 0 }).toBuffer() },
  {
    name: 'AVIF of 8000², 4:4:4',
    file: () => flat(8000, 8000).avif({ effort: 0, chromaSubsampling: '4:4:4' }).toBuffer(),
  },
  { name: 'AVIF grid of 1024 tiles, 16384²', file: () => avifGrid(32, 32, 511) },
  { name: 'AVIF grid of 1024 tiles, 2048²', file: () => avifGrid(32, 32, 64) },
  { name: 'AVIF grid of 65,536 tiles', file: () => avifGrid(256, 256, 64) },
  {
    name: 'TIFF whose directory follows itself',
    file: () =>
      tiff(
        [
          [256, 4, 1, 16],
          [257, 4, 1, 16],
          [273, 4, 1, 8],
          [279, 4, 1, 256],
        ],
        { loops: true },
      ),
  },
  { name: 'TIFF of 60,000 tags', file: () => tiff(Array.from({ length: 60_000 }, (_, tag) => [tag, 4, 1, 16])) },
  {
    name: 'TIFF with 2²² strips claimed',
    file: () =>
      tiff([
        [256, 4, 1, 16],
        [257, 4, 1, 16],
        [273, 4, 1 << 22, 8],
        [279, 4, 1 << 22, 8],
      ]),
  },
  { name: 'TIFF of 11000², deflate', file: () => flat(11_000, 11_000).tiff({ compression: 'deflate' }).toBuffer() },
  {
    name: 'TIFF of 11000², LZW in tiles',
    file: () => flat(11_000, 11_000).tiff({ compression: 'lzw', tile: true }).toBuffer(),
  },
]
