// Whether an addon runs where its package may be installed: which libraries it takes from the system, and which versions of
// them it asks for.
//
//   node scripts/release/addon.mjs FILE…
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'
import { OLDEST_GLIBC } from '../portable.mjs'
import { has, stop } from '../shell.mjs'

/** What every Linux has that Node runs on. The loader is listed by some linkers. */
const SYSTEM_LIBRARIES = [
  /^libc\.so\.6$/,
  /^libc\.musl-\w+\.so\.1$/,
  /^libc\.so$/,
  /^libm\.so\.6$/,
  /^libgcc_s\.so\.1$/,
  /^ld-linux-[\w-]+\.so\.\d$/,
  // Parts of glibc until 2.34, and empty files since.
  /^lib(dl\.so\.2|pthread\.so\.0|rt\.so\.1|util\.so\.1)$/,
]

const readelf = (option, file) =>
  execFileSync('readelf', ['-W', option, file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 64 << 20,
  })

/** Sorts 2.9 before 2.28. */
const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true })

/**
 * @param {string} file an addon for Linux
 * @returns {{ libraries: string[], glibc: string | undefined, exports: string[], relocated: boolean }} the libraries that it
 *   wants, the newest glibc whose symbols it asks for, the functions that it has, and whether what the loader leaves to it has
 *   a function to do it
 */
export function describeElf(file) {
  const dynamic = readelf('-d', file)
  const libraries = [...dynamic.matchAll(/\(NEEDED\)\s+Shared library: \[(.+)\]/g)].map(([, name]) => name)
  const versions = [...readelf('-V', file).matchAll(/Name: GLIBC_(\d[\d.]*)/g)].map(([, version]) => version)
  const symbols = readelf('--dyn-syms', file)
  const exports = symbols
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , type, bind, , section]) => type === 'FUNC' && bind === 'GLOBAL' && section !== 'UND')
    .map((columns) => columns[7])
  const relocates = dynamic.includes('6fffe000')
  return {
    libraries,
    glibc: versions.sort(byVersion).at(-1),
    exports,
    relocated: !relocates || /\(INIT\)/.test(dynamic),
  }
}

/**
 * @param {string} file an addon for Linux
 * @returns {string[]} what keeps it from running everywhere; empty when nothing does
 */
export function faults(file) {
  const { libraries, glibc, exports, relocated } = describeElf(file)
  const found = []
  const foreign = libraries.filter((name) => !SYSTEM_LIBRARIES.some((known) => known.test(name)))
  if (foreign.length > 0) found.push(`needs ${foreign.join(', ')}, which not every system has`)
  if (glibc && byVersion(glibc, OLDEST_GLIBC) > 0) found.push(`needs glibc ${glibc}, and ${OLDEST_GLIBC} has to do`)
  if (!exports.includes('napi_register_module_v1')) found.push('is no addon: napi_register_module_v1 is not in it')
  if (!relocated) found.push('has addresses to relocate itself, and no function that the loader calls for it')
  return found
}

if (import.meta.filename === process.argv[1]) {
  const files = process.argv.slice(2)
  if (files.length === 0) stop('Which addon?')
  if (!has('readelf')) stop('Missing: readelf. Install: sudo apt-get install binutils')
  let failed = false
  for (const file of files) {
    const { libraries, glibc } = describeElf(file)
    const megabytes = (statSync(file).size / 1e6).toFixed(1)
    console.log(`${path.basename(file)}: ${megabytes} MB, glibc ${glibc ?? 'none'}, ${libraries.join(' ')}`)
    for (const fault of faults(file)) {
      failed = true
      console.error(`  ${fault}`)
    }
  }
  if (failed) process.exit(1)
}
