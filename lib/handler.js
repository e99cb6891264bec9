// @ts-check
'use strict'

const path = require('node:path')
const { rootCertificates } = require('./certificates.js')
const { KEEPS_IMAGES } = require('./compose-handler.js')
const { UnsharpError, invalidOption } = require('./errors.js')
const { Hits } = require('./hits.js')
const { localFetch } = require('./local-fetch.js')
const { LOG_OPTIONS, logOptions, logger } = require('./logging.js')
const native = require('./native.js')
const { bool, integer, object, refuseUnknown, store, text, texts } = require('./options.js')
const { BUDGET_MS, flushAtExit } = require('./shutdown.js')

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('node:net').Socket} Socket */
/** @typedef {{ socket: Socket, method: string | undefined }} Client */

const KNOWN = [
  ...['dir', 'nextConfig', 'handle', 'origin', 'allowedPrivateHosts', 'store', 'dev', 'strict'],
  ...['memoryBytes', 'concurrency', 'memoryBudgetBytes', 'maxQueue', 'avifSoon'],
  ...LOG_OPTIONS,
]

/** The parts of next.config that say something about images; the rest may hold functions and cycles. */
const CONFIG = [
  ...['images', 'basePath', 'assetPrefix', 'trailingSlash', 'skipTrailingSlashRedirect', 'distDir'],
  ...['compress', 'generateEtags', 'output', 'cacheHandler'],
]

/** What most requests are answered with; the same promise serves them all. */
const OURS = Promise.resolve(true)
const NOT_OURS = Promise.resolve(false)

/** How many sockets are kept for refreshes that have yet to ask for their source. */
const MAX_REFRESHING = 1024

/** @type {typeof import('../index.d.ts').createImageHandler} */
async function createImageHandler(given) {
  const options = object('options', given)
  refuseUnknown(options, 'createImageHandler()', KNOWN)
  const dir = path.resolve(text('dir', options.dir) ?? '.')
  const { handle } = options
  const strict = bool('strict', options.strict)
  if (handle !== undefined && typeof handle !== 'function') {
    throw invalidOption('handle must be a function, such as what app.getRequestHandler() returns')
  }

  /** @type {Map<number, Client>} who asked, of requests whose answer is not made yet, by token */
  const running = new Map()
  /** @type {Map<number, Client>} and of those whose stale answer is out, while the refresh behind it still needs it */
  const refreshing = new Map()
  const fetchThroughApp = handle && localFetch(dir, /** @type {import('../index.d.ts').RequestHandler} */ (handle))
  const handler = openNative(
    {
      dir,
      config: serializeConfig(options.nextConfig),
      origin: origin(options.origin),
      allowedPrivateHosts: texts('allowedPrivateHosts', options.allowedPrivateHosts),
      ...store(options.store),
      dev: bool('dev', options.dev),
      strict,
      memoryBytes: integer('memoryBytes', options.memoryBytes, 0, Number.MAX_SAFE_INTEGER),
      concurrency: integer('concurrency', options.concurrency, 1, 1024),
      memoryBudgetBytes: integer('memoryBudgetBytes', options.memoryBudgetBytes, 1, Number.MAX_SAFE_INTEGER),
      maxQueue: integer('maxQueue', options.maxQueue, 0, 0xffffffff),
      avifSoon: bool('avifSoon', options.avifSoon),
      ...logOptions(options),
      extraCaCerts: process.env.NODE_EXTRA_CA_CERTS || undefined,
      caCerts: rootCertificates(),
    },
    fetchThroughApp &&
      ((href, token, id) => {
        const client = running.get(token) ?? refreshing.get(token)
        running.delete(token)
        refreshing.delete(token)
        fetchThroughApp(href, { ...client, maxBytes: handler.maxBodyBytes }).then(
          (answer) => handler.settleLocal(id, answer),
          (cause) => handler.settleLocal(id, cause instanceof Error ? cause.message : String(cause)),
        )
      }),
    logger(options.logger),
  )

  const cacheHandler = handler.imageCacheHandler
  if (cacheHandler && !KEEPS_IMAGES.test(cacheHandler)) {
    console.warn(
      `unsharp: images.customCacheHandler asks for images in ${cacheHandler}. createImageHandler() keeps them in memory ` +
        'and in <distDir>/cache/images instead; everything else stays with your cacheHandler.',
    )
  }

  const hits = new Hits(handler)
  /** @param {IncomingMessage} req @param {ServerResponse} res @returns {Promise<boolean>} */
  function imageHandler(req, res) {
    const url = req.url ?? '/'
    if (!handler.isEndpoint(url)) return NOT_OURS
    try {
      const hit = hits.find(url, req.headers)
      if (hit === null) return answer(url, req, res)
      respond(req, res, 200, hit)
    } catch (cause) {
      fail(res, cause)
    }
    return OURS
  }

  let lastToken = 0
  /** @param {string} url @param {IncomingMessage} req @param {ServerResponse} res @returns {Promise<boolean>} */
  async function answer(url, req, res) {
    // The addon holds it in 32 bits. No request lives long enough to meet its number again.
    lastToken = (lastToken + 1) >>> 0
    const token = lastToken
    // Next hands on the method, so that the first POST for a file fails; a picture is fetched with GET.
    const client = { socket: req.socket, method: strict && req.method !== 'HEAD' ? req.method : 'GET' }
    running.set(token, client)
    try {
      const answer = await handler.handle({
        method: req.method ?? 'GET',
        url,
        accept: req.headers.accept,
        ifNoneMatch: req.headers['if-none-match'],
        ifModifiedSince: req.headers['if-modified-since'],
        cacheControl: req.headers['cache-control'],
        acceptEncoding: header(req.headers['accept-encoding']),
        token,
        origin: serverOrigin(req.socket),
      })
      if (answer.revalidating && running.has(token)) keepForRefresh(refreshing, token, client)
      respond(req, res, answer.status, answer)
    } catch (cause) {
      fail(res, cause)
    } finally {
      running.delete(token)
    }
    return true
  }

  const forget = handler.hasStore ? flushAtExit(handler) : () => {}
  return Object.assign(imageHandler, {
    async close() {
      await handler.drain(BUDGET_MS).finally(forget)
    },
    stats() {
      const stats = /** @type {import('../index.d.ts').ImageHandlerStats} */ (handler.stats())
      return { ...stats, hits: stats.hits + hits.count }
    },
  })
}

/**
 * @param {import('../native.d.cts').NativeHandlerOptions} options
 * @param {ConstructorParameters<typeof native.NativeHandler>[1]} fetchLocal
 * @param {ConstructorParameters<typeof native.NativeHandler>[2]} log
 */
function openNative(options, fetchLocal, log) {
  try {
    return new native.NativeHandler(options, fetchLocal, log)
  } catch (cause) {
    const { message, code, status } = /** @type {{ message: string, code?: string, status?: number }} */ (cause)
    throw new UnsharpError(message, { code: code ?? 'ERR_UNSHARP_INVALID_OPTION', status: status ?? 400, cause })
  }
}

/** @param {unknown} value @returns {string | undefined} scheme, host and port */
function origin(value) {
  const given = text('origin', value)
  if (given === undefined) return undefined
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw invalidOption(
      `origin must be an http or https url such as http://127.0.0.1:3000, not ${JSON.stringify(given)}`,
    )
  }
  return url.origin
}

/**
 * The user's config as JSON. A URL in remotePatterns becomes the pattern that Next makes of it.
 *
 * @param {unknown} nextConfig
 * @returns {string | undefined}
 */
function serializeConfig(nextConfig) {
  if (nextConfig === undefined) return undefined
  if (typeof nextConfig === 'function') {
    throw invalidOption(
      'nextConfig must be the config object; call the function of next.config and pass what it returns',
    )
  }
  const config = object('nextConfig', nextConfig)
  const picked = Object.fromEntries(CONFIG.map((name) => [name, config[name]]))
  const experimental = Object.entries(object('nextConfig.experimental', config.experimental)).filter(
    ([name]) => name.startsWith('imgOpt') || name === 'isrFlushToDisk',
  )
  try {
    return JSON.stringify(
      { ...picked, experimental: Object.fromEntries(experimental) },
      /** @this {Record<string, unknown>} */ function (name, value) {
        // JSON.stringify has called toJSON already, so a URL is a string in `value`; `this` still holds the URL.
        const original = this[name]
        return original instanceof URL ? urlPattern(original) : value
      },
    )
  } catch (cause) {
    throw invalidOption('nextConfig.images can not be written as JSON', cause)
  }
}

/** @param {URL} url */
function urlPattern({ protocol, hostname, port, pathname, search }) {
  return { protocol: protocol.replace(/:$/, ''), hostname, port, pathname, search }
}

/** @param {string | string[] | undefined} value */
function header(value) {
  return Array.isArray(value) ? value.join(', ') : value
}

/**
 * Where the server that took this request can be reached from this process; undefined for a unix socket.
 *
 * @param {Socket & { encrypted?: boolean }} socket
 * @returns {string | undefined}
 */
function serverOrigin({ encrypted, localAddress, localPort }) {
  if (!localAddress || !localPort) return undefined
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, '')
  // A link-local address is of no use in a url without its zone, and urls have no zones.
  const host = address.includes('%') ? 'localhost' : address.includes(':') ? `[${address}]` : address
  return `${encrypted ? 'https' : 'http'}://${host}:${localPort}`
}

/**
 * @param {IncomingMessage} req
 * @param {ServerResponse} res
 * @param {number} status
 * @param {{ headers: string[], body: Buffer }} answer
 */
function respond(req, res, status, { headers, body }) {
  // The client has gone: nothing can be written any more, and nothing needs to be.
  if (res.destroyed) return
  // One by one, and not as a list to writeHead(), which is quicker: what logs or compresses answers asks for them by name.
  for (let at = 0; at + 1 < headers.length; at += 2) {
    res.setHeader(/** @type {string} */ (headers[at]), /** @type {string} */ (headers[at + 1]))
  }
  // The head goes first: with the body at hand Node would announce the length where Next announces none, and garble a
  // file name beyond ASCII (Node 20 to 24 encode Content-Disposition twice then).
  res.writeHead(status)
  if (req.method === 'HEAD' || body.length === 0) res.end()
  else res.end(body)
}

/** The addon answers every failure itself, so only a defect comes here. @param {ServerResponse} res @param {unknown} cause */
function fail(res, cause) {
  const code = /** @type {{ code?: unknown } | undefined} */ (cause)?.code ?? 'ERR_UNSHARP_PANIC'
  console.error(`unsharp: ${code}: the image request failed because of a defect`, cause)
  if (res.destroyed || res.writableEnded) return
  if (res.headersSent) {
    res.destroy()
    return
  }
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  res.statusCode = 500
  res.end('Internal Server Error')
}

/**
 * A refresh of a remote source never asks for its socket, so the oldest give way.
 *
 * @param {Map<number, Client>} refreshing
 * @param {number} token
 * @param {Client} client
 */
function keepForRefresh(refreshing, token, client) {
  refreshing.set(token, client)
  for (const oldest of refreshing.keys()) {
    if (refreshing.size <= MAX_REFRESHING) return
    refreshing.delete(oldest)
  }
}

module.exports = { createImageHandler, serializeConfig }
