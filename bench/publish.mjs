// Measures everything that the README and docs/PERFORMANCE.md quote and writes it to bench/results: `npm run
// bench:publish -- --images DIR`. About half an hour on four idle cores. Each file begins with the command that made it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { buildApp, testApp } from '../scripts/example.mjs'
import { namesOf, readArgs } from './lib/args.mjs'
import { writeResults } from './lib/machine.mjs'

const USAGE = `Usage: npm run bench:publish [-- OPTIONS]

  --images DIR   the pictures; default some drawn for the run, which are softer than photographs
  --only LIST    of start, http, ssr, ssr-saturated, memory, quality, image; default all
  --out DIR      default bench/results
  --help`

/** The quick ones first: a machine that is not quiet shows in them before much time is spent. */
const RUNS = {
  start: { script: 'start' },
  http: { script: 'http', args: ['--rounds', '7', '--seconds', '6'], draws: true },
  // Of the 120 pages of six seconds the burst in which all clients begin is the slowest twentieth.
  ssr: { script: 'ssr', args: ['--rounds', '3', '--seconds', '12'], draws: true },
  'ssr-saturated': { script: 'ssr', args: ['--saturate', '--quotas', '1', '--rounds', '2', '--seconds', '6'] },
  memory: { script: 'memory', args: ['--rounds', '1'], pictures: true, draws: true },
  quality: { script: 'quality', args: ['--qualities', '40,60,75,90'], pictures: true, draws: true },
  image: {
    script: 'image',
    args: ['--widths', '640,1080,1920', '--rounds', '2', '--inflight', '4,16', '--peers', 'unsharp'],
    pictures: true,
  },
}

const options = readArgs(
  USAGE,
  {
    images: { type: 'string' },
    only: { type: 'string', default: Object.keys(RUNS).join(',') },
    out: { type: 'string', default: path.join(import.meta.dirname, 'results') },
  },
  (values) => ({ ...values, only: namesOf('only', values.only, Object.keys(RUNS)) }),
)

// Not as part of a run: what a build prints is no result.
if (options.only.some((name) => ['http', 'ssr'].includes(RUNS[name].script))) buildApp(testApp)

const failed = []
for (const name of options.only) {
  const { script, args = [], pictures, draws } = RUNS[name]
  const shown = [...args, ...(pictures && options.images ? ['--images', 'DIR'] : [])]
  const real = shown.map((arg) => (arg === 'DIR' ? options.images : arg))
  const file = path.join(options.out, name)
  // The plots of the quality runs are one per format, so that is a beginning of names.
  const plots = draws ? ['--svg', script === 'quality' ? file : `${file}.svg`] : []
  process.stderr.write(`\n${name}\n`)
  const text = await output(script, [...real, '--json', `${file}.json`, ...plots])
  if (text === null) failed.push(name)
  else
    writeResults(
      `${file}.txt`,
      `${['npm run', `bench:${script}`, ...(shown.length ? ['--', ...shown] : [])].join(' ')}\n\n${text}`,
    )
}
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(', ')}`)
  process.exit(1)
}

/** What a benchmark prints, or null when it fails. */
async function output(script, args) {
  const command = [path.join(import.meta.dirname, `${script}.mjs`), ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
    process.stdout.write(chunk)
  })
  const [code] = await once(child, 'close')
  return code === 0 ? text : null
}
