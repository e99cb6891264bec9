// All tests: sets up what they need, builds, and runs Rust's and then Node's.
//
//   node scripts/test.mjs [rust|node]      default: both
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { serverVariables } from '../__test__/support/redis.mjs'
import { startStores } from '../__test__/support/stores.mjs'
import { buildAddon } from './build.mjs'
import { buildApp, example, testApp } from './example.mjs'
import { howToInstall, installModules, installTools, requireCompilers } from './setup.mjs'
import { root, run, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

const only = process.argv[2]
if (only !== undefined && !['rust', 'node'].includes(only)) stop(`There are rust and node tests, not ${only}.`)

requireCompilers()
const missing = installTools(['chromium'])
if (missing.length > 0 && only !== 'rust') stop(howToInstall(missing))
installModules()
const { addresses, stop: stopStores } = await startStores()
// Where buckets are, and which programs are a Redis and a Valkey.
const servers = { ...addresses, ...serverVariables() }

if (only !== 'node') {
  const { env, features } = await toolchain()
  run(['cargo', 'test', '--no-default-features'], { env })
  run(['cargo', 'test', '--no-default-features', '--features', ['server', ...features].join(',')], {
    env: { ...env, ...servers },
  })
  run(['cargo', 'test', '--locked', '--manifest-path', 'bench/quality/Cargo.toml'], { env })
}
if (only !== 'rust') {
  await buildAddon('dev')
  buildApp(example)
  buildApp(testApp)
  run([process.execPath, '--test', '--test-reporter=spec', ...testFiles()], { cwd: root, env: servers })
}
await stopStores()

function testFiles() {
  return ['__test__', 'bench'].flatMap((folder) =>
    readdirSync(path.join(root, folder))
      .filter((name) => name.endsWith('.test.mjs'))
      .map((name) => path.join(folder, name)),
  )
}
