// WebP now, AVIF soon: in front of a real Next app, in the service, and in several replicas of it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import sharp from 'sharp-reference'
import { serve } from '../index.js'
import {
  allow,
  BROWSER,
  cachedFiles,
  cacheKey,
  publicFile,
  startApp,
  startUpstream,
  tempFolder,
  until,
  WEBP,
} from './support/app.mjs'
import { serverPrograms, startRedis } from './support/redis.mjs'
import { runService, startService } from './support/service.mjs'

const photo = publicFile('photo.jpg')
const JPEG = { 'content-type': 'image/jpeg', 'cache-control': 'max-age=86400' }
const FORMATS = { formats: ['image/avif', 'image/webp'] }
const avifSoon = { handler: { avifSoon: true } }
const sha = (body) => createHash('sha256').update(body).digest('base64url')
const avif = ({ headers }) => headers['content-type'] === 'image/avif'

/** What a client sees of an answer. */
const seen = ({ status, headers }) => [
  status,
  headers['content-type'],
  headers['x-nextjs-cache'],
  headers['cache-control'],
]
const NOW = [200, 'image/webp', 'MISS', 'public, max-age=10, must-revalidate']

test('createImageHandler({ avifSoon: true })', async (t) => {
  await t.test('answers with WebP first and with AVIF then, from one fetch', async (t) => {
    const upstream = await startUpstream(t, () => ({ headers: JPEG, body: photo }))
    const app = await startApp(t, { ...avifSoon, images: allow(upstream) })
    const url = `${upstream.origin}/photo.jpg`
    const first = await app.image({ url })
    assert.deepEqual(seen(first), NOW)
    assert.equal(first.headers.vary, 'Accept')
    assert.equal(first.headers.etag, sha(first.body))
    assert.equal(first.headers['content-disposition'], 'attachment; filename="photo.webp"')
    assert.equal((await sharp(first.body).metadata()).format, 'webp')
    // A client that comes back says what it has, which is not what it gets.
    const headers = { 'if-none-match': first.headers.etag }
    const second = await until(() => app.image({ url }, { headers }), avif)
    assert.deepEqual(seen(second), [200, 'image/avif', 'HIT', 'public, max-age=86400, must-revalidate'])
    assert.equal((await sharp(second.body).metadata()).compression, 'av1')
    assert.equal(upstream.requests.length, 1)
    const other = await app.image({ url }, { accept: WEBP })
    assert.deepEqual(seen(other), [200, 'image/webp', 'HIT', 'public, max-age=86400, must-revalidate'])
    assert.deepEqual(other.body, first.body)
    for (const [type, extension] of [
      ['image/webp', 'webp'],
      ['image/avif', 'avif'],
    ]) {
      const [file] = cachedFiles(app.cache, cacheKey({ href: url, width: 640, type }))
      assert.deepEqual([file.extension, file.maxAge], [extension, 86400], 'each lies under its own key')
    }
    const { avifSoonFailed, avifSoonDropped } = await until(app.stats, ({ avifSoonMade }) => avifSoonMade === 1)
    assert.deepEqual([avifSoonFailed, avifSoonDropped], [0, 0])
  })

  await t.test('fetches through the app for AVIF of a WebP that was there before', async (t) => {
    const app = await startApp(t, avifSoon)
    const query = { url: '/photo.jpg' }
    await app.image(query, { accept: WEBP })
    const first = await app.image(query)
    assert.deepEqual(seen(first), [200, 'image/webp', 'HIT', 'public, max-age=10, must-revalidate'])
    await until(() => app.image(query), avif)
  })

  await t.test('finds its AVIF after a restart, and a client without WebP waits for AVIF', async (t) => {
    const app = await startApp(t, avifSoon)
    const alone = await app.image({ url: '/photo.jpg' }, { accept: 'image/avif,*/*' })
    assert.deepEqual(seen(alone).slice(0, 3), [200, 'image/avif', 'MISS'])
    await app.image({ url: '/alpha.png' })
    await app.stop()
    // close() waited for what was under way.
    const [file] = cachedFiles(app.cache, cacheKey({ href: '/alpha.png', width: 640, type: 'image/avif' }))
    assert.equal(file.extension, 'avif')
  })

  await t.test('changes nothing for kinds that are passed through', async (t) => {
    const app = await startApp(t, avifSoon)
    const answers = [await app.image({ url: '/animated.gif' }), await app.image({ url: '/animated.gif' })]
    assert.deepEqual(
      answers.map((answer) => seen(answer).slice(1, 3)),
      [
        ['image/gif', 'MISS'],
        ['image/gif', 'HIT'],
      ],
    )
  })

  await t.test('changes nothing where the config has no WebP', async (t) => {
    const app = await startApp(t, { ...avifSoon, images: { formats: ['image/avif'] } })
    assert.deepEqual(seen(await app.image({ url: '/photo.jpg' })).slice(1, 3), ['image/avif', 'MISS'])
  })

  await t.test('stays with WebP when AVIF can not be made', async (t) => {
    const upstream = await startUpstream(t, ({ count }) =>
      count === 1 ? { headers: JPEG, body: photo } : { status: 404 },
    )
    const app = await startApp(t, { ...avifSoon, images: allow(upstream) })
    const url = `${upstream.origin}/gone.jpg`
    await app.image({ url }, { accept: WEBP })
    await app.image({ url })
    await until(app.stats, ({ avifSoonFailed }) => avifSoonFailed === 1)
    const later = await app.image({ url })
    assert.deepEqual(seen(later), [200, 'image/webp', 'HIT', 'public, max-age=60, must-revalidate'])
    assert.equal(upstream.requests.length, 2, 'not tried again within a minute')
    assert.match(app.log(), /soon_failed/)
  })
})

test('the service with avifSoon', async (t) => {
  const folder = tempFolder(t)
  const upstream = await startUpstream(t, () => ({ headers: JPEG, body: photo }))
  const file = { fallback: upstream.origin, images: FORMATS, experimental: { imgOptTimeoutInSeconds: 0 } }

  const ways = {
    'a flag': { file, folder, flags: ['--avif-soon'] },
    'the environment': { file, folder, env: { UNSHARP_AVIF_SOON: 'true' } },
    'the file': { file: { ...file, avifSoon: true }, folder },
  }
  for (const [name, options] of Object.entries(ways)) {
    await t.test(`answers with WebP first, told so by ${name}`, async (t) => {
      upstream.requests.length = 0
      const service = await startService(t, options)
      const ask = () => service.image({ url: '/photo.jpg' }, { accept: BROWSER })
      assert.deepEqual(seen(await ask()), NOW)
      await until(ask, avif)
      assert.equal(upstream.requests.length, 1)
      await until(
        () => service.metric('unsharp_avif_soon_made_total'),
        (made) => made === 1,
      )
      assert.ok((await service.metric('unsharp_avif_soon_answers_total')) >= 1)
      assert.equal(await service.metric('unsharp_variants_total{outcome="optimized"}'), 2)
    })
  }

  await t.test('answers with WebP first, told so by an option of serve()', async (t) => {
    const { fallback, images } = file
    const service = await serve({ host: '127.0.0.1', port: 0, avifSoon: true, fallback, nextConfig: { images } })
    t.after(() => service.close())
    const target = `${service.url}/_next/image?url=%2Fother.jpg&w=640&q=75`
    const answer = await fetch(target, { headers: { accept: BROWSER } })
    assert.equal(answer.headers.get('content-type'), 'image/webp')
    assert.equal(service.stats().avifSoonAnswers, 1)
  })

  await t.test('does so only when told', async (t) => {
    const service = await startService(t, { file, folder })
    const answer = await service.image({ url: '/photo.jpg' }, { accept: BROWSER })
    assert.deepEqual(seen(answer).slice(1, 3), ['image/avif', 'MISS'])
    const refused = await runService(['--avif-soon=perhaps'])
    assert.notEqual(refused.code, 0)
  })
})

for (const [name, start] of Object.entries({
  filesystem: async (t) => {
    const folder = tempFolder(t)
    return { url: `filesystem:${folder}` }
  },
  ...Object.fromEntries(Object.entries(serverPrograms()).map(([key, program]) => [key, (t) => startRedis(t, program)])),
})) {
  test(`replicas over ${name} make one WebP and one AVIF`, async (t) => {
    const storage = await start(t)
    const folder = tempFolder(t)
    const upstream = await startUpstream(t, () => ({ headers: JPEG, body: photo }))
    const file = {
      ...{ fallback: upstream.origin, storage: storage.url, images: FORMATS, avifSoon: true },
      experimental: { imgOptTimeoutInSeconds: 0 },
    }
    const replicas = []
    for (let n = 0; n < 3; n += 1) replicas.push(await startService(t, { file, folder }))
    const ask = (replica) => replica.image({ url: '/photo.jpg' }, { accept: BROWSER })
    const firsts = await Promise.all(replicas.flatMap((replica) => [ask(replica), ask(replica)]))
    for (const first of firsts) assert.equal(first.status, 200)
    assert.ok(
      firsts.some(({ headers }) => headers['content-type'] === 'image/webp'),
      'somebody came before AVIF was there',
    )
    const avifs = await Promise.all(replicas.map((replica) => until(() => ask(replica), avif)))
    assert.equal(new Set(avifs.map(({ headers }) => headers.etag)).size, 1)
    const total = async (line) => {
      const values = await Promise.all(replicas.map((replica) => replica.metric(line)))
      return values.reduce((sum, value) => sum + value, 0)
    }
    // Counted just after it can be had.
    await until(
      () => total('unsharp_avif_soon_made_total'),
      (made) => made === 1,
    )
    assert.equal(await total('unsharp_variants_total{outcome="optimized"}'), 2)
    // The replica that makes AVIF need not be the one that has the source.
    assert.ok(upstream.requests.length <= 2, `${upstream.requests.length} fetches`)
  })
}
