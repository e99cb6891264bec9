// All tests: sets up what they need, builds, and runs Rust's and then Node's.
//
//   node scripts/test.mjs [rust|node]      default: both
//   node scripts/test.mjs asan             Rust's under AddressSanitizer, from a folder of their own, target/asan
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { serverVariables } from '../__test__/support/redis.mjs'
import { startStores } from '../__test__/support/stores.mjs'
import { buildAddon } from './build.mjs'
import { buildApp, example, testApp } from './example.mjs'
import { ASAN, addressSanitizer } from './sanitizer.mjs'
import { howToInstall, installModules, installTools, requireCompilers } from './setup.mjs'
import { root, run, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

const only = process.argv[2]
if (only !== undefined && !['rust', 'node', 'asan'].includes(only)) stop(`There are rust, node and asan, not ${only}.`)

requireCompilers()
const missing = installTools(['chromium'])
if (missing.length > 0 && !['rust', 'asan'].includes(only)) stop(howToInstall(missing))
installModules()
const { addresses, stop: stopStores } = await startStores()
// Where buckets are, and which programs are a Redis and a Valkey.
const servers = { ...addresses, ...serverVariables() }

if (only === 'asan') {
  const [flag] = addressSanitizer()
  if (!flag) stop('This toolchain has no AddressSanitizer.')
  // Without the decoders' assembly, which no sanitizer sees into.
  const { env, features } = await toolchain({ wanted: ['libaom'] })
  const own = {
    CARGO_TARGET_DIR: path.join(root, 'target/asan'),
    RUSTC_BOOTSTRAP: '1',
    RUSTFLAGS: flag,
    ...ASAN,
    // The sanitizer puts room between the variables on the stack.
    RUST_MIN_STACK: String(64 << 20),
  }
  const tests = ['--lib', '--tests', '--no-fail-fast', '--no-default-features']
  // The sanitizer has an allocator of its own, and this is about glibc's.
  const others = ['--', '--skip', 'runtime::heap']
  run(['cargo', 'test', ...tests, '--features', ['server', ...features].join(','), ...others], {
    env: { ...env, ...servers, ...own },
  })
} else if (only !== 'node') {
  const { env, features } = await toolchain()
  run(['cargo', 'test', '--no-default-features'], { env })
  run(['cargo', 'test', '--no-default-features', '--features', ['server', ...features].join(',')], {
    env: { ...env, ...servers },
  })
  run(['cargo', 'test', '--locked', '--manifest-path', 'bench/quality/Cargo.toml'], { env })
}
if (only === undefined || only === 'node') {
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
