// Holds unsharp against sharp, as Next calls it, over the whole range of Next's quality: what the same number gives, and
// what bytes it takes to look the same: `npm run bench:quality`. See README.md.
//
//   [--images DIR] [--width PX] [--formats LIST] [--qualities LIST] [--rounds N] [--json FILE] [--svg PREFIX]
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { figuresOf } from './lib/curves.mjs'
import { documentOf, startRun, writeResults } from './lib/machine.mjs'
import { PeerProcess } from './lib/peer-process.mjs'
import { UNSHARP_ENTRY } from './lib/peers.mjs'
import { drawnPictures, picturesIn } from './lib/pictures.mjs'
import { Scorer } from './lib/quality.mjs'
import { geomean, median, pairedRatio, valueAtScore } from './lib/stats.mjs'

const { values: options } = parseArgs({
  options: {
    images: { type: 'string' },
    unsharp: { type: 'string', default: UNSHARP_ENTRY },
    width: { type: 'string', default: '828' },
    formats: { type: 'string', default: 'avif,webp,jpeg' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'string' },
    svg: { type: 'string' },
    qualities: { type: 'string', default: '10,25,40,50,60,75,85,95' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`Usage: npm run bench:quality [-- OPTIONS]

  --images DIR        besides the pictures that are drawn
  --width PX          default 828
  --formats a,b       default avif,webp,jpeg
  --qualities N,N     default 10,25,40,50,60,75,85,95
  --rounds N          default 1
  --unsharp FILE      another build's index.js
  --json FILE, --svg FILE`)
  process.exit(0)
}
const width = Number(options.width)
const asked = options.qualities.split(',').map(Number)
// Settings between those that are asked for, so that no step is too long to go straight over it.
const between = asked.flatMap((quality) => [quality - 8, quality - 4, quality + 4])
const swept = [...new Set([...asked, ...between])].filter((quality) => quality >= 1 && quality <= 100)
swept.sort((a, b) => a - b)

const folder = await mkdtemp(path.join(os.tmpdir(), 'unsharp-quality-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const scorer = new Scorer(folder)
let answers = 0
const pictures = [...(options.images ? await picturesIn(options.images) : []), ...(await drawnPictures(folder))]
const peers = { sharp: new PeerProcess('sharp'), unsharp: new PeerProcess('unsharp', path.resolve(options.unsharp)) }

const started = startRun()
/** What each setting that is asked for gave: the curves of the plots. */
const points = []

for (const format of options.formats.split(',')) {
  const rows = []
  for (const picture of pictures) rows.push(...(await sweep(picture, format)))
  print(format, rows)
}
for (const peer of Object.values(peers)) await peer.stop()
await scorer.stop()
if (options.json) writeResults(options.json, documentOf({ started, options, points }))
for (const [format, figure] of Object.entries(options.svg ? figuresOf(points) : {}))
  writeResults(`${options.svg}-${format}.svg`, figure)

/** One row for each quality that is asked for. */
async function sweep(picture, format) {
  const ours = []
  for (const quality of swept) ours.push(await answer('unsharp', picture, format, quality))
  const rows = []
  for (const quality of asked) {
    const theirs = await answer('sharp', picture, format, quality)
    const same = ours.find((setting) => setting.quality === quality)
    const cpu = { sharp: [], unsharp: [] }
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const name of Object.keys(peers)) {
        cpu[name].push((await peers[name].measure(request(picture, format, quality))).cpuMs)
      }
    }
    for (const [peer, setting] of [
      ['sharp', theirs],
      ['unsharp', same],
    ])
      points.push({ format, picture: picture.name, peer, ...setting, cpuMs: median(cpu[peer]) })
    const log = (setting) => Math.log(setting.bytes)
    const at = (seen) =>
      valueAtScore(
        ours.map((setting) => ({ score: seen(setting), value: log(setting) })),
        seen(theirs),
      )
    const [bySsimulacra, byButteraugli] = [at(({ score }) => score), at(({ distance }) => -distance)]
    const ratio = (value) => (value === null ? null : Math.exp(value) / theirs.bytes)
    rows.push({
      picture: picture.name,
      quality,
      theirs: theirs.score,
      score: same.score - theirs.score,
      distance: same.distance / theirs.distance,
      bytes: same.bytes / theirs.bytes,
      bySsimulacra: ratio(bySsimulacra),
      byButteraugli: ratio(byButteraugli),
      cpu: pairedRatio(cpu.unsharp, cpu.sharp),
    })
  }
  return rows
}

async function answer(name, picture, format, quality) {
  // sharp, which the scorer reads with, keeps what it has read by the name of its file.
  answers += 1
  const output = path.join(folder, `answer-${answers}`)
  const { bytes } = await peers[name].measure({ ...request(picture, format, quality), output })
  const seen = await scorer.score(picture, output)
  rmSync(output)
  return { quality, bytes, ...seen }
}

function request({ file, width: sourceWidth }, format, quality) {
  return { input: file, job: { width, sourceWidth, format, quality, patient: true } }
}

function print(format, rows) {
  const titles = [
    'q',
    'picture',
    'sharp',
    'score',
    'BA 3',
    'bytes',
    'bytes at equal SSIMULACRA2',
    '… butteraugli',
    'CPU',
  ]
  const lines = [titles]
  for (const quality of asked) {
    const here = rows.filter((row) => row.quality === quality)
    for (const row of here) lines.push([String(quality), row.picture, row.theirs.toFixed(1), ...figures(row)])
    const mean = {}
    for (const key of ['distance', 'bytes', 'bySsimulacra', 'byButteraugli', 'cpu']) {
      const known = here.map((row) => row[key]).filter((value) => value !== null)
      mean[key] = known.length ? geomean(known) : null
    }
    mean.score = here.reduce((sum, { score }) => sum + score, 0) / here.length
    lines.push([String(quality), 'mean', '', ...figures(mean)])
  }
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const text = lines.map((line) => `  ${line.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd())
  console.log(`${format} at ${width} px, unsharp to sharp\n${text.join('\n')}\n`)
}

function figures({ score, distance, bytes, bySsimulacra, byButteraugli, cpu }) {
  const ratios = [distance, bytes, bySsimulacra, byButteraugli, cpu]
  const signed = `${score < 0 ? '' : '+'}${score.toFixed(1)}`
  return [signed, ...ratios.map((value) => (value === null ? '–' : value.toFixed(2)))]
}
