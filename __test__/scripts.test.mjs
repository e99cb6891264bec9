// The rules that the scripts enforce, and what they say.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { brokenImports } from '../scripts/layers.mjs'
import { completeLock } from '../scripts/lock-platforms.mjs'

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
