// @ts-check
'use strict'

const { noteImagesKept, scheduleBootCheck, scheduleBuildCheck } = require('./boot-check.js')
const { handlerOf } = require('./compose-handler.js')
const { install } = require('./hook.js')
const { invalidOption } = require('./errors.js')
const { bool, object, refuseUnknown, store: readStore } = require('./options.js')
const { nextDist, nextVersion } = require('./running-next.js')
const { withoutSharp } = require('./without-sharp.js')

/** @typedef {import('../next.d.ts').WithUnsharpOptions} Options */
/** @typedef {Record<string, any>} Config */

/** From here on the packages that stay out of bundles are an option of their own; before, an experimental one. */
const STABLE_EXTERNALS = 15_000

/** What may follow the url of a bucket as its query. */
const STORE_SETTINGS = ['prefix', 'endpoint', 'region', 'pathStyle', 'account', 'anonymous', 'pushBytesPerHour']

/** The first Next that can keep images in a cacheHandler. */
const CUSTOM_IMAGE_CACHE = 16_002

/** @type {(nextConfig?: unknown, options?: Options) => any} */
function withUnsharp(nextConfig = {}, given = undefined) {
  const options = object('options', given)
  refuseUnknown(options, 'withUnsharp()', ['cacheHandler', 'excludeSharp', 'store'])
  bool('cacheHandler', options.cacheHandler)
  bool('excludeSharp', options.excludeSharp)
  publicStore(options.store)

  install()
  scheduleBootCheck()
  return wrap(nextConfig, options)
}

/**
 * A function stays a function, and an object an object, because wrappers around this one may spread or call it.
 *
 * @param {any} nextConfig
 * @param {Options} options
 * @returns {any}
 */
function wrap(nextConfig, options) {
  if (typeof nextConfig === 'function') {
    return (/** @type {unknown[]} */ ...args) => wrap(nextConfig(...args), options)
  }
  if (typeof nextConfig?.then === 'function') {
    return nextConfig.then((/** @type {any} */ config) => wrap(config, options))
  }
  return extend(object('nextConfig', nextConfig), options)
}

/** @param {Config} given @param {Options} options @returns {Config} */
function extend(given, options) {
  const dist = nextDist()
  const version = dist ? nextVersion(dist) : Number.POSITIVE_INFINITY
  const config = unbundled(given, version)
  const isStandalone = (config.output ?? (process.env.NEXT_PRIVATE_STANDALONE && 'standalone')) === 'standalone'
  const isWanted = options.cacheHandler ?? typeof options.store === 'string'
  const keepsImages = isWanted && version >= CUSTOM_IMAGE_CACHE
  if (isWanted && !keepsImages) {
    warnOnce('cacheHandler: true needs Next 16.2 or later, and does nothing here')
  }
  noteImagesKept(keepsImages || options.store === false || config.images?.customCacheHandler === true)
  if (!isStandalone && !keepsImages) return config

  const cacheHandler = handlerOf(config.cacheHandler, keepsImages, keepsImages ? options.store : undefined)
  if (!cacheHandler) {
    warnOnce('no file can be written beside your cacheHandler, so that stays as it is, and keeps images too if it does')
    return config
  }
  /** @type {Config} */
  const extended = { ...config, cacheHandler }
  if (keepsImages) extended.images = { ...config.images, customCacheHandler: true }
  if (!isStandalone) return extended
  scheduleBuildCheck(config.distDir)
  return withoutSharp(extended, { version, dist, wanted: options.excludeSharp })
}

/**
 * What the app imports of unsharp, in instrumentation.ts for one, is no matter for a bundler: it can't pack an addon.
 *
 * @param {Config} config
 * @param {number} version
 * @returns {Config}
 */
function unbundled(config, version) {
  const add = (/** @type {string[] | undefined} */ names) => [...new Set([...(names ?? []), 'unsharp'])]
  if (version >= STABLE_EXTERNALS) return { ...config, serverExternalPackages: add(config.serverExternalPackages) }
  const { experimental } = config
  const serverComponentsExternalPackages = add(experimental?.serverComponentsExternalPackages)
  return { ...config, experimental: { ...experimental, serverComponentsExternalPackages } }
}

/**
 * What is written into a file of the build: no credentials, and no settings whose meaning is not known.
 *
 * @param {unknown} value
 */
function publicStore(value) {
  const { store } = readStore(value)
  if (store === undefined) return
  const url = URL.canParse(store) ? new URL(store) : undefined
  if (!url) throw invalidOption('store must be a url such as s3://bucket/prefix')
  const unknown = [...url.searchParams.keys()].find((name) => !STORE_SETTINGS.includes(name))
  if (url.username || url.password || unknown !== undefined) {
    throw invalidOption(
      `store is written into the build, so it holds no credentials, only ${STORE_SETTINGS.join(', ')} as its query; ` +
        'the server takes credentials from its environment',
    )
  }
}

/** @type {Set<string>} */
const warned = new Set()

/** The config is evaluated several times in one process. @param {string} message */
function warnOnce(message) {
  if (!warned.has(message)) console.warn(`unsharp: ${message}`)
  warned.add(message)
}

module.exports = { withUnsharp }
