// Images that would cost more than there is, through the handler with a single thread: each is answered, nothing stays taken, and
// the next image is made as if nothing had been.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import { createImageHandler } from '../index.js'
import { allow, imagePath, publicFile, send, startUpstream, until } from './support/app.mjs'

const u32 = (...numbers) => {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [at, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * at)
  return bytes
}

function chunk(name, body) {
  const named = Buffer.concat([Buffer.from(name), body])
  return Buffer.concat([u32(body.length), named, u32(crc32(named))])
}

/** A black PNG of 1 bit, or one that only says how large it is. */
function png(width, height, { claimed = false } = {}) {
  const rows = claimed ? Buffer.alloc(64) : Buffer.alloc((Math.ceil(width / 8) + 1) * height)
  const header = chunk('IHDR', Buffer.concat([u32(width, height), Buffer.from([1, 0, 0, 0, 0])]))
  const parts = [header, chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts])
}

/** The largest WebP that can be said: each of its five codes has one symbol, so that its pixels take no data. */
const webp = Buffer.concat([
  Buffer.from('RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0', 'latin1'),
  Buffer.from([0x2f, 0xfe, 0xbf, 0xff, 0x0f, 0x88, 0x88, 0x08, 0, 0]),
])

const photo = publicFile('photo.jpg')

const BOMBS = {
  'a strip of a quarter of a billion pixels': [png(4000, 65_000), 'ERR_UNSHARP_TOO_LARGE'],
  'the largest WebP': [webp, 'ERR_UNSHARP_TOO_LARGE'],
  'a PNG that claims more than may be': [
    png(0x7fff_ffff, 0x7fff_ffff, { claimed: true }),
    'ERR_UNSHARP_TOO_MANY_PIXELS',
  ],
  'a PNG that claims what it has not': [png(12_000, 12_000, { claimed: true }), 'ERR_UNSHARP_DECODE'],
  'half of a photograph': [photo.subarray(0, photo.length / 2), 'ERR_UNSHARP_DECODE'],
}

for (const [name, [body, code]] of Object.entries(BOMBS)) {
  test(`${name} is served as it came, and keeps no thread and no memory`, async (t) => {
    const upstream = await startUpstream(t, ({ url }) => ({ body: url === '/photo.jpg' ? photo : body }))
    const dir = mkdtempSync(path.join(tmpdir(), 'unsharp-bombs-'))
    const images = allow(upstream, { formats: ['image/avif', 'image/webp'] })
    const handler = await createImageHandler({ dir, nextConfig: { images }, concurrency: 1, logLevel: 'silent' })
    const server = createServer((req, res) => handler(req, res)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(async () => {
      server.close()
      await handler.close()
      rmSync(dir, { recursive: true, force: true })
    })
    const image = (file, accept) => {
      const target = imagePath({ url: `${upstream.origin}/${file}`, w: 3840 })
      return send({ port: server.address().port, path: target, headers: { accept } })
    }
    for (const accept of ['image/avif,*/*', 'image/webp,*/*']) {
      const answer = await image('bomb', accept)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['x-unsharp-fallback'], code)
      assert.deepEqual(answer.body, body)
    }
    // The thread says that it is free a moment after the answer.
    const isFree = ({ running, waiting, budgetUsedBytes }) => running + waiting + budgetUsedBytes === 0
    await until(() => handler.stats(), isFree)
    const next = await image('photo.jpg', 'image/webp,*/*')
    assert.deepEqual([next.status, next.headers['content-type']], [200, 'image/webp'])
  })
}
