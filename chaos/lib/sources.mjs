// The upstream: every path is one of the pictures, or one of the things that go wrong with upstreams.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { LOCAL } from './pictures.mjs'

const DAY_SECS = 86_400

/** A PNG's head that claims 30 000 x 30 000 pixels, with nothing behind it. */
function bomb() {
  const body = Buffer.from('89504e470d0a1a0a0000000d4948445200000000000000000806000000', 'hex')
  body.writeUInt32BE(30_000, 16)
  body.writeUInt32BE(30_000, 20)
  return body
}

export const BOMB = bomb()
export const TEXT = Buffer.from('No picture, whatever its label says.')

/**
 * Starts it.
 *
 * - `/lasting/<n>/<picture>`: for a day
 * - `/brief/<n>/<picture>`: for a second, always the same bytes
 * - `/changing/<n>/<picture>`: for a second, this picture and the next one in turns
 * - `/bad/<what>/<n>`: see BAD
 * - `/<picture>`: one of the test app's, for a second
 *
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {import('./pictures.mjs').Picture[]} pictures
 */
export async function startSources(t, pictures) {
  const byName = new Map(pictures.map((picture, at) => [picture.name, at]))
  const asked = new Map()
  const [photo] = pictures
  /** What may be wrong with an upstream. */
  const BAD = {
    missing: (res) => res.writeHead(404).end('no'),
    broken: (res) => res.writeHead(500).end('no'),
    text: (res) => res.writeHead(200, { 'content-type': 'image/jpeg' }).end(TEXT),
    empty: (res) => res.writeHead(200, { 'content-type': 'image/jpeg' }).end(),
    cut: (res) => res.writeHead(200, { 'content-type': 'image/jpeg' }).end(cutPhoto),
    bomb: (res) => res.writeHead(200, { 'content-type': 'image/png' }).end(BOMB),
    svg: (res) =>
      res.writeHead(200, { 'content-type': 'image/svg+xml' }).end('<svg xmlns="http://www.w3.org/2000/svg"/>'),
    short: (res) => {
      res.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': photo.body.length })
      res.write(photo.body.subarray(0, photo.body.length >> 1), () => res.destroy())
    },
  }
  const cutPhoto = photo.body.subarray(0, photo.body.length >> 1)
  /** While `isDown` nothing comes but errors. */
  const sources = { port: 0, origin: '', cutPhoto, isDown: false }

  const server = createServer((req, res) => {
    if (sources.isDown) return res.writeHead(500).end('down')
    const [, kind, n, name] = req.url.split('/')
    if (kind === 'bad') return BAD[n](res)
    const local = LOCAL.find(({ name }) => name === kind)
    if (local) return answer(res, local, 1)
    let at = byName.get(name)
    if (at === undefined) return res.writeHead(404).end('no')
    if (kind === 'changing') {
      const times = asked.get(req.url) ?? 0
      asked.set(req.url, times + 1)
      at = (at + (times % 2)) % pictures.length
    }
    answer(res, pictures[at], kind === 'lasting' ? DAY_SECS : 1)
  })
  const answer = (res, { type, body }, maxAge) =>
    res.writeHead(200, { 'content-type': type, 'cache-control': `max-age=${maxAge}` }).end(body)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address()
  Object.assign(sources, { port, origin: `http://127.0.0.1:${port}` })
  return sources
}
