// An object store in memory, as far as unsharp speaks with one: a STUB, not a store. It stands for Google Cloud Storage,
// of which no registry has a server that knows the XML API, and for S3 where a benchmark needs one that is not slow
// itself. It takes any credentials.
//
//   node object-stub.mjs PORT      with an empty bucket `unsharp`
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const PAGE = 1000
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
const escapeXml = (text) => text.replace(/[&<>]/g, (char) => ESCAPES[char])
const xml = (element, content) => `<?xml version="1.0" encoding="UTF-8"?><${element}>${content}</${element}>`

/**
 * Starts the store.
 *
 * @param {number} [port] default: a free one
 * @returns {Promise<{
 *   url: string,
 *   delay: { roundTripMs: number },
 *   objects: Map<string, { body: Buffer, etag: string, generation: number, modifiedAt: number }>,
 *   requests: { method: string, key: string }[],
 *   close: () => Promise<void>
 * }>} `objects` are there by key, to be changed at will; so is `delay`, by which every answer comes later, and the first
 *   one on a connection twice, for that is what a new connection costs
 */
export async function startObjectStub(port = 0) {
  const objects = new Map()
  const requests = []
  let generation = 0

  const answers = {
    PUT(key, { headers, body }) {
      const old = objects.get(key)
      const onlyNew = headers['x-goog-if-generation-match'] === '0' || headers['if-none-match'] === '*'
      if (onlyNew && old) return { status: 412, body: xml('Error', '<Code>PreconditionFailed</Code>') }
      generation += 1
      const object = {
        body,
        etag: `"${createHash('md5').update(body).digest('hex')}"`,
        generation,
        modifiedAt: Date.now(),
      }
      objects.set(key, object)
      return { status: 200, headers: metadata(object) }
    },
    GET: (key, { headers }) => found(key, headers),
    HEAD: (key, { headers }) => found(key, headers),
    DELETE(key) {
      return objects.delete(key) ? { status: 204 } : missing()
    },
  }

  function found(key, { range }) {
    const object = objects.get(key)
    if (!object) return missing()
    const wanted = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
    if (!wanted) return { status: 200, headers: metadata(object), body: object.body }
    const [from, to] = [Number(wanted[1]), Math.min(Number(wanted[2] || Infinity), object.body.length - 1)]
    if (from > to) return { status: 416, body: xml('Error', '<Code>InvalidRange</Code>') }
    const contentRange = `bytes ${from}-${to}/${object.body.length}`
    const headers = { ...metadata(object), 'content-range': contentRange }
    return { status: 206, headers, body: object.body.subarray(from, to + 1) }
  }

  function list(query) {
    const prefix = query.get('prefix') ?? ''
    const delimiter = query.get('delimiter')
    const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
    const most = Math.min(Number(query.get('max-keys') ?? PAGE), PAGE)
    const folders = new Set()
    const contents = []
    let last
    let more = false
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    for (const key of keys) {
      const end = delimiter ? key.indexOf(delimiter, prefix.length) : -1
      const folder = end >= 0 ? key.slice(0, end + delimiter.length) : undefined
      if (folder !== undefined && (folder === after || after.startsWith(folder) || folders.has(folder))) continue
      if (contents.length + folders.size === most) {
        more = true
        break
      }
      if (folder === undefined) contents.push(key)
      else folders.add(folder)
      last = folder ?? key
    }
    const described = contents.map((key) => {
      const { body, etag, modifiedAt } = objects.get(key)
      const date = new Date(modifiedAt).toISOString()
      return `<Contents><Key>${escapeXml(key)}</Key><LastModified>${date}</LastModified><ETag>${etag}</ETag><Size>${body.length}</Size></Contents>`
    })
    const prefixes = [...folders].map(
      (folder) => `<CommonPrefixes><Prefix>${escapeXml(folder)}</Prefix></CommonPrefixes>`,
    )
    const next = more ? `<NextContinuationToken>${escapeXml(last)}</NextContinuationToken>` : ''
    const content = `<IsTruncated>${more}</IsTruncated>${described.join('')}${prefixes.join('')}${next}`
    return { status: 200, body: xml('ListBucketResult', content) }
  }

  /** S3's removal of many objects by one request. */
  function removeMany(body) {
    const keys = [...body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key)
    for (const key of keys) objects.delete(key)
    return {
      status: 200,
      body: xml('DeleteResult', keys.map((key) => `<Deleted><Key>${key}</Key></Deleted>`).join('')),
    }
  }

  async function answer(req) {
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const { pathname, searchParams } = new URL(req.url, 'http://stub')
    const [, bucket, key] = /^\/([^/]*)\/?(.*)$/.exec(decodeURIComponent(pathname))
    requests.push({ method: req.method, key: key || `?${searchParams}` })
    if (bucket !== 'unsharp') return { status: 404, body: xml('Error', '<Code>NoSuchBucket</Code>') }
    if (key === '') {
      if (req.method === 'GET') return list(searchParams)
      if (req.method === 'POST' && searchParams.has('delete')) return removeMany(body)
    } else if (searchParams.size === 0 || req.method === 'GET') {
      const method = answers[req.method]
      if (method) return method(key, { headers: req.headers, body })
    }
    return { status: 501, body: xml('Error', '<Code>NotImplemented</Code>') }
  }

  const delay = { roundTripMs: 0 }
  const known = new WeakSet()
  const server = createServer((req, res) => {
    const roundTrips = known.has(req.socket) ? 1 : 2
    known.add(req.socket)
    answer(req).then(
      ({ status, headers, body = '' }) => {
        const write = () =>
          res
            .writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
            .end(req.method === 'HEAD' ? '' : body)
        if (delay.roundTripMs === 0) write()
        else setTimeout(write, roundTrips * delay.roundTripMs)
      },
      () => res.destroy(),
    )
  })
  // Clients of S3 keep connections for long; one closed at the wrong moment would be a fault that nobody asked for.
  server.keepAliveTimeout = 600_000
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    objects,
    requests,
    delay,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const missing = () => ({ status: 404, body: xml('Error', '<Code>NoSuchKey</Code>') })

function metadata({ etag, generation, modifiedAt }) {
  return {
    etag,
    'last-modified': new Date(modifiedAt).toUTCString(),
    'x-goog-generation': String(generation),
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await startObjectStub(Number(process.argv[2]))
