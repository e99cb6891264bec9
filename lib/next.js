// @ts-check
'use strict'

const { scheduleBootCheck, scheduleBuildCheck } = require('./boot-check.js')
const { handlerOf } = require('./compose-handler.js')
const { install } = require('./hook.js')
const { bool, object, refuseUnknown } = require('./options.js')
const { nextDist, nextVersion } = require('./running-next.js')
const { withoutSharp } = require('./without-sharp.js')

/** @typedef {import('../next.d.ts').WithUnsharpOptions} Options */
/** @typedef {Record<string, any>} Config */

/** The first Next that can keep images in a cacheHandler. */
const CUSTOM_IMAGE_CACHE = 16_002

/** @type {(nextConfig?: unknown, options?: Options) => any} */
function withUnsharp(nextConfig = {}, given = undefined) {
  const options = object('options', given)
  refuseUnknown(options, 'withUnsharp()', ['cacheHandler', 'excludeSharp'])
  bool('cacheHandler', options.cacheHandler)
  bool('excludeSharp', options.excludeSharp)

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

/** @param {Config} config @param {Options} options @returns {Config} */
function extend(config, options) {
  const dist = nextDist()
  const version = dist ? nextVersion(dist) : Number.POSITIVE_INFINITY
  const isStandalone = (config.output ?? (process.env.NEXT_PRIVATE_STANDALONE && 'standalone')) === 'standalone'
  const keepsImages = options.cacheHandler === true && version >= CUSTOM_IMAGE_CACHE
  if (options.cacheHandler && !keepsImages) {
    warnOnce('cacheHandler: true needs Next 16.2 or later, and does nothing here')
  }
  if (!isStandalone && !keepsImages) return config

  const cacheHandler = handlerOf(config.cacheHandler, keepsImages)
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

/** @type {Set<string>} */
const warned = new Set()

/** The config is evaluated several times in one process. @param {string} message */
function warnOnce(message) {
  if (!warned.has(message)) console.warn(`unsharp: ${message}`)
  warned.add(message)
}

module.exports = { withUnsharp }
