// Whether an installed unsharp works: a picture through every format and back, by `import`, by `require`, in a worker. Needs
// nothing but Node and unsharp, so that it runs in the barest container. Its folder, or one above, has the node_modules.
//
//   node smoke.mjs
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { crc32, deflateSync, inflateSync } from 'node:zlib'
import { metadata, optimize } from 'unsharp'

const [WIDTH, HEIGHT] = [96, 64]
const COLOURS = [
  [230, 40, 40],
  [40, 190, 60],
  [50, 80, 220],
  [235, 220, 60],
]
/** How far an encoder may be off in the middle of a patch of one colour, in levels of 255. */
const TOLERANCE = 12

/** CRC-32 as PNG has it, for a Node whose zlib has none. */
function checksum(bytes) {
  if (crc32) return crc32(bytes)
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length)
  body.copy(out, 4)
  out.writeUInt32BE(checksum(body), body.length + 4)
  return out
}

/** A PNG whose quarters have four colours. */
function quarters() {
  const rows = Buffer.alloc(HEIGHT * (1 + WIDTH * 3))
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      rows.set(COLOURS[(x < WIDTH / 2 ? 0 : 1) + (y < HEIGHT / 2 ? 0 : 2)], y * (1 + WIDTH * 3) + 1 + x * 3)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(WIDTH, 0)
  header.writeUInt32BE(HEIGHT, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** What a filter of PNG predicts from the samples to the left, above, and above to the left. */
function predicted(filter, left, up, corner) {
  if (filter === 1) return left
  if (filter === 2) return up
  if (filter === 3) return (left + up) >> 1
  if (filter !== 4) return 0
  const [toLeft, toUp, toCorner] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs)
  if (toLeft <= toUp && toLeft <= toCorner) return left
  return toUp <= toCorner ? up : corner
}

/** The samples of a PNG of eight bits without palette, as `optimize` makes it at quality 100. */
function samples(png) {
  let header
  const data = []
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    const type = png.toString('latin1', at + 4, at + 8)
    const body = png.subarray(at + 8, at + 8 + length)
    if (type === 'IHDR') header = body
    if (type === 'IDAT') data.push(body)
    at += length + 12
  }
  const [width, channels] = [header.readUInt32BE(0), { 2: 3, 6: 4 }[header[9]]]
  assert.ok(header[8] === 8 && channels, 'a PNG of eight bits without palette')
  const bytes = inflateSync(Buffer.concat(data))
  const stride = width * channels
  const out = Buffer.alloc((bytes.length / (stride + 1)) * stride)
  for (let row = 0; row * stride < out.length; row += 1) {
    const filter = bytes[row * (stride + 1)]
    for (let i = 0; i < stride; i += 1) {
      const at = row * stride + i
      const left = i >= channels ? out[at - channels] : 0
      const up = row > 0 ? out[at - stride] : 0
      const corner = i >= channels && row > 0 ? out[at - stride - channels] : 0
      out[at] = bytes[row * (stride + 1) + 1 + i] + predicted(filter, left, up, corner)
    }
  }
  return { channels, out, width }
}

/** Encodes the picture, decodes it again, and looks at the middle of each quarter. */
async function roundTrip(format) {
  const encoded = await optimize(quarters(), { width: WIDTH, quality: 90, format })
  assert.equal(encoded.format, format)
  assert.equal((await metadata(encoded.data)).width, WIDTH)
  const decoded = await optimize(encoded.data, { width: WIDTH, quality: 100, format: 'png' })
  const { channels, out, width } = samples(decoded.data)
  COLOURS.forEach((colour, quarter) => {
    const x = (width * (quarter % 2 === 0 ? 1 : 3)) / 4
    const y = (HEIGHT * (quarter < 2 ? 1 : 3)) / 4
    const at = (y * width + x) * channels
    const found = [...out.subarray(at, at + 3)]
    const off = Math.max(...found.map((sample, i) => Math.abs(sample - colour[i])))
    assert.ok(off <= TOLERANCE, `${format}: quarter ${quarter} is ${found} and was ${colour}`)
  })
  return encoded.data.length
}

if (!isMainThread) {
  parentPort.postMessage(await roundTrip('webp'))
} else {
  const sizes = {}
  for (const format of ['avif', 'webp', 'jpeg', 'png', 'gif', 'tiff']) sizes[format] = await roundTrip(format)
  // The module that Next's `require('sharp')` becomes, in the way that Next uses it.
  const sharp = createRequire(import.meta.url)('unsharp/sharp')
  const resized = await sharp(quarters()).resize(48).webp({ quality: 75 }).toBuffer()
  assert.equal((await metadata(resized)).width, 48)
  const inWorker = await new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url))
    worker.on('message', resolve)
    worker.on('error', reject)
  })
  assert.equal(inWorker, sizes.webp)
  console.log(`ok: Node ${process.version}, ${process.platform} ${process.arch}, bytes ${JSON.stringify(sizes)}`)
}
