// @ts-check
'use strict'

const { types } = require('node:util')
const { invalidOption } = require('./errors.js')

/** What the addon can encode. */
const FORMATS = ['avif', 'webp', 'jpeg', 'png', 'gif', 'tiff']

/** @param {unknown} value @returns {string} the value as an error message shows it */
function show(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value == null) return String(value)
  if (typeof value === 'bigint') return `${value}n`
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} min
 * @param {number} max
 * @returns {number | undefined} undefined stays undefined
 */
function integer(name, value, min, max) {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw invalidOption(`${name} must be an integer ${range}, not ${show(value)}`)
  }
  return value
}

/** @param {string} name @param {unknown} value @param {readonly string[]} allowed @returns {string | undefined} */
function oneOf(name, value, allowed) {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || !allowed.includes(value)) {
    throw invalidOption(`${name} must be one of ${allowed.join(', ')}, not ${show(value)}`)
  }
  return value
}

/** @param {string} name @param {unknown} value @returns {boolean | undefined} */
function bool(name, value) {
  if (value !== undefined && typeof value !== 'boolean') {
    throw invalidOption(`${name} must be true or false, not ${show(value)}`)
  }
  return value
}

/** @param {string} name @param {unknown} value @returns {string | undefined} */
function text(name, value) {
  if (value !== undefined && (typeof value !== 'string' || value === '')) {
    throw invalidOption(`${name} must be a string that is not empty, not ${show(value)}`)
  }
  return value
}

/** @param {string} name @param {unknown} value @returns {string[] | undefined} */
function texts(name, value) {
  if (value === undefined) return undefined
  const is = (/** @type {unknown} */ entry) => typeof entry === 'string' && entry !== ''
  if (Array.isArray(value) && value.every(is)) return value
  throw invalidOption(`${name} must be an array of strings that are not empty, not ${show(value)}`)
}

/** @param {string} name @param {unknown} value @returns {Record<string, unknown>} undefined becomes an empty object */
function object(name, value) {
  if (value === undefined) return {}
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidOption(`${name} must be an object, not ${show(value)}`)
  }
  return /** @type {Record<string, unknown>} */ (value)
}

/**
 * The option `store` as the addon takes it: a url, false for no bucket at all, undefined for the environment's.
 *
 * @param {unknown} value
 * @returns {{ store?: string | undefined, localOnly?: boolean }}
 */
function store(value) {
  return value === false ? { localOnly: true } : { store: text('store', value) }
}

/** @param {string} name @param {unknown} value @returns {Function | undefined} */
function callback(name, value) {
  if (value !== undefined && typeof value !== 'function') {
    throw invalidOption(`${name} must be a function, not ${show(value)}`)
  }
  return value
}

/** @param {Record<string, unknown>} given @param {string} where @param {readonly string[]} known */
function refuseUnknown(given, where, known) {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw invalidOption(`${where} has no option ${show(name)}; it knows ${known.join(', ')}`)
  }
}

/**
 * The image bytes. The addon copies them before the call returns; memory that another thread may change meanwhile
 * can't be copied safely, so it is refused.
 *
 * @param {unknown} input
 * @returns {Uint8Array}
 */
function imageBytes(input) {
  if (!types.isUint8Array(input)) {
    throw invalidOption(`input must be a Uint8Array (a Buffer is one), not ${show(input)}`)
  }
  if (types.isSharedArrayBuffer(input.buffer)) {
    throw invalidOption('input must not lie in a SharedArrayBuffer; copy it first')
  }
  return input
}

/** @param {unknown} value */
function limits(value) {
  const given = object('limits', value)
  refuseUnknown(given, 'limits', ['maxPixels', 'maxBytes', 'timeoutMs'])
  return {
    maxPixels: integer('limits.maxPixels', given.maxPixels, 1, Number.MAX_SAFE_INTEGER),
    maxBytes: integer('limits.maxBytes', given.maxBytes, 1, Number.MAX_SAFE_INTEGER),
    timeoutMs: integer('limits.timeoutMs', given.timeoutMs, 0, 0xffffffff),
  }
}

/** @param {unknown} value @returns {AbortSignal | undefined} */
function abortSignal(value) {
  if (value === undefined) return undefined
  const signal = /** @type {AbortSignal | null} */ (value)
  if (typeof signal?.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
    throw invalidOption(`signal must be an AbortSignal, not ${show(value)}`)
  }
  return signal
}

const OPTIMIZE = ['width', 'height', 'quality', 'format', 'limits', 'signal', 'avifEngine', 'mozjpeg']

/** @param {unknown} value @returns {import('../native.d.cts').NativeOptimizeOptions} */
function optimizeOptions(value) {
  const given = object('options', value)
  refuseUnknown(given, 'optimize()', OPTIMIZE)
  const width = integer('width', given.width, 1, 16383)
  if (width === undefined) throw invalidOption('width is required: an integer from 1 to 16383, px')
  return {
    width,
    height: integer('height', given.height, 1, 16383),
    quality: integer('quality', given.quality, 1, 100),
    format: oneOf('format', given.format, FORMATS),
    avifEngine: oneOf('avifEngine', given.avifEngine, ['libaom', 'ravif']),
    mozjpeg: bool('mozjpeg', given.mozjpeg),
    ...limits(given.limits),
  }
}

module.exports = {
  ...{ abortSignal, bool, callback, imageBytes, integer, limits, object, oneOf },
  ...{ optimizeOptions, refuseUnknown, show, store, text, texts },
}
