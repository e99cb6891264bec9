// Whether packed packages may be published: how large they are, what runs while they are installed, and whether every importer
// finds the code and the types.
//
//   node scripts/release/packages.mjs FOLDER      the folder has the tarballs that scripts/pack.mjs made
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'
import { attempt, local, stop } from '../shell.mjs'
import { manifestOf } from './registry.mjs'
import { tarballsIn } from './ways.mjs'

/**
 * The most that a package may take once it is unpacked: what the largest one has, rounded up, so that none grows
 * unnoticed. What is in it stands in docs/PERFORMANCE.md.
 */
const BUDGET_BYTES = 16_000_000

/** What npm runs of a package while it installs it. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`

/** Bytes of a tarball's files once they are unpacked. */
function unpackedBytes(tarball) {
  return execFileSync('tar', ['-xzOf', tarball], { maxBuffer: 256 << 20 }).length
}

/**
 * @param {string[]} tarballs
 * @returns {string[]} what is wrong with them; empty when nothing is
 */
export function packageFaults(tarballs) {
  const faults = []
  for (const tarball of tarballs) {
    const { name, os, scripts = {} } = manifestOf(tarball)
    const bytes = unpackedBytes(tarball)
    console.log(`\n${name}: ${megabytes(bytes)} unpacked, ${megabytes(statSync(tarball).size)} packed`)
    if (bytes > BUDGET_BYTES) faults.push(`${name} has ${megabytes(bytes)}, and may have ${megabytes(BUDGET_BYTES)}`)
    const found = INSTALL_SCRIPTS.filter((script) => script in scripts)
    if (found.length > 0) faults.push(`${name} has the scripts ${found.join(', ')}`)
    if (!attempt([local('publint'), 'run', tarball, '--strict'])) faults.push(`publint of ${name}`)
    // An addon has no types of its own. A function with members, as two of our modules are, can be imported by its default
    // alone; sharp's declarations promise the same members, and what takes its place should not differ.
    const isAddon = os !== undefined
    if (!isAddon && !attempt([local('attw'), tarball, '--ignore-rules', 'named-exports']))
      faults.push(`attw of ${name}`)
  }
  return faults
}

if (import.meta.filename === process.argv[1]) {
  const faults = packageFaults(tarballsIn(path.resolve(process.argv[2] ?? stop('Which folder has the tarballs?'))))
  if (faults.length > 0) stop(`Failed:\n  ${faults.join('\n  ')}`)
}
