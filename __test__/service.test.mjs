// `npx unsharp serve`: the image endpoint without a Next app.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp-reference'
import { allow, publicFile, startUpstream, tempFolder, until } from './support/app.mjs'
import { gate, serviceOver, startService } from './support/service.mjs'

const photo = publicFile('photo.jpg')
const JPEG = { 'content-type': 'image/jpeg', 'cache-control': 'max-age=3600' }

const always = () => ({ headers: JPEG, body: photo })

test('images are answered as Next answers them', async (t) => {
  const { service, upstream } = await serviceOver(t, always, { images: { formats: ['image/avif', 'image/webp'] } })

  await t.test('relative from the fallback, and then from memory', async () => {
    const first = await service.image({ url: '/photo.jpg', w: 256 })
    assert.equal(first.status, 200)
    assert.equal(first.headers['content-type'], 'image/webp')
    assert.equal(first.headers['x-nextjs-cache'], 'MISS')
    assert.equal(first.headers['cache-control'], 'public, max-age=14400, must-revalidate')
    assert.equal(first.headers.vary, 'Accept')
    assert.equal(first.headers['content-disposition'], 'attachment; filename="photo.webp"')
    assert.equal((await sharp(first.body).metadata()).width, 256)
    const second = await service.image({ url: '/photo.jpg', w: 256 })
    assert.equal(second.headers['x-nextjs-cache'], 'HIT')
    assert.equal(second.headers.etag, first.headers.etag)
    assert.deepEqual(second.body, first.body)
    assert.equal(upstream.requests.length, 1)
  })

  await t.test('by what the client accepts', async () => {
    const answer = await service.image({ url: '/photo.jpg', w: 256 }, { accept: 'image/avif,image/webp' })
    assert.equal(answer.headers['content-type'], 'image/avif')
  })

  await t.test('absolute when a pattern allows it', async () => {
    const answer = await service.image({ url: `${upstream.origin}/photo.jpg`, w: 256 })
    assert.equal(answer.status, 200)
    const refused = await service.image({ url: 'https://example.com/photo.jpg' })
    assert.deepEqual([refused.status, refused.text], [400, '"url" parameter is not allowed'])
  })

  await t.test('304 for what the client has, and no body for HEAD', async () => {
    const { headers } = await service.image({ url: '/photo.jpg', w: 256 })
    const kept = await service.image({ url: '/photo.jpg', w: 256 }, { headers: { 'if-none-match': headers.etag } })
    assert.deepEqual([kept.status, kept.body.length], [304, 0])
    const head = await service.image({ url: '/photo.jpg', w: 256 }, { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.headers['content-length'], headers['content-length'])
    assert.equal(head.body.length, 0)
  })

  await t.test('a wrong request gets the words of Next', async () => {
    for (const [query, text] of [
      [{ url: undefined }, '"url" parameter is required'],
      [{ url: '/photo.jpg', w: 65 }, '"w" parameter (width) of 65 is not allowed'],
      [{ url: '/photo.jpg', q: 60 }, '"q" parameter (quality) of 60 is not allowed'],
    ]) {
      const answer = await service.image(query)
      assert.deepEqual([answer.status, answer.text, answer.headers['content-type']], [400, text, undefined])
    }
  })

  await t.test('everything else is not there', async () => {
    for (const target of ['/', '/photo.jpg', '/_next/image/foo', '/_next/imagex?url=%2Fphoto.jpg&w=256&q=75']) {
      assert.equal((await service.get(target)).status, 404, target)
    }
    assert.equal((await service.image({ url: '/photo.jpg', w: 256 }, { method: 'POST' })).status, 404)
  })
})

test('a service without a fallback refuses relative urls', async (t) => {
  const service = await startService(t)
  const answer = await service.image({ url: '/photo.jpg', w: 256 })
  assert.deepEqual([answer.status, answer.text], [400, '"url" parameter is not allowed'])
})

test('private addresses are refused unless the config allows them', async (t) => {
  const { service, upstream } = await serviceOver(t, always, { images: { dangerouslyAllowLocalIP: false } })
  const answer = await service.image({ url: `${upstream.origin}/photo.jpg`, w: 256 })
  assert.deepEqual([answer.status, answer.text], [400, '"url" parameter is not allowed'])
  assert.equal(upstream.requests.length, 0)
  assert.equal((await service.image({ url: '/photo.jpg', w: 256 })).status, 200, 'the fallback is trusted')
})

test('the base path and the Host header of the fallback are those that are configured', async (t) => {
  const upstream = await startUpstream(t, always)
  const file = { basePath: '/docs', images: {}, fallback: upstream.origin, fallbackHostHeader: 'app.example' }
  const service = await startService(t, { file, folder: tempFolder(t) })
  assert.equal((await service.image({ url: '/docs/photo.jpg', w: 256 })).status, 404)
  const answer = await service.get('/docs/_next/image?url=%2Fdocs%2Fphoto.jpg&w=256&q=75')
  assert.equal(answer.status, 200)
  assert.equal(upstream.requests[0].headers.host, 'app.example')
  assert.equal(upstream.requests[0].url, '/docs/photo.jpg')
})

test('upstreams that fail', async (t) => {
  const answers = { '/heals.jpg': [503, 429], '/down.jpg': [500, 502, 503, 504], '/missing.jpg': [404, 404] }
  const { service, upstream } = await serviceOver(t, ({ url }) => {
    const status = answers[url].shift()
    return status ? { status, body: 'no' } : always()
  })
  const asked = (url) => upstream.requests.filter((request) => request.url === url).length

  await t.test('are asked again when that may help', async () => {
    const answer = await service.image({ url: '/heals.jpg', w: 256 })
    assert.deepEqual([answer.status, asked('/heals.jpg')], [200, 3])
  })

  await t.test('are a 502 once all attempts are used up, and nothing is kept of it', async () => {
    const answer = await service.image({ url: '/down.jpg', w: 256 })
    assert.equal(answer.status, 502)
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.deepEqual(JSON.parse(answer.text), {
      ...{ error: 'Bad Gateway', code: 'ERR_UNSHARP_UPSTREAM_STATUS', attempts: 3, upstreamStatus: 503 },
    })
    assert.equal(asked('/down.jpg'), 3)
    assert.equal((await service.image({ url: '/down.jpg', w: 256 })).status, 200, 'the fifth attempt is a new request')
  })

  await t.test('are believed when they say that there is no such image', async () => {
    const answer = await service.image({ url: '/missing.jpg', w: 256 })
    assert.deepEqual([answer.status, asked('/missing.jpg')], [404, 1])
    assert.equal(answer.text, '"url" parameter is valid but internal response is invalid')
  })
})

test('an upstream that can not be reached is a 502', async (t) => {
  const { port, server } = await closedPort()
  const service = await startService(t, { flags: ['--fallback', `http://127.0.0.1:${port}`, '--max-attempts', '2'] })
  server.close()
  const answer = await service.image({ url: '/photo.jpg', w: 256 })
  assert.equal(answer.status, 502)
  assert.equal(JSON.parse(answer.text).attempts, 2)
})

test('a request that takes too long is a 504', async (t) => {
  const { open, opened } = gate()
  t.after(open)
  const { service } = await serviceOver(t, () => opened.then(always), { flags: ['--timeout', '300'] })
  const answer = await service.image({ url: '/photo.jpg', w: 256 })
  assert.equal(answer.status, 504)
  assert.equal(JSON.parse(answer.text).error, 'Gateway Timeout')
})

test('many requests for one variant are one fetch and one encode', async (t) => {
  const { open, opened } = gate()
  const { service, upstream } = await serviceOver(t, () => opened.then(always))
  const answers = Array.from({ length: 50 }, () => service.image({ url: '/photo.jpg', w: 256 }))
  await until(
    () => service.metric('unsharp_coordinator_followers_total'),
    (followers) => followers === 49,
  )
  open()
  const etags = new Set((await Promise.all(answers)).map(({ status, headers }) => `${status} ${headers.etag}`))
  assert.equal(etags.size, 1)
  assert.match([...etags][0], /^200 /)
  assert.equal(upstream.requests.length, 1)
  assert.equal(await service.metric('unsharp_variants_total{outcome="optimized"}'), 1)
  assert.equal(await service.metric('unsharp_requests_total{status="200",cache="miss"}'), 50)
})

test('a full queue is a 503 that says when to come back, and not ready', async (t) => {
  const { open, opened } = gate()
  t.after(open)
  const { service } = await serviceOver(t, () => opened.then(always), { flags: ['--max-queue', '4'] })
  assert.equal((await service.get('/readyz')).status, 200)
  const waiting = []
  const refused = await until(
    async () => {
      const answer = service.image({ url: `/${waiting.length}.jpg`, w: 256 })
      waiting.push(answer)
      return Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50))])
    },
    (answer) => answer !== undefined,
  )
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['retry-after'], '1')
  assert.equal(JSON.parse(refused.text).code, 'ERR_UNSHARP_OVERLOADED')
  const ready = await service.get('/readyz')
  assert.deepEqual([ready.status, ready.text], [503, 'saturated\n'])
  assert.equal((await service.get('/healthz')).status, 200)
  open()
  const statuses = (await Promise.all(waiting)).map(({ status }) => status)
  assert.deepEqual([...new Set(statuses)].sort(), [200, 503])
})

test('one slow host does not keep others waiting', async (t) => {
  const { open, opened } = gate()
  t.after(open)
  const slow = await startUpstream(t, () => opened.then(always))
  const quick = await startUpstream(t, always)
  const patterns = [slow, quick].flatMap((upstream) => allow(upstream).remotePatterns)
  const file = { images: { remotePatterns: patterns, dangerouslyAllowLocalIP: true } }
  const service = await startService(t, { file, folder: tempFolder(t) })
  const held = Array.from({ length: 200 }, (_, n) => service.image({ url: `${slow.origin}/${n}.jpg`, w: 256 }))
  await until(
    () => service.metric('unsharp_queue_depth'),
    (depth) => depth > 100,
  )
  const answer = await service.image({ url: `${quick.origin}/photo.jpg`, w: 256 })
  assert.equal(answer.status, 200)
  open()
  assert.deepEqual(new Set((await Promise.all(held)).map(({ status }) => status)), new Set([200]))
})

test('what nobody waits for any more is taken out of the queue', async (t) => {
  const { open, opened } = gate()
  t.after(open)
  const { service, upstream } = await serviceOver(t, () => opened.then(always))
  const sent = []
  const held = Array.from({ length: 200 }, (_, n) =>
    service.image({ url: `/${n}.jpg`, w: 256 }, { onRequest: (request) => sent.push(request) }).catch(() => 'left'),
  )
  await until(
    () => service.metric('unsharp_queue_depth'),
    (depth) => depth > 100,
  )
  for (const request of sent) request.destroy()
  assert.deepEqual(new Set(await Promise.all(held)), new Set(['left']))
  await until(
    () => service.metric('unsharp_queue_depth'),
    (depth) => depth === 0,
  )
  open()
  await until(
    () => service.metric('unsharp_jobs'),
    (jobs) => jobs === 0,
  )
  assert.ok(upstream.requests.length < 100, `${upstream.requests.length} were fetched for nobody`)
  assert.ok((await service.metric('unsharp_requests_total{status="499",cache="none"}')) > 0)
})

test('variants on disk outlive the service, and a stale one is refreshed behind its answer', async (t) => {
  const cacheDir = path.join(tempFolder(t), 'images')
  const { service, upstream } = await serviceOver(t, always, {
    ...{ flags: ['--cache-dir', cacheDir], images: { minimumCacheTTL: 0 } },
  })
  const stale = await startUpstream(t, () => ({ headers: { 'content-type': 'image/jpeg' }, body: photo }))
  await service.image({ url: '/photo.jpg', w: 256 })
  assert.equal(readdirSync(cacheDir).filter((name) => !name.startsWith('.')).length, 1)

  const file = { fallback: stale.origin, images: { minimumCacheTTL: 0 } }
  const next = await startService(t, { file, folder: tempFolder(t), flags: ['--cache-dir', cacheDir] })
  assert.equal((await next.image({ url: '/photo.jpg', w: 256 })).headers['x-nextjs-cache'], 'HIT')
  assert.equal(upstream.requests.length, 1)

  assert.equal((await next.image({ url: '/soon-stale.jpg', w: 256 })).headers['x-nextjs-cache'], 'MISS')
  const answer = await until(
    () => next.image({ url: '/soon-stale.jpg', w: 256 }),
    ({ headers }) => headers['x-nextjs-cache'] !== 'HIT',
  )
  assert.equal(answer.headers['x-nextjs-cache'], 'STALE')
  await until(
    () => stale.requests.length,
    (requests) => requests >= 2,
  )
})

test('metrics, timings and the access log say what happened', async (t) => {
  const { service } = await serviceOver(t, always, { flags: ['--access-log', '--server-timing'] })
  const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
  const made = await service.image({ url: '/photo.jpg', w: 256 }, { headers: trace })
  assert.match(made.headers['server-timing'], /^cache;desc=MISS, queue;dur=[\d.]+, fetch;dur=.*encode;dur=.*total;dur=/)
  const found = await service.image({ url: '/photo.jpg', w: 256 })
  assert.match(found.headers['server-timing'], /^cache;desc=HIT, total;dur=[\d.]+$/)
  await service.image({ url: '/photo.jpg', w: 65 })

  const metrics = await service.get('/metrics')
  assert.match(metrics.headers['content-type'], /^application\/openmetrics-text; version=1\.0\.0/)
  for (const line of [
    'unsharp_requests_total{status="200",cache="miss"} 1',
    'unsharp_requests_total{status="200",cache="hit"} 1',
    'unsharp_requests_total{status="400",cache="none"} 1',
    'unsharp_step_duration_seconds_count{step="encode"} 1',
    `unsharp_source_bytes_total{format="jpeg"} ${photo.length}`,
    `unsharp_sent_bytes_total{format="webp"} ${made.body.length * 2}`,
    'unsharp_queue_depth 0',
    'unsharp_coordinator_connected 1',
    'unsharp_store_errors_total 0',
  ]) {
    assert.ok(metrics.text.split('\n').includes(line), `${line} in\n${metrics.text}`)
  }
  assert.ok(metrics.text.endsWith('# EOF\n'))
  assert.equal(metrics.text.match(/# EOF/g).length, 1)

  const lines = await until(
    () => service.output.out.split('\n').filter(Boolean),
    (lines) => lines.length >= 3,
  )
  const [first, second, third] = lines.map((line) => JSON.parse(line))
  assert.equal(first.trace_id, '4bf92f3577b34da6a3ce929d0e0e4736')
  assert.deepEqual(
    [first.status, first.cache, first.source, first.width, first.bytes, first.client],
    [200, 'MISS', '/photo.jpg', '256', made.body.length, '127.0.0.1'],
  )
  assert.deepEqual([second.cache, second.trace_id], ['HIT', undefined])
  assert.deepEqual([third.status, third.code], [400, 'ERR_UNSHARP_INVALID_REQUEST'])
})

test('a client that sends nothing sensible harms nobody else', async (t) => {
  const { service } = await serviceOver(t, always, { flags: ['--idle-timeout', '200'] })
  const talk = async (bytes) => {
    const socket = connect(service.port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => (text += chunk))
    socket.on('error', () => {})
    socket.write(bytes)
    await once(socket, 'close')
    return text
  }
  assert.equal(await talk('GET /_next/image?url='), '', 'the head never ends, so the connection does')
  assert.match(await talk(`GET / HTTP/1.1\r\nX: ${'x'.repeat(64 * 1024)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  assert.match(await talk('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'), /^HTTP\/1\.1 400 /)
  assert.equal((await service.image({ url: '/photo.jpg', w: 256 })).status, 200)
})

async function closedPort() {
  const { createServer } = await import('node:net')
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port, server }
}
