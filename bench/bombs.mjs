// What hostile images cost: `npm run bench:bombs`, `-- --only TEXT` for those whose name has it, `-- --json FILE`.
//
// Each goes alone through optimize() with its default limits in a new process. Shown are what came of it, how long the
// call took (reading the header included), CPU time, how far the resident set grew, and how long an ordinary photograph takes
// after it, against before. A line that is over the limits (timeoutMs and a second, the budget and 64 MB) has a mark, and
// then the exit code is 1. Where other programs have the CPUs, CPU time counts in place of the clock. sharp makes most of the files; they are kept in target/bombs.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp-reference'
import { BOMBS } from './bombs/make.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const FOLDER = path.join(ROOT, 'target/bombs')
const MOST_MS = 7_000 + 1_000
const MOST_BYTES = (512 + 64) * 2 ** 20

const { values } = parseArgs({ options: { only: { type: 'string', default: '' }, json: { type: 'string' } } })

mkdirSync(FOLDER, { recursive: true })
const plain = path.join(FOLDER, 'plain.jpg')
await sharp({ create: { width: 1600, height: 1200, channels: 3, background: '#7090b0' } })
  .jpeg()
  .toFile(plain)

const columns = ['input', 'sent', 'came of it', 'header ms', 'ms', 'CPU ms', 'RSS MiB', 'next image']
const widths = [46, 9, 34, 10, 8, 8, 8, 10]
const line = (cells) =>
  cells
    .map((cell, at) => (at === 0 || at === 2 ? String(cell).padEnd(widths[at]) : String(cell).padStart(widths[at])))
    .join(' ')

console.log(line(columns))
const results = []
for (const { name, file, options = { width: 3840, format: 'webp' } } of BOMBS.filter(({ name }) =>
  name.includes(values.only),
)) {
  const place = path.join(FOLDER, encodeURIComponent(name))
  if (!existsSync(place)) writeFileSync(place, await file())
  const measured = await measure(place, options)
  const isOver = Math.min(measured.ms, measured.cpuMs) > MOST_MS || measured.growthBytes > MOST_BYTES
  results.push({ name, options, sentBytes: statSync(place).size, isOver, ...measured })
  const { outcome, headerMs, ms, cpuMs, growthBytes, before, after } = measured
  const numbers = [headerMs.toFixed(0), ms.toFixed(0), cpuMs.toFixed(0), (growthBytes / 2 ** 20).toFixed(0)]
  const ratio = `×${(after / before).toFixed(2)}`
  console.log(line([name, size(statSync(place).size), outcome, ...numbers, ratio]) + (isOver ? '  OVER' : ''))
}
if (values.json) writeFileSync(values.json, JSON.stringify(results, null, 2))
process.exitCode = results.some(({ isOver }) => isOver) ? 1 : 0

/** @returns {Promise<Record<string, any>>} what bombs/child.mjs says */
async function measure(file, options) {
  const script = path.join(import.meta.dirname, 'bombs/child.mjs')
  const child = fork(script, [path.join(ROOT, 'index.js'), file, plain, JSON.stringify(options)])
  const [answer] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code, signal]) => {
      throw new Error(`${file}: the process ended with ${signal ?? code}`)
    }),
  ])
  return answer
}

function size(bytes) {
  return bytes < 10_000
    ? `${bytes} B`
    : bytes < 10_000_000
      ? `${(bytes / 1000).toFixed(0)} kB`
      : `${(bytes / 1e6).toFixed(0)} MB`
}
