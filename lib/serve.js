// @ts-check
'use strict'

// serve() and createOptimizer(): the addon does all the work, this file checks options and keeps the process alive.

const { rootCertificates } = require('./certificates.js')
const { callSite, invalidOption } = require('./errors.js')
const { serializeConfig } = require('./handler.js')
const { LOG_OPTIONS, logOptions, logger } = require('./logging.js')
const native = require('./native.js')
const { integer, bool, object, oneOf, refuseUnknown, text } = require('./options.js')
const { SETTINGS, fromOptions, resolve } = require('./service-settings.js')

/** @typedef {import('./service-settings.js').Settings} Settings */

const NAMES = SETTINGS.map(({ name }) => name)
const SERVER_ONLY = SETTINGS.filter(({ only }) => only === 'server').map(({ name }) => name)
const GRACE_MS = 25_000

/** Settings that the addon calls by the same name. */
const SAME = [
  ...['nextDir', 'cacheDir', 'storage', 'storagePrefix', 'store', 'fallbackHostHeader', 'memoryBytes'],
  ...['concurrency', 'maxQueue', 'maxAttempts', 'serverTiming', 'accessLog', 'avifSoon', 'allowedPrivateHosts'],
]

/** The longest time between two turns of a timer. */
const RARELY_MS = 0x7fffffff

const TYPES = { avif: 'image/avif', webp: 'image/webp', jpeg: 'image/jpeg', png: 'image/png' }

/** @type {typeof import('../index.d.ts').serve} */
async function serve(given) {
  const options = object('options', given)
  refuseUnknown(options, 'serve()', [...NAMES, ...LOG_OPTIONS, 'nextConfig'])
  const failure = callSite(serve)
  const { service, settings } = await open(options, failure)
  const address = await service
    .listen({
      host: /** @type {string | undefined} */ (settings.host),
      port: /** @type {number | undefined} */ (settings.port),
      maxConnections: /** @type {number | undefined} */ (settings.maxConnections),
      idleTimeoutMs: /** @type {number | undefined} */ (settings.idleTimeout),
    })
    .catch(rethrow(failure))
  // The addon's threads keep no process alive, and a server should.
  const alive = setInterval(() => {}, RARELY_MS)
  const close = once(async () => {
    try {
      return await service.close(grace(settings))
    } finally {
      clearInterval(alive)
    }
  })
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return {
    ...{ host: address.host, port: address.port, url: `http://${host}:${address.port}`, close },
    stats: () => /** @type {import('../index.d.ts').ServiceStats} */ (service.stats()),
  }
}

/** @type {typeof import('../index.d.ts').createOptimizer} */
async function createOptimizer(given) {
  const options = object('options', given)
  const known = [...NAMES.filter((name) => !SERVER_ONLY.includes(name)), ...LOG_OPTIONS, 'nextConfig', 'allowAnySource']
  refuseUnknown(options, 'createOptimizer()', known)
  const anySource = bool('allowAnySource', options.allowAnySource)
  const { service, settings } = await open(options, callSite(createOptimizer), anySource)

  /** @type {import('../index.d.ts').Optimizer['fetchAndOptimize']} */
  async function fetchAndOptimize(url, wanted) {
    const failure = callSite(fetchAndOptimize)
    const request = object('options', wanted)
    refuseUnknown(request, 'fetchAndOptimize()', ['width', 'quality', 'format', 'accept'])
    const width = integer('width', request.width, 1, 16383)
    if (width === undefined) throw invalidOption('width is required: an integer from 1 to 16383, px')
    const format = oneOf('format', request.format, Object.keys(TYPES))
    const accept = request.accept === undefined ? undefined : text('accept', request.accept)
    if (format !== undefined && accept !== undefined) throw invalidOption('format and accept exclude each other')
    const source = text('url', url)
    if (source === undefined) throw invalidOption('url is required')
    const found = await service
      .fetchAndOptimize({
        ...{ url: source, width, quality: integer('quality', request.quality, 1, 100) ?? 75, accept },
        mime: format && TYPES[/** @type {keyof typeof TYPES} */ (format)],
      })
      .catch(rethrow(failure))
    return found
  }

  return {
    fetchAndOptimize,
    close: once(() => service.close(grace(settings))),
    stats: () => /** @type {import('../index.d.ts').ServiceStats} */ (service.stats()),
  }
}

/** @param {Record<string, unknown>} options @param {(cause: unknown) => Error} failure @param {boolean} [anySource] */
async function open(options, failure, anySource) {
  const { nextConfig } = options
  const { settings, ...from } = resolve(fromOptions(options), process.env, nextConfig !== undefined)
  const config = nextConfig ?? from.nextConfig
  const { memoryBudget, timeout, ttl, fallback, ...same } = /** @type {Record<string, any>} */ (settings)
  const service = await native
    .openService(
      {
        ...pick(same, SAME),
        ...{ memoryBudgetBytes: memoryBudget, timeoutMs: timeout, ttlMs: ttl, fallback: origin(fallback) },
        ...{ anySource, manifest: from.manifest },
        config: config === undefined ? undefined : serializeConfig(config),
        ...logOptions({ ...settings, ...options }),
        extraCaCerts: process.env.NODE_EXTRA_CA_CERTS || undefined,
        caCerts: rootCertificates(),
      },
      logger(options.logger),
    )
    .catch(rethrow(failure))
  return { service, settings }
}

/** @param {Record<string, any>} from @param {readonly string[]} names */
function pick(from, names) {
  return Object.fromEntries(names.map((name) => [name, from[name]]))
}

/** @param {unknown} value @returns {string | undefined} scheme, host and port */
function origin(value) {
  if (value === undefined) return undefined
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw invalidOption(
      `fallback must be an http or https url such as http://127.0.0.1:3000, not ${JSON.stringify(value)}`,
    )
  }
  if (url.pathname !== '/' || url.search) {
    throw invalidOption(`fallback is scheme, host and port; ${url.pathname}${url.search} would not be used`)
  }
  return url.origin
}

/** @param {Settings} settings */
const grace = ({ shutdownGrace = GRACE_MS }) => Number(shutdownGrace)

/** @template T @param {() => Promise<T>} work @returns {() => Promise<T>} */
function once(work) {
  /** @type {Promise<T> | undefined} */
  let running
  return () => (running ??= work())
}

/** @param {(cause: unknown) => Error} failure @returns {(cause: unknown) => never} */
function rethrow(failure) {
  return (cause) => {
    throw failure(cause)
  }
}

module.exports = { createOptimizer, serve }
