// Everything about the code that a machine can judge. All checks run, and what failed is said again at the end.

import { buildAddon } from './build.mjs'
import { installCargoTool, installModules, requireCompilers } from './setup.mjs'
import { attempt, local, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

requireCompilers()
installModules()
const { env, features } = await toolchain()
// Also writes native.d.cts, for the check that it is what is committed.
await buildAddon('dev')
const denyFolder = installCargoTool('cargo-deny', '0.20.2')
const denyEnv = denyFolder ? { PATH: `${process.env.PATH}:${denyFolder}` } : {}

const clippy = ['cargo', 'clippy', '--all-targets', '--no-default-features']
/** The crate that scores the benchmark's pictures, a workspace of its own. */
const scorer = ['--manifest-path', 'bench/quality/Cargo.toml']
/** The fuzz targets, another one. */
const targets = ['--manifest-path', 'fuzz/Cargo.toml']
const checks = {
  'format of the Rust code': [['cargo', 'fmt', '--all', '--check']],
  'format of the scorer': [['cargo', 'fmt', '--check', ...scorer]],
  'format of the fuzz targets': [['cargo', 'fmt', '--check', ...targets]],
  'clippy, core tier': [[...clippy, '--', '-D', 'warnings'], env],
  'clippy, everything': [
    [...clippy, '--workspace', '--features', ['binding', ...features].join(','), '--', '-D', 'warnings'],
    env,
  ],
  'clippy, scorer': [['cargo', 'clippy', '--all-targets', '--locked', ...scorer, '--', '-D', 'warnings'], env],
  'clippy, fuzz targets': [
    [
      'cargo',
      'clippy',
      '--locked',
      ...targets,
      '--no-default-features',
      '--target-dir',
      'target',
      '--',
      '-D',
      'warnings',
    ],
    env,
  ],
  'format and lint of the JavaScript code': [[local('biome'), 'ci', '.']],
  'types of the glue and of the package': [[local('tsc'), '-p', '.']],
  'native.d.cts is what the addon declares': [['git', 'diff', '--exit-code', '--', 'native.d.cts']],
  'licences of the crates': [['cargo', 'deny', 'check', 'licenses'], denyEnv],
  'THIRD_PARTY.md': [[process.execPath, 'scripts/release/third-party.mjs', '--check']],
  workflows: [[process.execPath, 'scripts/workflows.mjs']],
  'versions agree': [[process.execPath, 'scripts/release/version.mjs', '--check']],
  'layers of the crate': [[process.execPath, 'scripts/layers.mjs']],
}

const failed = Object.entries(checks)
  .filter(([, [command, env]]) => !attempt(command, { env }))
  .map(([name]) => name)
if (failed.length > 0) stop(`Failed:\n  ${failed.join('\n  ')}`)
console.log(`\nAll ${Object.keys(checks).length} checks passed.`)
