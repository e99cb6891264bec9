// createImageHandler() in front of a real Next app: what Next answers is what we answer.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import sharp from 'sharp-reference'
import { allow, imagePath, publicFile, startApp, startUpstream, WEBP } from './support/app.mjs'

const photo = publicFile('photo.jpg')
const sha = (body) => createHash('sha256').update(body).digest('base64url')

test('requests', async (t) => {
  const app = await startApp(t)

  await t.test('a page and a public file are left to Next', async () => {
    assert.match((await app.get('/')).text, /A page of the test app/)
    assert.deepEqual((await app.get('/photo.jpg')).body, photo)
    assert.equal((await app.get('/_next/image/foo')).status, 404)
  })

  await t.test('an invalid request gets the words of Next', async () => {
    const rules = [
      [{ url: undefined }, '"url" parameter is required'],
      [{ url: `/${'a'.repeat(3072)}` }, '"url" parameter is too long'],
      [{ url: '//example.com/a.jpg' }, '"url" parameter cannot be a protocol-relative URL (//)'],
      [{ url: '/_next/image?url=/photo.jpg' }, '"url" parameter cannot be recursive'],
      [{ url: 'photo.jpg' }, '"url" parameter is invalid'],
      [{ url: 'ftp://example.com/a.jpg' }, '"url" parameter is invalid'],
      [{ url: 'https://example.com/a.jpg' }, '"url" parameter is not allowed'],
      [{ url: '/photo.jpg?v=1' }, '"url" parameter is not allowed'],
      [{ url: '/photo.jpg', w: undefined }, '"w" parameter (width) is required'],
      [{ url: '/photo.jpg', w: '64px' }, '"w" parameter (width) must be an integer greater than 0'],
      [{ url: '/photo.jpg', w: 65 }, '"w" parameter (width) of 65 is not allowed'],
      [{ url: '/photo.jpg', q: undefined }, '"q" parameter (quality) is required'],
      [{ url: '/photo.jpg', q: 101 }, '"q" parameter (quality) must be an integer between 1 and 100'],
      [{ url: '/photo.jpg', q: '060' }, '"q" parameter (quality) of 060 is not allowed'],
    ]
    for (const [query, text] of rules) {
      const answer = await app.image(query)
      assert.equal(answer.text, text)
      assert.equal(answer.status, 400, text)
      assert.equal(answer.headers['content-type'], undefined, text)
    }
    const twice = await app.get(`${imagePath({ url: '/photo.jpg' })}&url=/cached.jpg`)
    assert.equal(twice.text, '"url" parameter cannot be an array')
  })

  await t.test('a source that is missing, refused or no image gets its status', async () => {
    const rows = [
      ['/missing.jpg', 404, '"url" parameter is valid but internal response is invalid'],
      ['/guarded.jpg', 403, '"url" parameter is valid but internal response is invalid'],
      ['/moved.jpg', 500, '"url" parameter is valid but internal response is invalid'],
      ['/text.jpg', 400, "The requested resource isn't a valid image."],
      ['/logo.svg', 400, '"url" parameter is valid but image type is not allowed'],
    ]
    for (const [url, status, text] of rows) {
      const answer = await app.image({ url })
      assert.deepEqual([answer.status, answer.text], [status, text], url)
    }
  })
})

test('formats', async (t) => {
  const app = await startApp(t)
  const rows = [
    ['/photo.jpg', 'image/webp,image/avif', 'image/avif'],
    ['/photo.jpg', WEBP, 'image/webp'],
    ['/photo.jpg', 'image/avif;q=0.5,image/webp', 'image/webp'],
    ['/photo.jpg', 'image/*,*/*', 'image/jpeg'],
    ['/alpha.png', '*/*', 'image/png'],
    ['/islands.webp', '*/*', 'image/jpeg'],
    ['/alpha.png', WEBP, 'image/webp'],
  ]
  for (const [url, accept, type] of rows) {
    await t.test(`${url} for ${accept} is ${type}`, async () => {
      const answer = await app.image({ url, w: 256 }, { accept })
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['content-type'], type)
      const { format, width } = await sharp(answer.body).metadata()
      assert.equal(format === 'heif' ? 'image/avif' : `image/${format}`, type)
      assert.equal(width, 256)
    })
  }

  await t.test('an animated gif is passed through', async () => {
    const answer = await app.image({ url: '/animated.gif' })
    assert.deepEqual(answer.body, publicFile('animated.gif'))
    assert.equal(answer.headers['content-type'], 'image/gif')
  })

  await t.test('a source is never enlarged', async () => {
    const answer = await app.image({ url: '/photo.jpg', w: 3840 }, { accept: WEBP })
    const { width, height } = await sharp(answer.body).metadata()
    assert.deepEqual([width, height], [1200, 800])
  })
})

test('answers', async (t) => {
  const app = await startApp(t)
  const query = { url: '/photo.jpg' }

  await t.test('a first answer has the headers of Next', async () => {
    const { body, headers } = await app.image(query)
    assert.equal(headers['content-length'], String(body.length))
    assert.equal(headers['x-nextjs-cache'], 'MISS')
    assert.equal(headers.etag, sha(body))
    assert.equal(headers.vary, 'Accept')
    assert.equal(headers['cache-control'], 'public, max-age=14400, must-revalidate')
    assert.equal(headers['content-disposition'], 'attachment; filename="photo.avif"')
    assert.equal(headers['content-security-policy'], "script-src 'none'; frame-src 'none'; sandbox;")
  })

  await t.test(
    'a second one is a hit with the same bytes, whatever the spelling of w and other parameters',
    async () => {
      const first = await app.image(query)
      const second = await app.image({ ...query, w: '0640', dpl: 'x' })
      assert.equal(second.headers['x-nextjs-cache'], 'HIT')
      assert.equal(second.headers.etag, first.headers.etag)
      assert.deepEqual(second.body, first.body)
    },
  )

  await t.test('a matching If-None-Match gets 304 with Vary, Cache-Control and ETag only', async () => {
    const { etag } = (await app.image(query)).headers
    for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await app.image(query, { headers: { 'if-none-match': value } })
      assert.equal(answer.status, 304, value)
      assert.equal(answer.body.length, 0)
      assert.equal(answer.headers.etag, etag)
      assert.equal(answer.headers.vary, 'Accept')
      assert.match(answer.headers['cache-control'], /max-age/)
      for (const name of ['content-type', 'content-length', 'content-disposition', 'x-nextjs-cache']) {
        assert.equal(answer.headers[name], undefined, name)
      }
    }
    const headers = { 'if-none-match': etag, 'cache-control': 'no-cache' }
    assert.equal((await app.image(query, { headers })).status, 200)
    assert.equal((await app.image(query, { headers: { 'if-none-match': `"${etag}"` } })).status, 200)
  })

  await t.test('HEAD has the headers of GET and no body', async () => {
    const head = await app.image({ url: '/alpha.png' }, { method: 'HEAD' })
    const got = await app.image({ url: '/alpha.png' })
    assert.equal(head.status, 200)
    assert.equal(head.body.length, 0)
    assert.equal(head.headers['content-length'], String(got.body.length))
    assert.equal(got.headers['x-nextjs-cache'], 'HIT')
  })

  await t.test('the Cache-Control of the source, as headers() sets it, counts', async () => {
    assert.match((await app.image({ url: '/cached.jpg' })).headers['cache-control'], /max-age=86400,/)
    assert.match((await app.image({ url: '/brief.jpg' })).headers['cache-control'], /max-age=30000,/)
  })

  await t.test('an imported image is immutable', async () => {
    const page = (await app.get('/')).text
    const [, url] = /url=(%2F_next%2Fstatic%2F(?:immutable%2F)?media%2F[^&]+)/.exec(page)
    const { headers, status } = await app.image({ url: decodeURIComponent(url) })
    assert.equal(status, 200)
    assert.equal(headers['cache-control'], 'public, max-age=315360000, immutable')
  })
})

test('sources inside the app', async (t) => {
  const app = await startApp(t)

  await t.test('a rewrite and a route handler are sources', async () => {
    for (const url of ['/renamed.jpg', '/api/picture']) {
      const answer = await app.image({ url, w: 256 }, { accept: WEBP })
      assert.equal(answer.headers['content-type'], 'image/webp', url)
    }
  })

  await t.test('names beyond ASCII work, encoded or not', async () => {
    for (const url of ['/fjäll och sjö.jpg', '/fj%C3%A4ll%20och%20sj%C3%B6.jpg']) {
      assert.equal((await app.image({ url, w: 256 })).status, 200, url)
    }
  })

  await t.test("a visitor's cookies do not reach the source", async () => {
    const answer = await app.image({ url: '/api/picture', w: 384 }, { headers: { cookie: 'session=1' } })
    assert.equal(answer.status, 200)
  })
})

test('a source inside the app that is larger than maximumResponseBody is 413', async (t) => {
  const app = await startApp(t, { images: { maximumResponseBody: 50_000 } })
  const answer = await app.image({ url: '/photo.jpg' })
  assert.equal(answer.status, 413)
  assert.equal((await app.image({ url: '/cached.jpg' })).status, 200)
})

test('without handle, relative urls are fetched over loopback', async (t) => {
  const app = await startApp(t, { handler: { handle: false } })
  const answer = await app.image({ url: '/photo.jpg' })
  assert.equal(answer.headers['content-type'], 'image/avif')
  assert.equal((await app.image({ url: '/missing.jpg' })).status, 404)
})

test('with origin, relative urls are fetched from there', async (t) => {
  const upstream = await startUpstream(t, () => ({ body: photo }))
  const app = await startApp(t, { handler: { handle: false, origin: upstream.origin } })
  assert.equal((await app.image({ url: '/not/in/the/app.jpg' })).status, 200)
  assert.deepEqual(
    upstream.requests.map(({ url }) => url),
    ['/not/in/the/app.jpg'],
  )
})

test('an SVG that the config allows is passed through as it is', async (t) => {
  const app = await startApp(t, { images: { dangerouslyAllowSVG: true } })
  for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
    const answer = await app.image({ url: '/logo.svg' }, { headers })
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.body, publicFile('logo.svg'))
    assert.equal(answer.headers['content-type'], 'image/svg+xml')
    assert.equal(answer.headers['content-security-policy'], "script-src 'none'; frame-src 'none'; sandbox;")
  }
})

test('remote sources', async (t) => {
  const upstream = await startUpstream(t, ({ url }) => {
    if (url.startsWith('/redirect')) return { status: 302, headers: { location: '/photo.jpg' } }
    if (url.startsWith('/loop')) return { status: 302, headers: { location: '/loop' } }
    if (url.startsWith('/gone')) return { status: 410 }
    if (url.startsWith('/empty')) return {}
    return { body: photo, headers: { 'content-type': 'text/plain', etag: '"v1"' } }
  })
  const app = await startApp(t, { images: allow(upstream, { maximumResponseBody: photo.length }) })

  const rows = [
    ['/photo.jpg', 200],
    ['/redirect', 200],
    ['/loop', 508],
    ['/gone', 410],
    ['/empty', 400],
  ]
  for (const [path, status] of rows) {
    await t.test(`${path} is ${status}`, async () => {
      assert.equal((await app.image({ url: `${upstream.origin}${path}` })).status, status)
    })
  }

  await t.test("the source is asked with GET and none of the visitor's headers", async () => {
    const url = `${upstream.origin}/photo.jpg?head`
    await app.image({ url }, { method: 'HEAD', headers: { cookie: 'session=1', authorization: 'secret' } })
    const asked = upstream.requests.at(-1)
    assert.equal(asked.url, '/photo.jpg?head')
    assert.equal(asked.method, 'GET')
    assert.equal(asked.headers.cookie, undefined)
    assert.equal(asked.headers.authorization, undefined)
  })
})

test('a body over maximumResponseBody is refused', async (t) => {
  const upstream = await startUpstream(t, () => ({ body: photo }))
  const app = await startApp(t, { images: allow(upstream, { maximumResponseBody: photo.length - 1 }) })
  assert.equal((await app.image({ url: `${upstream.origin}/photo.jpg` })).status, 413)
})

test('a private address is not even asked, unless the config allows it', async (t) => {
  const upstream = await startUpstream(t, () => ({ body: photo }))
  const app = await startApp(t, { images: allow(upstream, { dangerouslyAllowLocalIP: false }) })
  const answer = await app.image({ url: `${upstream.origin}/photo.jpg` })
  assert.equal(answer.status, 400)
  assert.equal(answer.text, '"url" parameter is not allowed')
  assert.equal(upstream.requests.length, 0)
})
