// Two builds of unsharp against each other, for a change to the build or to the code whose gain lies under the noise of a
// busy machine: `npm run bench:builds -- --old DIR`. See README.md.
//
// Each build has a process of its own and they take turns. CPU is user and system time of whole conversions; results that
// are not the same byte for byte are counted.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { namesOf, readArgs, wholeNumber, wholeNumbers } from './lib/args.mjs'
import { PeerProcess } from './lib/peer-process.mjs'
import { UNSHARP_ENTRY } from './lib/peers.mjs'
import { decodeInputs, drawnPictures, picturesIn } from './lib/pictures.mjs'
import { geomean, pairedRatio } from './lib/stats.mjs'
import { table } from './lib/table.mjs'

const QUALITY = 75
const FORMATS = ['avif', 'webp', 'jpeg', 'png']
/** A source counts for itself where little is left to encode. */
const DECODE_WIDTH = 256

const options = readArgs(
  `Usage: npm run bench:builds -- --old DIR [OPTIONS]

  --old DIR        a folder with another build: its index.js is what is loaded
  --new DIR        default: this one
  --images DIR     pictures instead of those that are drawn
  --formats a,b    default avif,webp,jpeg,png; none: only what the kinds of source cost
  --widths N,N     default 828,1080
  --rounds N       default 5`,
  {
    old: { type: 'string' },
    new: { type: 'string', default: path.dirname(UNSHARP_ENTRY) },
    images: { type: 'string' },
    formats: { type: 'string', default: FORMATS.join(',') },
    widths: { type: 'string', default: '828,1080' },
    rounds: { type: 'string', default: '5' },
  },
  ({ old, new: current, images, formats, widths, rounds }) => {
    if (!old) throw new Error('--old is needed: the folder of the build to compare with')
    return {
      ...{ old, current, images },
      formats: formats === 'none' ? [] : namesOf('formats', formats, FORMATS),
      widths: wholeNumbers('widths', widths, [16, 16383]),
      rounds: wholeNumber('rounds', rounds, [1, 1000]),
    }
  },
)

const folder = mkdtempSync(path.join(os.tmpdir(), 'unsharp-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const builds = [options.old, options.current].map(
  (dir) => new PeerProcess('unsharp', path.join(path.resolve(dir), 'index.js')),
)
const pictures = options.images ? await picturesIn(path.resolve(options.images)) : await drawnPictures(folder)
const measured = new Map()
for (const picture of pictures) {
  for (const format of options.formats) {
    for (const width of options.widths) await measure(`to ${format}`, picture, { format, width })
  }
}
for (const picture of await decodeInputs(pictures, folder)) {
  await measure(`${picture.kind} to ${DECODE_WIDTH} px`, picture, { format: 'webp', width: DECODE_WIDTH })
}
for (const build of builds) await build.stop()

const rows = [['what', 'CPU', '(best, worst)', 'bytes', 'results', 'the same']]
for (const [what, found] of measured) rows.push(rowOf(what, found))
console.log(table(rows))
console.log(
  'The new build to the old one: of each conversion the median ratio of its rounds, of these the geometric mean.',
)

async function measure(what, { name, file, width: sourceWidth }, { format, width }) {
  const job = { width, sourceWidth, format, quality: QUALITY, patient: true }
  const times = [[], []]
  const bytes = [0, 0]
  const outputs = builds.map((_, at) => path.join(folder, `result-${at}`))
  // The first round warms up and is not counted.
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const at of round % 2 ? [0, 1] : [1, 0]) {
      const result = await builds[at].measure({ input: file, job, output: round === 0 ? outputs[at] : undefined })
      bytes[at] = result.bytes
      if (round > 0) times[at].push(result.cpuMs)
    }
  }
  const [before, after] = outputs.map((output) => readFileSync(output))
  const found = {
    cpu: pairedRatio(times[1], times[0]),
    bytes: bytes[1] / bytes[0],
    isSame: before.equals(after),
  }
  console.error(`${what}, ${name} ${width} px: CPU ${found.cpu.toFixed(3)}, bytes ${found.bytes.toFixed(3)}`)
  if (!measured.has(what)) measured.set(what, [])
  measured.get(what).push(found)
}

function rowOf(what, found) {
  const cpu = found.map((each) => each.cpu)
  const bytes = geomean(found.map((each) => each.bytes))
  const same = found.filter(({ isSame }) => isSame).length
  const range = `(${Math.min(...cpu).toFixed(2)}, ${Math.max(...cpu).toFixed(2)})`
  return [what, geomean(cpu).toFixed(3), range, bytes.toFixed(3), String(found.length), String(same)]
}
