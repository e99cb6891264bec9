// Measures unsharp against sharp, as Next calls it, and against @napi-rs/image: `npm run bench:image`. See README.md.
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { documentOf, startRun, writeResults } from './lib/machine.mjs'
import { readOptions, USAGE } from './lib/options.mjs'
import { peerVersion, SHARP, UNSHARP_ENTRY } from './lib/peers.mjs'

/** Decode cells end in a small picture, so that encoding weighs little. */
const DECODE_WIDTH = 256

const options = parse()
if (!canLoad(SHARP)) stop('sharp is what everything is compared with: npm ci')
// Most of these load sharp, so they wait until it is known to be there.
const { decodeInputs, drawnPictures, picturesIn, tinyVersion } = await import('./lib/pictures.mjs')
const { Scorer } = await import('./lib/quality.mjs')
const { measureCell, sweepQuality, widthOf } = await import('./lib/measure.mjs')
const { PeerProcess } = await import('./lib/peer-process.mjs')
const { compareAtEqualQuality, compareCell } = await import('./lib/compare.mjs')
const { reportText, summaries } = await import('./lib/report.mjs')

const folder = await mkdtemp(path.join(os.tmpdir(), 'unsharp-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const entry = path.resolve(options.unsharp ?? UNSHARP_ENTRY)
const started = startRun()
// Before anything is measured: a failed build should not cost a whole run.
const scorer = options.scores ? startScorer() : null
const pictures = options.images
  ? await picturesIn(options.images).catch((error) => stop(error.message))
  : await drawnPictures(folder)
const run = { peers: await startPeers(), entry, options, folder }
if (started.load > 0.5) say(`the load average is ${started.load.toFixed(1)}: trust the ratios, not the absolutes`)

const cells = await plan()
for (const [index, cell] of cells.entries()) {
  const label = `${cell.section} ${cell.picture.name}.${cell.picture.kind} to ${cell.format} ${cell.width}`
  say(`[${index + 1}/${cells.length}] ${label}`)
  cell.results = await measureCell(cell, run)
  const sweeps = options.matched && cell.section === 'optimize' && !cell.results.sharp.error
  if (sweeps)
    cell.swept = await sweepQuality(cell, run, cell.results).catch((error) => say(`no sweep: ${error.message}`))
}
for (const peer of run.peers.values()) await peer.stop()
if (scorer) await scoreAll()

const found = cells.map(({ picture, section, format, width, quality, results, swept }) => ({
  section,
  picture: picture.name,
  kind: picture.kind,
  format,
  width,
  quality,
  results,
  comparison: compareCell(results),
  ...(swept && { swept, matched: compareAtEqualQuality(swept) }),
}))
console.log(`\n${reportText(found, options)}`)
if (options.json) {
  writeResults(
    options.json,
    documentOf({
      started,
      options,
      versions: Object.fromEntries([...run.peers.keys()].map((name) => [name, peerVersion(name, entry)])),
      pictures: pictures.map(({ file, ...picture }) => picture),
      summary: summaries(found),
      cells: found,
    }),
  )
}

function parse() {
  try {
    return readOptions(process.argv.slice(2)) ?? stop(USAGE, 0)
  } catch (error) {
    return stop(`${error.message}\n\n${USAGE}`)
  }
}

function startScorer() {
  try {
    return new Scorer(folder)
  } catch (error) {
    if (options.matched) stop(error.message)
    say(`no scores: ${error.message}`)
    return null
  }
}

async function startPeers() {
  const peers = new Map()
  for (const name of options.peers) {
    const peer = new PeerProcess(name, entry)
    try {
      await peer.start()
      peers.set(name, peer)
    } catch (error) {
      if (name === 'sharp') stop(`sharp can't be loaded: ${error.message}`)
      const remedy = { unsharp: 'npm run build', 'napi-rs': 'npm ci' }[name]
      say(`${name} is not measured, try \`${remedy}\`: ${error.message}`)
    }
  }
  return peers
}

async function plan() {
  const list = []
  const add = (cell) => list.push({ id: String(list.length), quality: options.quality, ...cell })
  for (const picture of pictures) {
    const tiny = await tinyVersion(picture, folder)
    for (const format of options.formats) {
      const seen = new Set()
      for (const width of options.widths) {
        const cell = { section: 'optimize', picture, tiny, format, width }
        // Past the picture's own width every width gives the same answer.
        if (!seen.has(widthOf(cell))) add(cell)
        seen.add(widthOf(cell))
      }
    }
  }
  for (const picture of options.decode ? await decodeInputs(pictures, folder) : []) {
    const tiny = await tinyVersion(picture, folder)
    add({ section: 'decode', picture, tiny, format: 'webp', width: DECODE_WIDTH })
  }
  return list
}

// After all timing, since scoring takes every core. Pictures of one source and size stand together, so that
// each reference is made once.
async function scoreAll() {
  const outputs = []
  for (const cell of cells) {
    outputs.push(
      ...Object.values(cell.results)
        .filter(({ output }) => output)
        .map((result) => ({ cell, result })),
    )
    outputs.push(
      ...Object.values(cell.swept ?? {})
        .flat()
        .map((result) => ({ cell, result })),
    )
  }
  const order = ({ cell }) => `${cell.picture.file} ${String(widthOf(cell)).padStart(5, '0')}`
  outputs.sort((a, b) => (order(a) < order(b) ? -1 : 1))
  say(`scoring ${outputs.length} pictures`)
  for (const { cell, result } of outputs) {
    try {
      Object.assign(result, await scorer.score(cell.picture, result.output))
    } catch (error) {
      say(`no score for ${cell.picture.name} ${cell.format} ${cell.width}: ${error.message}`)
    }
  }
  await scorer.stop()
}

function canLoad(name) {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}

function say(text) {
  process.stderr.write(`${text}\n`)
}

function stop(text, code = 1) {
  ;(code === 0 ? console.log : console.error)(text)
  process.exit(code)
}
