// createImageHandler() with a bucket behind its cache: what one server makes, the next one has.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { createImageHandler } from '../index.js'
import { cacheKey, imagePath, publicFile, send, WEBP } from './support/app.mjs'
import { bucketAndCache, environment, variantsIn, writeVariant } from './support/variants.mjs'

for (const name of Object.keys(process.env)) if (!(name in environment())) delete process.env[name]

/** Listens, and stops after the test. */
async function listen(t, answer) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return server.address().port
}

/** A source of images that counts what is asked of it. */
async function source(t) {
  const asked = []
  const port = await listen(t, (req, res) => {
    asked.push(req.url)
    res.setHeader('cache-control', 'max-age=3600')
    res.end(publicFile('photo.jpg'))
  })
  return { origin: `http://127.0.0.1:${port}`, asked }
}

/** A server with a disk of its own. */
async function pod(t, folder, name, origin, options) {
  const dir = path.join(folder, name)
  mkdirSync(dir)
  const nextConfig = { images: { minimumCacheTTL: 0 } }
  const handler = await createImageHandler({ dir, nextConfig, origin, ...options })
  const port = await listen(t, handler)
  const image = (query) => send({ port, path: imagePath(query), headers: { accept: WEBP } })
  return { handler, image, cache: path.join(dir, '.next/cache/images') }
}

const query = { url: '/photo.jpg', w: 256 }
const status = (answer) => [answer.status, answer.headers['x-nextjs-cache']]

test('what one server made is a hit on one that starts empty, without a fetch and without work', async (t) => {
  const { folder, bucket, store } = bucketAndCache(t)
  const { origin, asked } = await source(t)
  const first = await pod(t, folder, 'first', origin, { store })
  const made = await first.image(query)
  assert.deepEqual(status(made), [200, 'MISS'])
  await first.handler.close()
  assert.equal(variantsIn(bucket).length, 1)
  assert.equal(first.handler.stats().bucketPushes, 1)

  const second = await pod(t, folder, 'second', origin, { store })
  const answers = await Promise.all(Array.from({ length: 10 }, () => second.image(query)))
  for (const answer of answers) {
    assert.deepEqual(status(answer), [200, 'HIT'])
    assert.deepEqual(answer.body, made.body)
    assert.equal(answer.headers.etag, made.headers.etag)
  }
  const { hits, misses, optimized, bucketHits, bucketMisses, bucketErrors, bucketQueue } = second.handler.stats()
  assert.deepEqual({ hits, misses, optimized }, { hits: 10, misses: 0, optimized: 0 })
  assert.deepEqual(
    { bucketHits, bucketMisses, bucketErrors, bucketQueue },
    {
      ...{ bucketHits: 1, bucketMisses: 0, bucketErrors: 0, bucketQueue: 0 },
    },
  )
  assert.equal(asked.length, 1)
  await second.handler.close()
  assert.equal(variantsIn(second.cache).length, 1, 'nothing is written any more once it is closed')
})

test('a refresh takes what another server has made anew', async (t) => {
  const { folder, bucket, store } = bucketAndCache(t)
  const { origin, asked } = await source(t)
  const { handler, image, cache } = await pod(t, folder, 'first', origin, { store })
  const key = cacheKey({ href: '/photo.jpg', width: 256, type: 'image/webp' })
  writeVariant(cache, key, { body: 'old', expiresAtMs: Date.now() - 1000 })
  writeVariant(bucket, key, { body: 'new' })
  const stale = await image(query)
  assert.deepEqual([...status(stale), stale.text], [200, 'STALE', 'old'])
  await handler.close()
  const fresh = await image(query)
  assert.deepEqual([...status(fresh), fresh.text], [200, 'HIT', 'new'])
  assert.equal(handler.stats().bucketHits, 1)
  assert.deepEqual(asked, [], 'no source was fetched')
})

test('false means no bucket, whatever the environment says', async (t) => {
  const { folder, bucket, store } = bucketAndCache(t)
  const { origin } = await source(t)
  process.env.UNSHARP_STORE = store
  t.after(() => delete process.env.UNSHARP_STORE)
  for (const [name, options, variants] of [
    ['without', { store: false }, 0],
    ['with', {}, 1],
  ]) {
    const { handler, image } = await pod(t, folder, name, origin, options)
    assert.deepEqual(status(await image(query)), [200, 'MISS'])
    await handler.close()
    assert.equal(variantsIn(bucket).length, variants, name)
  }
})

test('a bucket that fails costs no request its answer', async (t) => {
  const { folder, bucket, store } = bucketAndCache(t)
  const { origin } = await source(t)
  const { handler, image } = await pod(t, folder, 'first', origin, { store, logLevel: 'silent' })
  rmSync(bucket, { recursive: true })
  writeFileSync(bucket, 'not a folder')
  assert.deepEqual(status(await image(query)), [200, 'MISS'])
  assert.deepEqual(status(await image(query)), [200, 'HIT'])
  assert.equal(handler.stats().bucketErrors, 1)
})

test('a bucket of the environment that can not be used is told, and left out', async (t) => {
  const { folder } = bucketAndCache(t)
  const { origin } = await source(t)
  process.env.UNSHARP_STORE = 's3:/nonsense'
  t.after(() => delete process.env.UNSHARP_STORE)
  const told = []
  const take = (message, { event }) => told.push([event, message])
  const logger = { error: take, warn: take, info: take, debug: take }
  const { image } = await pod(t, folder, 'first', origin, { logger })
  assert.deepEqual(status(await image(query)), [200, 'MISS'])
  assert.equal(told.length, 1)
  assert.equal(told[0][0], 'bucket_not_used')
  assert.match(told[0][1], /UNSHARP_STORE/)
})
