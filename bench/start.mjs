// What it costs to have it: the time of `require`, and what is installed. `npm run bench:start`. See README.md.
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { readArgs, wholeNumber } from './lib/args.mjs'
import { filesOf, installedSizes } from './lib/installed.mjs'
import { documentOf, machineLine, startRun, writeResults } from './lib/machine.mjs'
import { SHARP, UNSHARP_ENTRY } from './lib/peers.mjs'
import { comeFirst } from './lib/quota.mjs'
import { median, percentile } from './lib/stats.mjs'
import { table } from './lib/table.mjs'

const USAGE = `Usage: npm run bench:start [-- OPTIONS]

  --rounds N      of fresh processes for each, default 31
  --unsharp FILE  the addon's entry, default this repository's index.js
  --first         come before whatever else runs on this machine (needs cgroups)
  --json FILE     also write every number to FILE
  --help`

const options = readArgs(
  USAGE,
  {
    ...{ rounds: { type: 'string', default: '31' }, unsharp: { type: 'string' }, json: { type: 'string' } },
    first: { type: 'boolean', default: false },
  },
  (values) => ({ ...values, rounds: wholeNumber('rounds', values.rounds, [1, 10_000]) }),
)
if (options.first) comeFirst()
const sharp = createRequire(import.meta.url).resolve(SHARP)
const entry = options.unsharp ?? UNSHARP_ENTRY

/** What each process runs; the first image is a PNG of one pixel, so that nothing but the start is in it. */
const PIXEL =
  'Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==", "base64")'
const PEERS = {
  unsharp: { entry, first: `loaded.optimize(${PIXEL}, { width: 1, format: 'webp' })` },
  sharp: { entry: sharp, first: `loaded(${PIXEL}).webp().toBuffer()` },
}

const started = startRun()
const turns = { unsharp: [], sharp: [] }
for (let round = 0; round < options.rounds; round += 1) {
  for (const name of round % 2 ? ['sharp', 'unsharp'] : ['unsharp', 'sharp']) turns[name].push(fresh(PEERS[name]))
}
const sizes = { unsharp: filesOf(entry), sharp: installedSizes(sharp) }
report()

/** One start in a process of its own, ms. */
function fresh({ entry, first }) {
  const script = `
    const before = performance.now()
    const loaded = require(${JSON.stringify(entry)})
    const required = performance.now()
    ${first}.then(() => {
      console.log(JSON.stringify({ requireMs: required - before, firstMs: performance.now() - before }))
      process.exit()
    })`
  const env = { ...process.env, NODE_ENV: 'production' }
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env }))
}

function report() {
  const total = (name) => Object.values(sizes[name]).reduce((sum, bytes) => sum + bytes, 0)
  const rows = Object.keys(PEERS).map((name) => {
    const of = (field) => turns[name].map((turn) => turn[field])
    return [
      name,
      ...[median(of('requireMs')), percentile(of('requireMs'), 90), median(of('firstMs'))].map((ms) => ms.toFixed(1)),
      (total(name) / 1e6).toFixed(1),
    ]
  })
  console.log(`${machineLine(started)}\nmedians of ${options.rounds} fresh processes each, in turns\n`)
  console.log(table([['', 'require ms', 'its p90', 'to the first image ms', 'installed MB'], ...rows]))
  for (const [name, parts] of Object.entries(sizes)) {
    const listed = Object.entries(parts).map(([part, bytes]) => `${part} ${(bytes / 1e6).toFixed(2)}`)
    console.log(`\n  ${name}: ${listed.join(', ')}`)
  }
  if (options.json) writeResults(options.json, documentOf({ started, options, turns, sizes }))
}
