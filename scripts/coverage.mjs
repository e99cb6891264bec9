// How much of our own code an instrumented program has run, by LLVM's source-based coverage.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { llvmVersion, rustlib } from './sanitizer.mjs'
import { attempt, has, root, run, stop } from './shell.mjs'

/** Our code that reads bytes or words from outside: folders and files, the inner ones first. */
const READERS = [
  'src/image/format.rs',
  'src/image/decode/jpeg/',
  'src/image/decode/png.rs',
  'src/image/decode/gif.rs',
  'src/image/decode/webp/lossy/',
  'src/image/decode/webp/',
  'src/image/decode/avif/',
  'src/image/decode/tiff/',
  'src/image/decode/exif.rs',
  'src/image/decode/',
  'src/image/svg/',
  'src/request.rs',
  'src/negotiate.rs',
  'src/upstream/pattern/',
  'src/upstream/address.rs',
  'src/upstream/content_coding.rs',
  'src/response/',
  'src/cache/file_name.rs',
  'src/cache/object/http/names.rs',
  'src/cache/object/layout.rs',
  'src/cache/sync/manifest.rs',
  'src/coordinate/outcome.rs',
]

/** One of LLVM's programs: that of rustup's component llvm-tools, or the system's of the same major version. */
export function llvm(program) {
  const major = llvmVersion.split('.')[0]
  const found = [path.join(rustlib, 'bin', program), `${program}-${major}`].find(
    (name) => existsSync(name) || has(name),
  )
  return (
    found ??
    stop(`Missing: ${program} ${major}. Install: rustup component add llvm-tools, or your system's llvm-${major}`)
  )
}

/**
 * Runs a program that was built with `-Cinstrument-coverage` and prints how much of each reader has been run.
 *
 * @param {string[]} command the program and what it is called with
 * @param {string} folder where its counts are put
 */
export function runWithCoverage([program, ...args], folder) {
  const [profdata, cov] = ['llvm-profdata', 'llvm-cov'].map(llvm)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // Where one fails, what was run counts all the same.
  const passed = attempt([program, ...args], { env: { LLVM_PROFILE_FILE: path.join(folder, '%p.profraw') } })
  const raw = readdirSync(folder).map((name) => path.join(folder, name))
  const merged = path.join(folder, 'merged.profdata')
  run([profdata, 'merge', '-sparse', '-o', merged, ...raw])
  const printed = execFileSync(cov, ['export', program, `-instr-profile=${merged}`, '-summary-only'], {
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  })
  const rows = new Map(READERS.map((reader) => [reader, { lines: [0, 0], functions: [0, 0] }]))
  for (const { filename, summary } of JSON.parse(printed).data[0].files) {
    const name = path.relative(root, filename)
    const row = rows.get(READERS.find((reader) => name.startsWith(reader)))
    for (const unit of row ? ['lines', 'functions'] : []) {
      row[unit][0] += summary[unit].covered
      row[unit][1] += summary[unit].count
    }
  }
  const sum = (unit) => [0, 1].map((at) => [...rows.values()].reduce((total, row) => total + row[unit][at], 0))
  rows.set('all', { lines: sum('lines'), functions: sum('functions') })
  for (const [reader, { lines, functions }] of rows) {
    console.log(`${reader.padEnd(30)} ${share(lines)} of the lines, ${share(functions)} of the functions`)
  }
  if (!passed) stop(`Failed: ${path.basename(program)}`)
}

function share([covered, count]) {
  const percent = count === 0 ? 0 : (100 * covered) / count
  return `${covered}/${count} (${percent.toFixed(1)} %)`.padStart(20)
}
