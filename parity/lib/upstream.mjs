// The server that images come from: what it answers is the row's to say, and it counts.
import { once } from 'node:events'
import { createServer } from 'node:http'

/**
 * What a source does; a function gets `{ count, headers, method }` and returns one, so that it can change its mind.
 *
 * @typedef {object} Behaviour
 * @property {number} [status] default 200
 * @property {Record<string, string | string[]>} [headers]
 * @property {Buffer | string} [body]
 * @property {number} [cutAt] announces the whole body and drops the connection after so many bytes
 * @property {number} [pieces] sends the body in so many chunks, without a length
 * @property {'headers' | 'body'} [stall] never sends the headers, or half of the body
 * @property {Promise<unknown>} [hold] waits before it answers
 * @property {boolean} [drop] closes the connection instead of answering
 */

/** Starts one. Every side of a comparison has one of its own, so that hits are counted for each. */
export async function startUpstream() {
  /** @type {Map<string, Behaviour | ((request: object) => Behaviour | Promise<Behaviour>)>} */
  const sources = new Map()
  /** @type {Map<string, object[]>} */
  const seen = new Map()
  const server = createServer(async (req, res) => {
    const [path] = req.url.split('?')
    const requests = seen.get(path) ?? []
    seen.set(path, [...requests, { url: req.url, method: req.method, headers: req.headers }])
    const source = sources.get(path)
    if (!source) return res.writeHead(404).end('no such source')
    const asked = { count: requests.length + 1, method: req.method, headers: req.headers }
    const behaviour = typeof source === 'function' ? await source(asked) : source
    await behave(res, behaviour)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    serve: (path, behaviour) => sources.set(path, behaviour),
    requests: (path) => seen.get(path) ?? [],
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** @param {import('node:http').ServerResponse} res @param {Behaviour} behaviour */
async function behave(res, { status = 200, headers = {}, body = '', cutAt, pieces, stall, hold, drop }) {
  await hold
  const bytes = Buffer.from(body)
  if (stall === 'headers') return
  if (drop) return res.destroy()
  if (pieces !== undefined) {
    res.writeHead(status, headers)
    const size = Math.max(1, Math.ceil(bytes.length / pieces))
    for (let at = 0; at < bytes.length; at += size) {
      if (!res.write(bytes.subarray(at, at + size)) && !res.destroyed) {
        await Promise.race([once(res, 'drain'), once(res, 'close')])
      }
    }
    return res.end()
  }
  const cut = cutAt ?? (stall === 'body' ? Math.floor(bytes.length / 2) : undefined)
  const length = cut === undefined && status === 204 ? {} : { 'content-length': bytes.length }
  res.writeHead(status, { ...length, ...headers })
  if (cut === undefined) return res.end(bytes)
  res.write(bytes.subarray(0, cut), () => {
    if (stall === undefined) res.destroy()
  })
}
