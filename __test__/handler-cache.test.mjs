// The cache behind the handler: one computation for many requests, the folder shared with Next, staleness.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp-reference'
import {
  APP,
  allow,
  cachedFiles,
  cacheKey,
  folderFor,
  freshDist,
  publicFile,
  startApp,
  startNext,
  startUpstream,
  until,
  WEBP,
} from './support/app.mjs'

const photo = publicFile('photo.jpg')
const query = { url: '/photo.jpg', w: 256 }
const key = cacheKey({ href: '/photo.jpg', width: 256, type: 'image/webp' })

/** A picture that stands for a variant which somebody else has made. */
const other = () =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .webp()
    .toBuffer()

/** A promise and the function that resolves it. */
function gate() {
  let open
  const opened = new Promise((resolve) => {
    open = resolve
  })
  return { open, opened }
}

test('a variant lies in the folder where Next would have put it', async (t) => {
  const app = await startApp(t)
  const before = Date.now()
  const answer = await app.image(query, { accept: WEBP })
  const [file, ...more] = await until(
    () => (existsSync(path.join(app.cache, key)) ? cachedFiles(app.cache, key) : []),
    (files) => files.length > 0 && files.every(({ name }) => name.endsWith('.webp')),
  )
  assert.deepEqual(more, [])
  assert.equal(file.maxAge, 14400)
  assert.equal(file.etag, answer.headers.etag)
  assert.equal(file.extension, 'webp')
  assert.ok(file.expireAt >= before + 14400_000 && file.expireAt <= Date.now() + 14400_000)
})

test('what Next has cached is a hit', async (t) => {
  const dist = freshDist()
  const made = await other()
  const name = `60.${Date.now() + 3600_000}.some-etag.some-upstream-etag.webp`
  writeFileSync(path.join(folderFor(dist.cache, key), name), made)
  const app = await startApp(t, { dist })
  const answer = await app.image(query, { accept: WEBP })
  assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
  assert.equal(answer.headers.etag, 'some-etag')
  assert.deepEqual(answer.body, made)
})

test('what we have cached is a hit for a `next start` that has no sharp', async (t) => {
  assert.equal(existsSync(path.join(APP, 'node_modules/sharp')), false)
  const build = { distDir: '.next', cache: path.join(APP, '.next/cache/images'), folder: path.join(APP, 'none') }
  const folder = path.join(build.cache, key)
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  rmSync(folder, { recursive: true, force: true })

  const ours = await startApp(t, { dist: build })
  const made = await ours.image(query, { accept: WEBP })
  assert.equal(made.headers['x-nextjs-cache'], 'MISS')
  await ours.stop()
  const next = await startNext(t)
  const answer = await next.image(query, { accept: WEBP })
  const { date: _, 'x-nextjs-cache': hit, ...headers } = answer.headers
  assert.equal(hit, 'HIT')
  assert.deepEqual(answer.body, made.body)
  for (const name of Object.keys(headers)) assert.equal(headers[name], made.headers[name], name)
})

test('a variant survives a restart', async (t) => {
  const dist = freshDist()
  const first = await startApp(t, { dist: { ...dist, folder: path.join(dist.folder, 'nothing') } })
  const made = await first.image(query, { accept: WEBP })
  await first.stop()
  const second = await startApp(t, { dist })
  const answer = await second.image(query, { accept: WEBP })
  assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
  assert.deepEqual(answer.body, made.body)
})

test('an expired variant is served once more and replaced behind the answer', async (t) => {
  const dist = freshDist()
  const made = await other()
  const name = `60.${Date.now() - 1000}.some-etag.some-upstream-etag.webp`
  writeFileSync(path.join(folderFor(dist.cache, key), name), made)
  const app = await startApp(t, { dist })

  const stale = await app.image(query, { accept: WEBP })
  assert.equal(stale.headers['x-nextjs-cache'], 'STALE')
  assert.deepEqual(stale.body, made)

  const fresh = await until(
    () => app.image(query, { accept: WEBP }),
    ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
  )
  const { width } = await sharp(fresh.body).metadata()
  assert.equal(width, 256)
  await app.stop()
  assert.equal(readdirSync(path.join(dist.cache, key)).length, 1, 'the old file is gone')
})

test('requests for the same variant at the same time share one fetch', async (t) => {
  const { open, opened } = gate()
  const upstream = await startUpstream(t, async () => {
    await opened
    return { body: photo }
  })
  const app = await startApp(t, { images: allow(upstream) })
  const url = `${upstream.origin}/photo.jpg`
  const asked = Array.from({ length: 50 }, () => app.image({ url, w: 256 }, { accept: WEBP }))
  await until(
    () => upstream.requests.length,
    (count) => count > 0,
  )
  open()
  const answers = await Promise.all(asked)
  assert.equal(upstream.requests.length, 1)
  for (const answer of answers) {
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.body, answers[0].body)
  }
})

test('errors are shared, but not kept', async (t) => {
  const upstream = await startUpstream(t, ({ count }) => (count === 1 ? { status: 503 } : { body: photo }))
  const app = await startApp(t, { images: allow(upstream) })
  const url = `${upstream.origin}/photo.jpg`
  assert.equal((await app.image({ url })).status, 503)
  assert.equal((await app.image({ url })).status, 200)
})

test('a client that disconnects neither fails the others nor blocks the url', async (t) => {
  const { open, opened } = gate()
  const upstream = await startUpstream(t, async () => {
    await opened
    return { body: photo }
  })
  const app = await startApp(t, { images: allow(upstream) })
  const url = `${upstream.origin}/photo.jpg`
  let leave
  const leaver = app.image({ url }, { onRequest: (sent) => (leave = () => sent.destroy()) })
  await until(
    () => upstream.requests.length,
    (count) => count === 1,
  )
  const follower = app.image({ url })
  leave()
  await assert.rejects(leaver)
  open()
  assert.equal((await follower).status, 200)
  assert.equal((await app.image({ url })).headers['x-nextjs-cache'], 'HIT')
  assert.equal(upstream.requests.length, 1)
})

test('a source that fails at its refresh leaves the old variant in place', async (t) => {
  const upstream = await startUpstream(t, () => ({ status: 500 }))
  const dist = freshDist()
  const href = `${upstream.origin}/photo.jpg`
  const made = await other()
  const folder = folderFor(dist.cache, cacheKey({ href, width: 256, type: 'image/webp' }))
  writeFileSync(path.join(folder, `60.${Date.now() - 1000}.some-etag.some-upstream-etag.webp`), made)
  const app = await startApp(t, { dist, images: allow(upstream) })

  const stale = await app.image({ url: href, w: 256 }, { accept: WEBP })
  assert.equal(stale.headers['x-nextjs-cache'], 'STALE')
  const kept = await until(
    () => app.image({ url: href, w: 256 }, { accept: WEBP }),
    ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
  )
  assert.deepEqual(kept.body, made)
})

test('a cache folder that can not be written costs speed only', async (t) => {
  const dist = freshDist()
  // Not by permissions: the tests may run as root, whom they do not stop.
  folderFor(dist.folder, 'cache')
  writeFileSync(dist.cache, 'a file where the folder should be')
  const app = await startApp(t, { dist, handler: { memoryBytes: 0 } })
  for (let round = 0; round < 2; round += 1) {
    const answer = await app.image(query, { accept: WEBP })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'image/webp')
  }
})

test('a disk that is full costs speed only, and keeps nothing half-written', async (t) => {
  const app = await startApp(t, { handler: { memoryBytes: 0 }, diskFull: true })
  for (let round = 0; round < 2; round += 1) {
    const answer = await app.image(query, { accept: WEBP })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['x-nextjs-cache'], 'MISS')
    assert.equal((await sharp(answer.body).metadata()).width, 256)
  }
  assert.equal((await app.stats()).storeErrors, 2)
  await app.stop()
  const left = readdirSync(app.cache, { recursive: true, withFileTypes: true })
  assert.deepEqual(
    left.filter((entry) => entry.isFile()),
    [],
  )
})

for (const [name, options] of Object.entries({
  'maximumDiskCacheSize: 0': { images: { maximumDiskCacheSize: 0 } },
  'isrFlushToDisk: false': { config: { experimental: { isrFlushToDisk: false } } },
})) {
  test(`${name} makes every answer anew and writes nothing`, async (t) => {
    const app = await startApp(t, options)
    for (let round = 0; round < 2; round += 1) {
      const answer = await app.image(query, { accept: WEBP })
      assert.deepEqual([answer.status, answer.headers['x-nextjs-cache']], [200, 'MISS'])
    }
    await app.stop()
    assert.equal(existsSync(app.cache) && readdirSync(app.cache).length > 0, false)
  })
}

test('close() waits for the work that has begun', async (t) => {
  const { open, opened } = gate()
  const upstream = await startUpstream(t, async () => {
    await opened
    return { body: photo }
  })
  const dist = freshDist()
  const app = await startApp(t, {
    dist: { ...dist, folder: path.join(dist.folder, 'nothing') },
    images: allow(upstream),
  })
  t.after(() => rmSync(dist.folder, { recursive: true, force: true }))
  const href = `${upstream.origin}/photo.jpg`
  const cut = app.image({ url: href, w: 256 }, { accept: WEBP })
  await until(
    () => upstream.requests.length,
    (count) => count === 1,
  )
  const stopped = app.stop()
  // The server closes its connections first, and then the handler.
  await assert.rejects(cut)
  open()
  await stopped
  assert.equal(cachedFiles(dist.cache, cacheKey({ href, width: 256, type: 'image/webp' })).length, 1)
})

test('with maxQueue 0 an image that need not wait is made', async (t) => {
  const app = await startApp(t, { handler: { maxQueue: 0 } })
  const answer = await app.image(query, { accept: WEBP })
  assert.equal(answer.headers['content-type'], 'image/webp')
})

const damaged = photo.subarray(0, Math.floor(photo.length / 2))

test('a damaged source is answered with its own bytes, marked, logged, counted and kept for a minute', async (t) => {
  const upstream = await startUpstream(t, () => ({ body: damaged }))
  const app = await startApp(t, { images: allow(upstream) })
  const href = `${upstream.origin}/photo.jpg`
  for (const cache of ['MISS', 'HIT']) {
    const answer = await app.image({ url: href, w: 256 }, { accept: WEBP })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'image/jpeg')
    assert.equal(answer.headers['x-unsharp-fallback'], 'ERR_UNSHARP_DECODE')
    assert.equal(answer.headers['cache-control'], 'public, max-age=60, must-revalidate')
    assert.equal(answer.headers['x-nextjs-cache'], cache)
    assert.deepEqual(answer.body, damaged)
  }
  assert.equal((await app.stats()).fallbacks, 1)
  assert.match(app.log(), /fallback: the source is served as it came: .* code=ERR_UNSHARP_DECODE .*\/photo\.jpg/)
  const [file] = cachedFiles(app.cache, cacheKey({ href, width: 256, type: 'image/webp' }))
  assert.equal(file.maxAge, 60)
  assert.equal(file.extension, 'jpeg')
  assert.match(file.name, /\.ERR_UNSHARP_DECODE$/)
})

test('what could not be optimized is tried again, also after a restart', async (t) => {
  const upstream = await startUpstream(t, () => ({ body: photo }))
  const dist = freshDist()
  const href = `${upstream.origin}/photo.jpg`
  const folder = folderFor(dist.cache, cacheKey({ href, width: 256, type: 'image/webp' }))
  writeFileSync(path.join(folder, `60.${Date.now() - 1000}.same-etag.same-etag.jpeg.ERR_UNSHARP_DECODE`), damaged)
  const app = await startApp(t, { dist, images: allow(upstream) })

  const stale = await app.image({ url: href, w: 256 }, { accept: WEBP })
  assert.equal(stale.headers['x-nextjs-cache'], 'STALE')
  assert.equal(stale.headers['x-unsharp-fallback'], 'ERR_UNSHARP_DECODE')
  assert.deepEqual(stale.body, damaged)
  const made = await until(
    () => app.image({ url: href, w: 256 }, { accept: WEBP }),
    ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
  )
  assert.equal(made.headers['content-type'], 'image/webp')
  assert.equal(made.headers['x-unsharp-fallback'], undefined)
})

test('with strict: true a damaged source is kept like a success, as in Next', async (t) => {
  const upstream = await startUpstream(t, () => ({ body: damaged }))
  const app = await startApp(t, { handler: { strict: true }, images: allow(upstream) })
  const answer = await app.image({ url: `${upstream.origin}/photo.jpg` })
  assert.deepEqual(answer.body, damaged)
  assert.equal(answer.headers['x-unsharp-fallback'], undefined)
  assert.equal(answer.headers['cache-control'], 'public, max-age=14400, must-revalidate')
  assert.equal((await app.stats()).fallbacks, 1)
})

test('stats() counts what happened', async (t) => {
  const app = await startApp(t)
  await app.image(query)
  await app.image(query)
  await app.image({ url: '/missing.jpg' })
  const stats = await app.stats()
  assert.deepEqual([stats.hits, stats.misses, stats.stale, stats.errors], [1, 1, 0, 1])
})
