// What the handler tells the log.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { createImageHandler, UnsharpError } from '../index.js'
import { allow, imagePath, publicFile, send, startUpstream, until, WEBP } from './support/app.mjs'

const photo = publicFile('photo.jpg')

/** A handler before an upstream that knows a photograph, a broken one, a text and an outage. */
async function start(t, options = {}) {
  const upstream = await startUpstream(t, ({ url }) => {
    if (url.startsWith('/photo')) return { body: photo }
    if (url.startsWith('/cut')) return { body: photo.subarray(0, photo.length / 2) }
    if (url.startsWith('/logo')) return { body: publicFile('animated.gif') }
    if (url.startsWith('/text')) return { body: 'no image' }
    return { status: 500 }
  })
  const dir = mkdtempSync(path.join(tmpdir(), 'unsharp-log-'))
  const handler = await createImageHandler({ dir, nextConfig: { images: allow(upstream) }, ...options })
  const server = createServer((req, res) => handler(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.close()
    await handler.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const image = (href, query) =>
    send({
      port: server.address().port,
      path: imagePath({ url: upstream.origin + href, ...query }),
      headers: { accept: WEBP },
    })
  return { image, upstream }
}

/** A logger that keeps everything, and a way to wait for the record of an event. */
function keeper() {
  const records = []
  const method = (level) => (message, fields) => records.push({ level, message, ...fields })
  const logger = Object.fromEntries(['error', 'warn', 'info', 'debug'].map((level) => [level, method(level)]))
  const find = (event) => until(() => records.find((record) => record.event === event), Boolean)
  return { logger, records, find }
}

test('each variant made is one record at debug level, with what it took', async (t) => {
  const { logger, find, records } = keeper()
  const { image } = await start(t, { logger, logLevel: 'debug' })
  const answer = await image('/photo.jpg?token=secret', { w: 640 })
  assert.equal(answer.status, 200)
  const record = await find('optimized')
  assert.equal(record.level, 'debug')
  assert.match(record.url, /\/photo\.jpg\?token=…$/)
  assert.equal(record.width, 640)
  assert.equal(record.quality, 75)
  assert.equal(record.accepted, 'image/webp')
  assert.equal(record.source_format, 'jpeg')
  assert.equal(record.source_bytes, photo.length)
  assert.equal(record.bytes, answer.body.length)
  for (const name of ['fetch_ms', 'decode_ms', 'resize_ms', 'encode_ms'])
    assert.ok(Number.isInteger(record[name]), name)

  await image('/photo.jpg?token=secret', { w: 640 })
  assert.equal(records.length, 1, 'a hit is not worth a record')
  await image('/logo.gif', { w: 640 })
  assert.equal((await find('bypass')).source_format, 'gif')
})

test('each failure is one record with its code and without secrets', async (t) => {
  const { logger, find, records } = keeper()
  const { image } = await start(t, { logger })

  assert.equal((await image('/cut.jpg?key=secret')).status, 200)
  const fallback = await find('fallback')
  assert.deepEqual([fallback.level, fallback.code, fallback.width], ['warn', 'ERR_UNSHARP_DECODE', 640])
  assert.match(fallback.message, /served as it came/)

  assert.equal((await image('/text.jpg?key=secret')).status, 400)
  assert.equal((await find('failed')).code, 'ERR_UNSHARP_NOT_AN_IMAGE')

  records.length = 0
  assert.equal((await image('/outage.jpg?key=secret')).status, 500)
  const failed = await find('failed')
  assert.deepEqual([failed.level, failed.code, failed.status], ['error', 'ERR_UNSHARP_UPSTREAM_STATUS', 500])
  assert.equal(records.length, 1)
  assert.doesNotMatch(JSON.stringify(records), /secret/)
})

test('what anybody can send without end is logged at debug level only', async (t) => {
  for (const [logLevel, count] of [
    ['warn', 0],
    ['debug', 1],
  ]) {
    const { logger, records } = keeper()
    const { image } = await start(t, { logger, logLevel })
    assert.equal((await image('/photo.jpg', { w: 7 })).status, 400)
    // Records come in order, so once that of a failure is here nothing earlier is still on its way.
    assert.equal((await image('/text.jpg')).status, 400)
    await until(() => records.find(({ event }) => event === 'failed'), Boolean)
    assert.equal(records.filter(({ event }) => event === 'refused').length, count, logLevel)
  }
})

test('silent is silent', async (t) => {
  const { logger, records } = keeper()
  const { image } = await start(t, { logger, logLevel: 'silent' })
  assert.equal((await image('/outage.jpg')).status, 500)
  await new Promise(setImmediate)
  assert.deepEqual(records, [])
})

test('a logger that throws breaks no answer', async (t) => {
  const warned = t.mock.method(console, 'error', () => {})
  const fail = () => {
    throw new Error('disk full')
  }
  const { image } = await start(t, { logger: { error: fail, warn: fail, info: fail, debug: fail } })
  assert.equal((await image('/outage.jpg')).status, 500)
  await until(() => warned.mock.callCount(), Boolean)
})

for (const [name, options, message] of [
  ['a logger without methods', { logger: {} }, /logger must have a method error/],
  ['a logger that is a function', { logger: () => {} }, /logger must be an object/],
  ['a level that does not exist', { logLevel: 'verbose' }, /logLevel must be one of silent, error, warn, info, debug/],
  ['a format that does not exist', { logFormat: 'xml' }, /logFormat must be one of text, json/],
]) {
  test(`${name} is refused`, async () => {
    await assert.rejects(createImageHandler({ nextConfig: {}, ...options }), (error) => {
      assert.ok(error instanceof UnsharpError)
      assert.match(error.message, message)
      return true
    })
  })
}

for (const [logFormat, check] of [
  ['json', (line) => assert.equal(JSON.parse(line).event, 'failed')],
  ['text', (line) => assert.match(line, /^unsharp error failed: .* code=ERR_UNSHARP_UPSTREAM_STATUS/)],
]) {
  test(`without a logger standard error gets ${logFormat}, one line a record`, async (t) => {
    const upstream = await startUpstream(t, () => ({ status: 500 }))
    const script = `
      const { createImageHandler } = require(${JSON.stringify(path.resolve(import.meta.dirname, '../index.js'))})
      createImageHandler(${JSON.stringify({ dir: tmpdir(), logFormat, nextConfig: { images: allow(upstream) } })}).then(
        (handler) => {
          const headers = {}
          const res = { setHeader() {}, writeHead() {}, end() {} }
          return handler({ method: 'GET', url: ${JSON.stringify(imagePath({ url: `${upstream.origin}/a\nb` }))}, headers, socket: {} }, res)
        },
      )`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'pipe'] })
    let text = ''
    child.stderr.on('data', (chunk) => (text += chunk))
    await once(child, 'close')
    const lines = text.trimEnd().split('\n')
    assert.equal(lines.length, 1, text)
    check(lines[0])
  })
}
