// What the transparency of a lossy WebP takes: unsharp's own encoder for it against libwebp's, which sharp calls:
// `npm run bench:transparency`. See README.md.
//
//   node bench/transparency.mjs [--images DIR] [--widths LIST] [--rounds N]
//
// Both get PNGs of the width that the WebP has, so that nothing is resized, and take turns. Bytes are those of the chunk
// with the transparency and of the file, CPU that of the whole call; sharp's effort is 4, as Next leaves it.
import path from 'node:path'
import { readArgs, wholeNumber, wholeNumbers } from './lib/args.mjs'
import { loadPeer, UNSHARP_ENTRY } from './lib/peers.mjs'
import { drawnPhoto, picturesIn } from './lib/pictures.mjs'
import sharp from './lib/sharp.mjs'
import { geomean, pairedRatio } from './lib/stats.mjs'
import { table } from './lib/table.mjs'
import { transparentPictures } from './lib/transparent.mjs'

const QUALITY = 75

const options = readArgs(
  `Usage: npm run bench:transparency [-- OPTIONS]

  --images DIR     pictures with transparency beside those that are drawn
  --widths N,N     default 256,640,1080,1920
  --rounds N       default 5`,
  {
    images: { type: 'string' },
    widths: { type: 'string', default: '256,640,1080,1920' },
    rounds: { type: 'string', default: '5' },
  },
  ({ images, widths, rounds }) => ({
    images,
    widths: wholeNumbers('widths', widths, [16, 4096]),
    rounds: wholeNumber('rounds', rounds, [1, 1000]),
  }),
)

sharp.concurrency(1)
const peers = { ours: loadPeer('unsharp', UNSHARP_ENTRY), sharp: loadPeer('sharp') }
const kinds = transparentPictures(await drawnPhoto())
if (options.images) {
  const found = await picturesIn(path.resolve(options.images))
  for (const { name, file } of found) {
    if (!(await sharp(file).stats()).isOpaque) kinds[name] = (width) => sharp(file).resize(width).png().toBuffer()
  }
}

const rows = [['picture', 'plane / effort 2', '(worst)', '/ effort 4', '(worst)', 'file', '(worst)', 'CPU', '(worst)']]
const all = []
for (const [kind, make] of Object.entries(kinds)) {
  const measured = []
  for (const width of options.widths) {
    measured.push(await measure(await make(width), width))
    console.error(
      `${kind} ${width} px: ${measured
        .at(-1)
        .map((value) => value.toFixed(2))
        .join(' ')}`,
    )
  }
  rows.push(rowOf(kind, measured))
  all.push(...measured)
}
rows.push(rowOf('all', all))
console.log(table(rows))
console.log('Ours to sharp: geometric means over the widths.')

/** Ratios: of the plane to sharp's with efforts 2 and 4, of the file and of the CPU. */
async function measure(input, width) {
  const job = { width, sourceWidth: width, format: 'webp', quality: QUALITY, patient: true }
  const times = { ours: [], sharp: [] }
  const files = {}
  // The first round warms up and is not counted.
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const name of round % 2 ? ['ours', 'sharp'] : ['sharp', 'ours']) {
      const before = process.cpuUsage()
      files[name] = await peers[name](input, job)
      const { user, system } = process.cpuUsage(before)
      if (round > 0) times[name].push(user + system)
    }
  }
  const fast = await sharp(input).webp({ quality: QUALITY, effort: 2 }).toBuffer()
  const plane = planeBytes(files.ours)
  return [
    plane / planeBytes(fast),
    plane / planeBytes(files.sharp),
    files.ours.length / files.sharp.length,
    pairedRatio(times.ours, times.sharp),
  ]
}

/** Bytes of the chunk `ALPH`. */
function planeBytes(file) {
  for (let at = 12; at < file.length; ) {
    const bytes = file.readUInt32LE(at + 4)
    if (file.toString('latin1', at, at + 4) === 'ALPH') return bytes
    at += 8 + bytes + (bytes % 2)
  }
  throw new Error('a file without transparency')
}

function rowOf(kind, measured) {
  const columns = measured[0].map((_, column) => measured.map((values) => values[column]))
  return [kind, ...columns.flatMap((values) => [geomean(values).toFixed(2), `(${Math.max(...values).toFixed(2)})`])]
}
