// A proxy before an object store that counts requests and does to them what networks and stores do.
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'

const error = (status, code) => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`),
})

/** @typedef {{ status: number, headers: import('node:http').IncomingHttpHeaders, body: Buffer }} Answer */

/**
 * What can be done to a request. `ask` hands it on to the store, `askHalf` only the first half of its body, and `tell`
 * answers it.
 *
 * @type {Record<string, (exchange: {
 *   body: Buffer, ask: () => Promise<Answer>, askHalf: () => import('node:http').ClientRequest,
 *   tell: (answer: Answer) => void,
 *   req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse
 * }) => Promise<void> | void>}
 */
const FAULTS = {
  /** None. */
  none: async ({ ask, tell }) => tell(await ask()),
  /** Fifty milliseconds more for a round trip. */
  slow: async ({ ask, tell }) => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    tell(await ask())
  },
  /** Takes what comes and never answers. */
  blackHole: () => {},
  /** Something fails in the store. */
  internalError: ({ tell }) => tell(error(500, 'InternalError')),
  /** What S3 answers to too many requests. */
  slowDown: ({ tell }) => tell(error(503, 'SlowDown')),
  /** What S3 answers to credentials that were good until now. */
  expiredCredentials: ({ tell }) => tell(error(403, 'ExpiredToken')),
  /** The connection breaks in the middle of the body that is sent, or else of the one that is answered. */
  reset: async ({ body, ask, askHalf, req, res }) => {
    if (body.length > 0) askHalf().destroy()
    else await halfOf(await ask(), res)
    req.socket.resetAndDestroy()
  },
  /** The same, but the other half just never comes; the store's end closes when the client's does. */
  stall: async ({ body, ask, askHalf, req, res }) => {
    if (body.length === 0) return halfOf(await ask(), res)
    const sent = askHalf()
    req.socket.on('close', () => sent.destroy())
  },
  /** The body is shorter than it was said to be, and the connection ends properly. */
  tooLongLength: async ({ ask, req, res }) => {
    const answer = await ask()
    res.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length + 100 })
    res.write(answer.body, () => req.socket.end())
  },
  /** The body is longer than it was said to be: what is left looks like the next answer. */
  tooShortLength: async ({ ask, res }) => {
    const answer = await ask()
    res.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length >> 1 }).end(answer.body)
  },
  /** Half of the body, said to be all of it. */
  truncated: async ({ ask, tell }) => {
    const answer = await ask()
    tell({ ...answer, body: answer.body.subarray(0, answer.body.length >> 1) })
  },
}

async function halfOf({ status, headers, body }, res) {
  res.writeHead(status, { ...headers, 'content-length': body.length })
  await new Promise((resolve) => res.write(body.subarray(0, body.length >> 1), resolve))
}

/**
 * Starts a proxy without a fault.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} store its url
 */
export async function startFaultProxy(t, store) {
  const { hostname, port } = new URL(store)
  const agent = new Agent({ keepAlive: true })
  const proxy = {
    url: '',
    /**
     * The name of a fault, or what chooses one for a request.
     *
     * @type {string | ((request: { method: string, url: string }) => string)}
     */
    fault: 'none',
    /** @type {{ method: string, url: string, fault: string }[]} what has come in, in order */
    requests: [],
    /** The most requests of a method that were under way at once. */
    mostAtOnce: (method) => most.get(method) ?? 0,
    /**
     * Lets wait all requests that `which` chooses, from now on.
     *
     * @returns {() => void} lets go on those that wait and all others
     */
    hold: (which) => {
      let release
      held = { which, released: new Promise((resolve) => (release = resolve)) }
      return () => {
        held = undefined
        release()
      }
    },
  }
  let held
  const underWay = new Map()
  const most = new Map()

  // With the client's headers, Host among them: the signature covers it.
  const open = ({ method, url: path, headers }) => request({ host: hostname, port, agent, method, path, headers })

  function ask(req, body) {
    return new Promise((resolve, reject) => {
      const sent = open(req)
      sent.on('error', reject)
      sent.on('response', async (answer) => {
        try {
          const chunks = []
          for await (const chunk of answer) chunks.push(chunk)
          const { 'transfer-encoding': _, connection: __, ...headers } = answer.headers
          resolve({ status: answer.statusCode, headers, body: Buffer.concat(chunks) })
        } catch (cause) {
          reject(cause)
        }
      })
      sent.end(body)
    })
  }

  function askHalf(req, body) {
    const sent = open(req)
    sent.on('error', () => {})
    sent.write(body.subarray(0, body.length >> 1))
    return sent
  }

  const server = createServer(async (req, res) => {
    const wanted = typeof proxy.fault === 'function' ? proxy.fault(req) : proxy.fault
    proxy.requests.push({ method: req.method, url: req.url, fault: wanted })
    const now = (underWay.get(req.method) ?? 0) + 1
    underWay.set(req.method, now)
    most.set(req.method, Math.max(most.get(req.method) ?? 0, now))
    res.on('close', () => underWay.set(req.method, underWay.get(req.method) - 1))
    try {
      if (held?.which(req)) await held.released
      const chunks = []
      for await (const chunk of req) chunks.push(chunk)
      const body = Buffer.concat(chunks)
      const tell = ({ status, headers, body: answered }) => {
        const length = req.method === 'HEAD' ? headers['content-length'] : answered.length
        res.writeHead(status, { ...headers, ...(length !== undefined && { 'content-length': length }) }).end(answered)
      }
      await FAULTS[wanted]({ body, ask: () => ask(req, body), askHalf: () => askHalf(req, body), tell, req, res })
    } catch {
      // The client left or the store did; either way this connection is of no use any more.
      req.socket.destroy()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.url = `http://127.0.0.1:${server.address().port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
    agent.destroy()
  })
  return proxy
}
