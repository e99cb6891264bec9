// What a server says soon after it listens.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { environment } from './support/variants.mjs'

const run = promisify(execFile)
const ROOT = path.resolve(import.meta.dirname, '..')

/**
 * Runs a server that has loaded a Next of that version, and whose last timer comes after the check's.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} code what it does first, with `withUnsharp` and `unsharp` in reach
 * @param {{ env?: Record<string, string>, version?: string }} [options]
 * @returns {Promise<string>} what it printed
 */
async function serverSays(t, code, { env = {}, version = '16.4.6' } = {}) {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'unsharp-boot-')))
  t.after(() => rmSync(dir, { recursive: true }))
  const dist = path.join(dir, 'node_modules/next/dist/server')
  mkdirSync(dist, { recursive: true })
  writeFileSync(path.join(dir, 'node_modules/next/package.json'), JSON.stringify({ version }))
  writeFileSync(path.join(dist, 'image-optimizer.js'), '')
  writeFileSync(path.join(dir, 'package.json'), '{}')
  writeFileSync(
    path.join(dir, 'server.js'),
    `require('next/dist/server/image-optimizer.js')
    const { withUnsharp } = require(${JSON.stringify(path.join(ROOT, 'lib/next.js'))})
    const unsharp = require(${JSON.stringify(path.join(ROOT, 'index.js'))})
    ${code}
    require('node:http').createServer().listen(0, '127.0.0.1', () => setTimeout(() => process.exit(), 2000))`,
  )
  const { stdout, stderr } = await run(process.execPath, ['server.js'], { cwd: dir, env: environment(env) })
  return stdout + stderr
}

const BUCKET = { UNSHARP_STORE: 'memory:' }
const FORGOTTEN = /UNSHARP_STORE names a bucket, but nothing in this server uses it/

test('a server whose environment names a bucket that nothing uses says so, once, and how to use it', async (t) => {
  const said = await serverSays(t, 'withUnsharp({}); withUnsharp({})', { env: BUCKET })
  assert.match(said, FORGOTTEN)
  assert.match(said, /Fix: withUnsharp\(nextConfig, \{ cacheHandler: true \}\)/)
  assert.equal(said.split('unsharp: ').length, 2, said)
})

test('a Next that can not keep images there says so too', async (t) => {
  const said = await serverSays(t, 'withUnsharp({}, { cacheHandler: true })', { env: BUCKET, version: '15.5.0' })
  assert.match(said, FORGOTTEN)
})

test('a server says nothing of the bucket', { concurrency: 4 }, async (t) => {
  const cases = [
    ['where none is named', 'withUnsharp({})', {}],
    ['where the name is empty', 'withUnsharp({})', { UNSHARP_STORE: ' ' }],
    ['where images are kept there', 'withUnsharp({}, { cacheHandler: true })'],
    ['where withUnsharp() names one itself', `withUnsharp({}, { store: 's3://bucket' })`],
    ['where none is wanted', 'withUnsharp({}, { store: false })'],
    [
      'where the app names our handler',
      `withUnsharp({ cacheHandler: ${JSON.stringify(path.join(ROOT, 'lib/cache-handler.js'))}, images: { customCacheHandler: true } })`,
    ],
    ['where the folder is kept in step with it', 'withUnsharp({}); unsharp.startCacheSync()'],
    [
      'where the handler of a custom server uses it',
      'withUnsharp({}); unsharp.createImageHandler({ nextConfig: {}, origin: "http://127.0.0.1:1" })',
    ],
    [
      'where a standalone server keeps images there',
      `require(${JSON.stringify(path.join(ROOT, 'lib/cache-handler.js'))})`,
      { ...BUCKET, __NEXT_PRIVATE_STANDALONE_CONFIG: '{"images":{"customCacheHandler":true}}' },
    ],
  ]
  const tests = cases.map(([when, code, env = BUCKET]) =>
    t.test(when, async (t) => assert.equal(await serverSays(t, code, { env }), '')),
  )
  await Promise.all(tests)
})

test('a standalone server that does not keep images there says so', async (t) => {
  const code = `require(${JSON.stringify(path.join(ROOT, 'lib/cache-handler.js'))})`
  const env = { ...BUCKET, __NEXT_PRIVATE_STANDALONE_CONFIG: '{"images":{}}' }
  assert.match(await serverSays(t, code, { env }), FORGOTTEN)
})
