// Publishes packed packages: those of the platforms, then the main one, which asks for them, then the alias. What the registry
// has already is left alone, so that a run which broke off can be repeated.
//
//   node scripts/release/publish.mjs FOLDER [--dry-run]
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { run, stop } from '../shell.mjs'
import { manifestOf } from './registry.mjs'
import { tarballsIn } from './ways.mjs'

/** @param {{ name: string }} manifest */
function place({ name }) {
  if (name === 'unsharp') return 1
  return name === 'unsharp-sharp' ? 2 : 0
}

/** Whether the registry has this version. Asks for one field, which is empty for what it does not know. */
function isPublished({ name, version }) {
  const { stdout } = spawnSync('npm', ['view', `${name}@${version}`, 'version'], { encoding: 'utf8' })
  return stdout.trim() === version
}

/**
 * @param {string[]} tarballs
 * @param {{ isDryRun?: boolean }} [options]
 */
export function publish(tarballs, { isDryRun = false } = {}) {
  const known = tarballs.map((file) => ({ file, manifest: manifestOf(file) }))
  known.sort((a, b) => place(a.manifest) - place(b.manifest) || (a.file < b.file ? -1 : 1))
  // Provenance is a workflow's to give; npm refuses the flag anywhere else.
  const how = isDryRun ? ['--dry-run'] : ['--provenance']
  for (const { file, manifest } of known) {
    if (isPublished(manifest)) console.log(`${manifest.name}@${manifest.version} is published`)
    else run(['npm', 'publish', file, '--access', 'public', ...how])
  }
}

if (import.meta.filename === process.argv[1]) {
  const [folder, flag] = process.argv.slice(2)
  if (!folder) stop('Which folder has the tarballs?')
  publish(tarballsIn(path.resolve(folder)), { isDryRun: flag === '--dry-run' })
}
