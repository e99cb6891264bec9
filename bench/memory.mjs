// What images cost in memory: `npm run bench:memory`. See README.md. Linux only: others keep no such accounts.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { stop } from '../scripts/shell.mjs'
import { namesOf, readArgs, wholeNumber, wholeNumbers } from './lib/args.mjs'
import { documentOf, machineLine, startRun, writeResults } from './lib/machine.mjs'
import { measureFresh } from './lib/peer-process.mjs'
import { UNSHARP_ENTRY } from './lib/peers.mjs'
import { drawnPictures, picturesIn, tinyVersion } from './lib/pictures.mjs'
import { lineCharts } from './lib/plot.mjs'
import { comeFirst } from './lib/quota.mjs'
import { geomean, median } from './lib/stats.mjs'
import { table } from './lib/table.mjs'

const USAGE = `Usage: npm run bench:memory [-- OPTIONS]

  --images DIR      the pictures; default some drawn for the run
  --formats LIST    avif, webp, jpeg, png; default avif,webp
  --widths LIST     px, default 1080
  --inflight LIST   images at once, default 4,16
  --rounds N        of fresh processes for each peak, default 3
  --encodes N       AVIF encodes in one process, default 5000; 0 leaves them out
  --peers LIST      of these encodes: sharp, unsharp; default both
  --first           come before whatever else runs on this machine (needs cgroups)
  --json FILE       also write every number to FILE
  --svg FILE        also draw the resident set over the encodes
  --help`

const PEERS = ['sharp', 'unsharp']
/** Small, so that thousands take minutes; of several sizes, so that an allocator has something to scatter. */
const ENCODED_WIDTHS = [64, 128, 256, 384]
const MB = 1024 * 1024

const options = readOptions()
if (options.first) comeFirst()
if (process.platform !== 'linux') stop('Peaks of memory can be read on Linux only.')
const folder = mkdtempSync(path.join(os.tmpdir(), 'unsharp-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const started = startRun()
const pictures = options.images
  ? await picturesIn(options.images).catch((error) => stop(error.message))
  : await drawnPictures(folder)
const peaks = await measurePeaks()
const encodes = options.encodes > 0 ? await measureEncodes() : {}
report()

/** Growth from before the first image to the peak, in fresh processes that have made a small image of the kind. */
async function measurePeaks() {
  const found = []
  for (const picture of pictures) {
    const tiny = await tinyVersion(picture, folder)
    for (const format of options.formats) {
      for (const width of options.widths) {
        for (const inflight of options.inflight) {
          const peak = { picture: picture.name, format, width, inflight, bytes: { sharp: [], unsharp: [] } }
          const job = { width, format, quality: 75 }
          const request = {
            ...{ input: picture.file, job: { ...job, sourceWidth: picture.width }, times: inflight * 2, inflight },
            warm: { input: tiny.file, job: { ...job, sourceWidth: tiny.width } },
          }
          process.stderr.write(`peak of ${picture.name} to ${format} ${width}, ${inflight} at once\n`)
          for (let round = 0; round < options.rounds; round += 1) {
            for (const name of PEERS) {
              const { rssGrowthBytes } = await measureFresh(name, UNSHARP_ENTRY, request)
              peak.bytes[name].push(rssGrowthBytes)
            }
          }
          peak.ratio = median(peak.bytes.unsharp) / median(peak.bytes.sharp)
          found.push(peak)
        }
      }
    }
  }
  return found
}

async function measureEncodes() {
  const found = {}
  const small = []
  for (const [index, picture] of pictures.entries()) small.push(await smallerVersion(picture, index))
  const work = {
    ...{ inputs: small, widths: ENCODED_WIDTHS, format: 'avif' },
    ...{ count: options.encodes, every: Math.max(1, Math.round(options.encodes / 20)), inflight: 16 },
  }
  for (const name of options.peers) {
    process.stderr.write(`${options.encodes} AVIF encodes by ${name}\n`)
    found[name] = await childEncodes(name, work)
  }
  return found
}

/** Decoding a large source is not what thousands of encodes are about. */
async function smallerVersion(picture, index) {
  const { default: sharp } = await import('./lib/sharp.mjs')
  const file = path.join(folder, `small-${index}.${picture.kind}`)
  const { width } = await sharp(picture.file)
    .rotate()
    .resize(512, undefined, { withoutEnlargement: true })
    .toFormat(picture.kind)
    .toFile(file)
  return { file, width }
}

async function childEncodes(name, work) {
  const script = path.join(import.meta.dirname, 'lib/memory-child.mjs')
  const env = { ...process.env, NODE_ENV: 'production' }
  const child = fork(script, [name, UNSHARP_ENTRY], { execArgv: ['--expose-gc'], env })
  child.send(work)
  const ended = once(child, 'exit').then(([code]) => ({ error: `its process ended with ${code}` }))
  const { sizes, error } = await Promise.race([once(child, 'message').then(([answer]) => answer), ended])
  child.kill()
  if (error) throw new Error(`${name}: ${error}`)
  return sizes
}

function report() {
  const mb = (bytes) => (bytes / MB).toFixed(0)
  const rows = peaks.map(({ picture, format, width, inflight, bytes, ratio }) => [
    ...[picture, format, String(width), String(inflight)],
    ...[mb(median(bytes.sharp)), mb(median(bytes.unsharp)), ratio.toFixed(2)],
  ])
  console.log(`${machineLine(started)}\n\ngrowth of the resident set to its peak, MiB\n`)
  console.log(table([['picture', 'format', 'width', 'at once', 'sharp', 'unsharp', 'ratio'], ...rows]))
  console.log()
  for (const inflight of options.inflight) {
    const ratios = peaks.filter((peak) => peak.inflight === inflight).map(({ ratio }) => ratio)
    console.log(
      `  ${inflight} at once: ${median(ratios).toFixed(2)} median, ${geomean(ratios).toFixed(2)} mean, ${Math.max(...ratios).toFixed(2)} worst`,
    )
  }
  for (const [name, sizes] of Object.entries(encodes)) {
    const fifth = Math.ceil((sizes.length - 1) / 5)
    const growth = (sizes.at(-1) - sizes.at(-1 - fifth)) / MB
    console.log(
      `  ${name}, ${options.encodes} AVIF encodes: ${mb(sizes[0])} MiB before, ${mb(sizes[1])} after a twentieth, ${mb(sizes.at(-1))} at the end; the last fifth ${growth < 0 ? '−' : '+'}${Math.abs(growth).toFixed(1)} MiB`,
    )
  }
  if (options.json) writeResults(options.json, documentOf({ started, options, peaks, encodes }))
  if (options.svg && options.encodes > 0) writeResults(options.svg, chartOfEncodes())
}

function chartOfEncodes() {
  const series = Object.entries(encodes).map(([label, sizes]) => ({
    label,
    points: sizes.map((bytes, index) => ({ x: (index * options.encodes) / (sizes.length - 1), y: bytes / MB })),
  }))
  const chart = { title: 'nothing in flight, after a collection', x: 'AVIF encodes', y: 'MiB', series }
  return lineCharts({ title: 'Resident set of one process', charts: [chart] })
}

function readOptions() {
  const text = (value) => ({ type: 'string', default: value })
  const given = {
    ...{ images: { type: 'string' }, json: { type: 'string' }, svg: { type: 'string' } },
    first: { type: 'boolean', default: false },
    ...{ formats: text('avif,webp'), widths: text('1080'), inflight: text('4,16'), rounds: text('3') },
    ...{ encodes: text('5000'), peers: text(PEERS.join(',')) },
  }
  return readArgs(USAGE, given, (values) => ({
    ...values,
    formats: namesOf('formats', values.formats, ['avif', 'webp', 'jpeg', 'png']),
    widths: wholeNumbers('widths', values.widths, [1, 16_383]),
    inflight: wholeNumbers('inflight', values.inflight, [1, 256]),
    rounds: wholeNumber('rounds', values.rounds, [1, 100]),
    encodes: wholeNumber('encodes', values.encodes, [0, 1_000_000]),
    peers: namesOf('peers', values.peers, PEERS),
  }))
}
