// Everything about the code that a machine can judge. All checks run, and what failed is said again at the end.

import { buildAddon } from './build.mjs'
import { installCargoDeny, installModules, requireCompilers } from './setup.mjs'
import { attempt, local, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

requireCompilers()
installModules()
const { env, features } = await toolchain()
// Also writes native.d.cts, for the check that it is what is committed.
await buildAddon('dev')
const denyFolder = installCargoDeny()
const denyEnv = denyFolder ? { PATH: `${process.env.PATH}:${denyFolder}` } : {}

const clippy = ['cargo', 'clippy', '--all-targets', '--no-default-features']
/** The crate that scores the benchmark's pictures, a workspace of its own. */
const scorer = ['--manifest-path', 'bench/quality/Cargo.toml']
const checks = {
  'format of the Rust code': [['cargo', 'fmt', '--check']],
  'format of the scorer': [['cargo', 'fmt', '--check', ...scorer]],
  'clippy, core tier': [[...clippy, '--', '-D', 'warnings'], env],
  'clippy, everything': [[...clippy, '--features', ['binding', ...features].join(','), '--', '-D', 'warnings'], env],
  'clippy, scorer': [['cargo', 'clippy', '--all-targets', '--locked', ...scorer, '--', '-D', 'warnings'], env],
  'format and lint of the JavaScript code': [[local('biome'), 'ci', '.']],
  'types of the glue and of the package': [[local('tsc'), '-p', '.']],
  'native.d.cts is what the addon declares': [['git', 'diff', '--exit-code', '--', 'native.d.cts']],
  'licences of the crates': [['cargo', 'deny', 'check', 'licenses'], denyEnv],
  'layers of the crate': [[process.execPath, 'scripts/layers.mjs']],
}

const failed = Object.entries(checks)
  .filter(([, [command, env]]) => !attempt(command, { env }))
  .map(([name]) => name)
if (failed.length > 0) stop(`Failed:\n  ${failed.join('\n  ')}`)
console.log(`\nAll ${Object.keys(checks).length} checks passed.`)
