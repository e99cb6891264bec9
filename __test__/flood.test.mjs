// Ever new urls, each of which the patterns allow.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { createImageHandler } from '../index.js'
import { allow, imagePath, publicFile, send, startUpstream, WEBP } from './support/app.mjs'

const KIB = 1024
const DISK = 1024 * KIB
const BUCKET = 256 * KIB

/** Bytes of all files below the folder. */
function bytesIn(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0)
}

async function start(t, upstream, options, images) {
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-flood-'))
  for (const name of ['app', 'bucket']) mkdirSync(path.join(folder, name))
  const store = `${pathToFileURL(path.join(folder, 'bucket'))}?pushBytesPerHour=${BUCKET}`
  const nextConfig = { images: allow(upstream, images) }
  const dir = path.join(folder, 'app')
  const handler = await createImageHandler({ dir, nextConfig, store, logLevel: 'silent', ...options })
  const server = createServer((req, res) => handler(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await handler.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const image = (url, query) =>
    send({ port: server.address().port, path: imagePath({ url, ...query }), headers: { accept: WEBP } })
  return { handler, image, cache: path.join(dir, '.next/cache/images'), bucket: path.join(folder, 'bucket') }
}

test('ten thousand urls fill neither the disk nor the memory nor the bucket beyond their limits', async (t) => {
  // Passed through as it comes, so that the test is about keeping and not about encoding.
  const body = Buffer.concat([publicFile('animated.gif'), Buffer.alloc(KIB)])
  const upstream = await startUpstream(t, () => ({ headers: { 'content-type': 'image/gif' }, body }))
  const images = { maximumDiskCacheSize: DISK }
  const { handler, image, cache, bucket } = await start(t, upstream, { memoryBytes: 128 * KIB }, images)
  const total = 10_000
  assert.ok(body.length * total > 8 * DISK)
  for (let at = 0; at < total; at += 100) {
    const some = Array.from({ length: 100 }, (_, more) => image(`${upstream.origin}/${at + more}.gif`, { w: 64 }))
    for (const { status } of await Promise.all(some)) assert.equal(status, 200)
  }
  await handler.close()
  assert.equal(upstream.requests.length, total)
  assert.ok(bytesIn(cache) <= DISK, `${bytesIn(cache)} bytes on disk`)
  const pushed = handler.stats().bucketPushes
  // While the test runs, a part of the hour's bytes comes back.
  assert.ok(pushed > 0 && pushed * body.length <= 2 * BUCKET, `${pushed} in the bucket`)
  // Notes for other servers lie beside the variants.
  assert.ok(bytesIn(bucket) <= 2 * BUCKET + 64 * KIB, `${bytesIn(bucket)} bytes in the bucket`)
  const again = await image(`${upstream.origin}/0.gif`, { w: 64 })
  assert.equal(again.status, 200, 'and it goes on')
})

test('sources that are under way take no more memory than they may, and the next request is served', async (t) => {
  let release
  const released = new Promise((resolve) => (release = resolve))
  const photo = publicFile('photo.jpg')
  // Almost a megabyte, then nothing until the test goes on.
  const part = Buffer.alloc(1_000_000)
  const upstream = await startUpstream(
    t,
    () => ({ body: photo }),
    (listener) =>
      createServer((req, res) => {
        if (!req.url.startsWith('/slow')) return listener(req, res)
        res.writeHead(200, { 'content-length': 2_000_000 })
        res.write(part)
        released.then(() => res.destroy())
      }),
  )
  // Room for two of the largest sources.
  const options = { memoryBudgetBytes: 1, maxQueue: 1000 }
  const { image } = await start(t, upstream, options, { maximumResponseBody: 2_000_000 })
  const slow = Array.from({ length: 20 }, (_, at) => image(`${upstream.origin}/slow${at}.jpg`))
  // Those that have room wait for their second megabyte.
  await Promise.any(slow)
  release()
  const statuses = (await Promise.all(slow)).map(({ status }) => status)
  assert.ok(statuses.includes(503), statuses.join())
  assert.ok(!statuses.includes(200), statuses.join())
  assert.equal((await image(`${upstream.origin}/photo.jpg`, { w: 64 })).status, 200)
})
