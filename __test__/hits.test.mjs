// Answers from memory: what is kept of them, and that the addon decides what they are.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { startApp, WEBP } from './support/app.mjs'

const { Hits } = createRequire(import.meta.url)('../lib/hits.js')

/** A handler whose every url is a hit with a body of so many bytes; `numbers` says which answer it is. */
function pretend({ hitBytes = 100_000, bytes = 1_000, numbers = new Map() }) {
  const asked = []
  const numberOf = (url) => numbers.get(url) ?? null
  return {
    ...{ asked, hitBytes, hit: numberOf },
    hitAnswer(url) {
      asked.push(url)
      const number = numberOf(url)
      return number === null ? null : { number, headers: ['ETag', String(number)], body: Buffer.alloc(bytes) }
    },
  }
}

test('an answer is asked for once, until its number is another', () => {
  const numbers = new Map([['/a', 1]])
  const handler = pretend({ numbers })
  const hits = new Hits(handler)
  assert.equal(hits.find('/a', {}), hits.find('/a', {}))
  assert.deepEqual(handler.asked, ['/a'])
  numbers.set('/a', 2)
  assert.deepEqual(hits.find('/a', {}).headers, ['ETag', '2'])
  numbers.delete('/a')
  assert.equal(hits.find('/a', {}), null, 'it is stale, or no longer in memory')
  assert.equal(hits.count, 3)
})

test('what a client has already is not answered from here', () => {
  const hits = new Hits(pretend({ numbers: new Map([['/a', 1]]) }))
  assert.equal(hits.find('/a', { 'if-none-match': '*' }), null)
  assert.equal(hits.count, 0)
})

test('what is kept stays within the limit, and what was used last stays longest', () => {
  const urls = Array.from({ length: 100 }, (_, n) => `/${n + 1}`)
  const handler = pretend({ numbers: new Map(urls.map((url, n) => [url, n + 1])) })
  const hits = new Hits(handler)
  for (const url of urls) {
    hits.find(url, {})
    hits.find('/1', {})
  }
  assert.equal(handler.asked.length, 100, 'the one that is used again and again was never dropped')
  const found = urls.filter((url) => {
    const before = handler.asked.length
    hits.find(url, {})
    return handler.asked.length === before
  })
  assert.ok(found.length < 100, 'not all of them fit')
})

test('an answer that is large for the limit is not kept, and one without a limit neither', () => {
  for (const hitBytes of [10_000, 0]) {
    const handler = pretend({ hitBytes, numbers: new Map([['/a', 1]]) })
    const hits = new Hits(handler)
    assert.equal(hits.find('/a', {}).body.length, 1_000)
    assert.equal(hits.find('/a', {}).body.length, 1_000)
    assert.equal(handler.asked.length, 2)
  }
})

test('the hundredth hit is the answer of the first, to GET and HEAD, and each is counted', async (t) => {
  const app = await startApp(t)
  const query = { url: '/photo.jpg', w: 256 }
  const first = await app.image(query, { accept: WEBP })
  const withoutDate = ({ date, ...headers }) => headers
  const second = await app.image(query, { accept: WEBP })
  for (let n = 0; n < 98; n += 1) {
    const answer = await app.image(query, { accept: WEBP })
    assert.deepEqual(answer.body, first.body)
    assert.deepEqual(withoutDate(answer.headers), withoutDate(second.headers))
  }
  assert.equal(second.headers['x-nextjs-cache'], 'HIT')
  assert.equal((await app.stats()).hits, 99)

  const head = await app.image(query, { accept: WEBP, method: 'HEAD' })
  assert.deepEqual([head.status, head.body.length], [200, 0])
  assert.equal(head.headers['content-length'], String(first.body.length))
  const known = await app.image(query, { accept: WEBP, headers: { 'if-none-match': first.headers.etag } })
  assert.deepEqual([known.status, known.body.length], [304, 0])
  assert.equal((await app.stats()).hits, 101)
})
