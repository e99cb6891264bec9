// The rules that the scripts enforce, and what they say.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import { brokenImports } from '../scripts/layers.mjs'
import { completeLock } from '../scripts/lock-platforms.mjs'
import { guided, profileOf } from '../scripts/pgo.mjs'
import { platforms } from '../scripts/platforms.mjs'
import { faults } from '../scripts/release/addon.mjs'
import { codecsOf } from '../scripts/release/counts.mjs'
import { notes, places, released } from '../scripts/release/version.mjs'
import { has } from '../scripts/shell.mjs'
import { workflowFaults } from '../scripts/workflows.mjs'

const modules = new Set(['error', 'image', 'key', 'cache', 'handler', 'binding'])
const broken = (file, source) => brokenImports([{ file, source }], modules)

test('the layer rule finds what points the wrong way', () => {
  assert.deepEqual(broken('image/resize.rs', 'use crate::cache::Entry;'), ['src/image/resize.rs names crate::cache'])
  assert.deepEqual(broken('error.rs', 'fn a() { crate::image::b() }'), ['src/error.rs names crate::image'])
  assert.deepEqual(broken('key.rs', 'use crate::{error::Error, handler::{a, b}};'), ['src/key.rs names crate::handler'])
  assert.deepEqual(broken('handler.rs', 'use napi::Env;'), ['src/handler.rs names napi'])
})

test('the layer rule lets pass what points the right way', () => {
  assert.deepEqual(
    broken('image/resize.rs', 'use crate::error::{Error, Result};\nuse crate::image::limits::Limits;'),
    [],
  )
  assert.deepEqual(broken('binding/mod.rs', 'use napi::Env;\nuse crate::handler::Handler;'), [])
  assert.deepEqual(broken('cache/mod.rs', '// crate::handler calls this, with "napi"\nuse crate::key::Key;'), [])
})

test('a lock gets an entry for each platform package that it lacks', () => {
  const optionalDependencies = {
    '@a/b-linux-x64-musl': '1.0.0',
    '@a/b-win32-arm64': '1.0.0',
    '@a/b-linux-x64-gnu': '1.0.0',
  }
  const lock = { packages: { 'node_modules/b': { optionalDependencies }, 'node_modules/@a/b-linux-x64-gnu': {} } }
  assert.deepEqual(completeLock(lock), ['@a/b-linux-x64-musl', '@a/b-win32-arm64'])
  const { dev, ...added } = lock.packages['node_modules/@a/b-linux-x64-musl']
  assert.deepEqual(added, { version: '1.0.0', optional: true, cpu: ['x64'], libc: ['musl'], os: ['linux'] })
  assert.equal(dev, undefined)
})

test('a workflow that names an action by a tag, or has a fault, is found', async () => {
  const workflow = (uses) => `on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: ${uses}\n`
  assert.deepEqual(await workflowFaults(workflow(`actions/checkout@${'0a'.repeat(20)} # v7`)), [])
  assert.deepEqual(await workflowFaults(workflow('actions/checkout@v7')), [
    '6: actions/checkout@v7 is not named by its commit',
  ])
  const [fault] = await workflowFaults(workflow(`actions/checkout@${'0a'.repeat(20)}`).replace('24.04', '1.0'))
  assert.match(fault, /^4: label "ubuntu-1\.0" is unknown/)
})

const CHANGELOG =
  '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n'

test('a release takes what was unreleased, under its version and date', () => {
  const after = released(CHANGELOG, '0.2.0', '2026-11-21')
  assert.match(after, /## \[Unreleased\]\n\n## \[0\.2\.0\] - 2026-11-21\n\n### Added\n\n- Something\.\n/)
  assert.equal(notes(after, '0.2.0'), '### Added\n\n- Something.')
  assert.equal(notes(after, 'Unreleased'), '')
  assert.equal(notes(after, '0.1.0'), '- The first.')
  assert.equal(notes(after, '0.3.0'), '')
})

test('there is no release of nothing, and none twice', () => {
  assert.throws(() => released(released(CHANGELOG, '0.2.0', '2026-11-21'), '0.3.0', '2026-11-22'), /says nothing/)
  assert.throws(() => released(CHANGELOG, '0.1.0', '2026-11-21'), /has a section 0\.1\.0 already/)
})

test('the version stands in every manifest, the crate and its lock', () => {
  const files = places('9.8.7').map(([file, before, after]) => {
    assert.equal(after.split('9.8.7').length, before.split('9.8.7').length + 1, file)
    return file
  })
  assert.deepEqual(files.slice(0, 3), ['Cargo.toml', 'Cargo.lock', 'npm/sharp/package.json'])
  assert.equal(files.length, 3 + platforms().size)
})

test('an addon that another system could not load is found', { skip: !has('readelf') && 'needs readelf' }, () => {
  // Node itself: a program with the C++ library, and no addon.
  const found = faults(process.execPath)
  assert.ok(found.includes('is no addon: napi_register_module_v1 is not in it'))
  assert.ok(found.some((fault) => /^needs .*libstdc\+\+\.so\.6.*, which not every system has$/.test(fault)))
})

/** Runs the demo's script, which has to fail, and gives what it printed. */
async function failingDemo(port) {
  const script = path.resolve(import.meta.dirname, '../scripts/demo.mjs')
  const child = execFile(process.execPath, [script], { env: { ...process.env, PORT: port } })
  const printed = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => printed.push(text))
  const [code] = await once(child, 'close')
  assert.equal(code, 1)
  return printed.join('').trim()
}

test('the demo says in one line that its port is taken, before it builds anything', async (t) => {
  for (const host of ['127.0.0.1', undefined]) {
    const server = createServer().listen(0, host)
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address()
    assert.equal(
      await failingDemo(String(port)),
      `Port ${port} is taken. Choose another one: PORT=${port + 1} npm run demo`,
    )
  }
})

test('the demo refuses a port that is none', async () => {
  assert.equal(await failingDemo('http'), 'PORT must be a number up to 65535, not http')
  assert.equal(await failingDemo('70000'), 'PORT must be a number up to 65535, not 70000')
})

test('of a recorded profile stays what the codecs in C have counted, and what of them never ran', () => {
  const record = (name, ...values) =>
    `${name}\n# Func Hash:\n1\n# Num Counters:\n${values.length}\n${values.join('\n')}`
  const kept = [
    `# IR level Instrumentation Flag\n:ir\n${record('VP8Decimate', 0, 7)}`,
    record('tx_search.c;search_tx_type', 0, 0),
  ]
  const others = [
    record('_ZN12jpeg_decoder7decoder17h0E', 3),
    record('png.4bffb1141e45e8e-cgu.0;fill', 3),
    record('ring_core_0_17_14__p256_mul_mont', 0),
    record('curve25519.c;fe_mul_impl', 0),
  ]
  const text = `${[...kept, ...others].join('\n\n')}\n\n`
  assert.equal(codecsOf(text), `${kept.join('\n\n')}\n\n`)
})

test('the profile of a release is one that LLVM reads, and of the code that there is', () => {
  const bytes = brotliDecompressSync(readFileSync(profileOf('linux-x64-gnu')))
  assert.equal(bytes.toString('latin1', 0, 8), '\xfflprofi\x81')
  for (const name of ['VP8Decimate', 'tx_search.c;search_tx_type', 'quantize_trellis'])
    assert.ok(bytes.includes(name), name)
})

test('a platform without a profile is built without', () => assert.equal(guided('linux-arm64-musl'), undefined))
