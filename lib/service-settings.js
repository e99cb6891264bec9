// @ts-check
'use strict'

// Everything that `npx unsharp serve` and serve() can be told, in one table: the flags, the names in the environment,
// the keys of the JSON file and the help come from it. docs/SERVICE.md shows the same table.

const fs = require('node:fs')
const path = require('node:path')
const { invalidOption } = require('./errors.js')
const { object, show, texts } = require('./options.js')

/**
 * @typedef {object} Setting
 * @property {string} name as options and the JSON file have it
 * @property {'text' | 'texts' | 'integer' | 'boolean' | readonly string[]} type an array: one of these; of several texts the
 *   options and the file have an array, and commas stand between them elsewhere
 * @property {number} [min]
 * @property {number} [max]
 * @property {string} [value] what stands for the value in the help
 * @property {string} fallback the default, for people
 * @property {string} about
 * @property {'server'} [only] of no use without a server
 */

const MAX = Number.MAX_SAFE_INTEGER
const MAX_MS = 0xffffffff

/** @type {readonly Setting[]} */
const SETTINGS = [
  { name: 'host', type: 'text', value: 'ADDRESS', fallback: '0.0.0.0', about: 'where to listen', only: 'server' },
  { name: 'port', type: 'integer', min: 0, max: 65535, fallback: '3000', about: '0: any free one', only: 'server' },
  { name: 'nextDir', type: 'text', value: 'DIR', fallback: 'none', about: 'a built Next app; its config counts' },
  {
    ...{ name: 'config', type: 'text', value: 'FILE', fallback: 'none' },
    about: "settings and the `images` part of a Next config as JSON, or a build's required-server-files.json",
  },
  { name: 'fallback', type: 'text', value: 'URL', fallback: 'none', about: 'where relative urls come from' },
  {
    ...{ name: 'fallbackHostHeader', type: 'text', value: 'HOST', fallback: "the URL's" },
    about: 'the Host header of requests to it',
  },
  {
    ...{ name: 'allowedPrivateHosts', type: 'texts', value: 'LIST', fallback: 'none' },
    about: 'private names, addresses and ranges that images may come from: images.internal,10.20.0.0/16',
  },
  {
    ...{ name: 'storage', type: 'text', value: 'WHERE', fallback: 'memory' },
    about: 'what replicas share: memory, filesystem:PATH, redis://…, rediss://… or valkey://…',
  },
  {
    ...{ name: 'storagePrefix', type: 'text', value: 'TEXT', fallback: 'unsharp' },
    about: 'what the keys in Redis begin with',
  },
  {
    ...{ name: 'store', type: 'text', value: 'URL', fallback: 'from the environment, else none' },
    about: 'the bucket for variants: s3://, gs://, az:// or file://',
  },
  {
    ...{ name: 'cacheDir', type: 'text', value: 'DIR', fallback: "the Next app's or the storage's, else none" },
    about: 'the folder for variants on this machine',
  },
  {
    ...{ name: 'memoryBytes', type: 'integer', min: 0, max: MAX, fallback: '67108864' },
    about: 'memory for hot variants, bytes',
  },
  {
    ...{ name: 'timeout', type: 'integer', min: 1, max: MAX_MS, value: 'MS', fallback: '30000' },
    about: 'for a request, waiting and all attempts included; then 504',
  },
  {
    ...{ name: 'maxAttempts', type: 'integer', min: 1, max: 100, fallback: '3' },
    about: 'at one variant, in all replicas together; then 502',
  },
  {
    ...{ name: 'ttl', type: 'integer', min: 1, max: MAX_MS, value: 'MS', fallback: '3600000' },
    about: 'how long a result waits in the storage for other replicas',
  },
  {
    ...{ name: 'concurrency', type: 'integer', min: 1, max: 1024, fallback: 'the CPUs, by quota' },
    about: 'images in work at once',
  },
  {
    ...{ name: 'maxQueue', type: 'integer', min: 0, max: 1_000_000, fallback: '1000' },
    about: 'images that may wait; then 503',
  },
  {
    ...{ name: 'memoryBudget', type: 'integer', min: 1, max: MAX, value: 'BYTES', fallback: '536870912' },
    about: 'for decoded pixels of all images in work',
  },
  {
    ...{ name: 'avifSoon', type: 'boolean', fallback: 'off', only: 'server' },
    about: 'WebP until AVIF is made, for clients that take both',
  },
  {
    ...{ name: 'maxConnections', type: 'integer', min: 1, max: 1_000_000, fallback: '10000', only: 'server' },
    about: 'open at once; more wait in line',
  },
  {
    ...{ name: 'idleTimeout', type: 'integer', min: 1, max: MAX_MS, value: 'MS', fallback: '75000', only: 'server' },
    about: 'for the head of the next request, and for a client that takes nothing of its answer',
  },
  {
    ...{ name: 'shutdownGrace', type: 'integer', min: 0, max: MAX_MS, value: 'MS', fallback: '25000' },
    about: 'to finish in after SIGTERM',
  },
  {
    ...{ name: 'logLevel', type: ['silent', 'error', 'warn', 'info', 'debug'], fallback: 'warn' },
    about: 'what is told on standard error',
  },
  { name: 'logFormat', type: ['text', 'json'], fallback: 'text', about: 'how it looks' },
  {
    ...{ name: 'accessLog', type: 'boolean', fallback: 'off', only: 'server' },
    about: 'a line of JSON for every request on standard output',
  },
  {
    ...{ name: 'serverTiming', type: 'boolean', fallback: 'off', only: 'server' },
    about: 'Server-Timing with every image',
  },
]

/** The parts of a Next config that the file may hold beside the settings. */
const NEXT_CONFIG = [
  ...['images', 'basePath', 'assetPrefix', 'trailingSlash', 'skipTrailingSlashRedirect', 'distDir'],
  ...['compress', 'generateEtags', 'output', 'cacheHandler', 'experimental'],
]

/** @param {string} name @returns {string} such as `--max-queue` */
const flagOf = (name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** @param {string} name @returns {string} such as `UNSHARP_MAX_QUEUE` */
const variableOf = (name) => `UNSHARP_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`

/**
 * One value, checked.
 *
 * @param {Setting} setting
 * @param {unknown} value
 * @param {string} label where it came from
 * @returns {string | number | boolean | string[]}
 */
function check({ type, min = 0, max = MAX }, value, label) {
  if (type === 'texts') return texts(label, value) ?? []
  if (type === 'text') {
    if (typeof value === 'string' && value !== '') return value
    throw invalidOption(`${label} must be a text that is not empty, not ${show(value)}`)
  }
  if (type === 'integer') {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    const range = max === MAX ? `of at least ${min}` : `from ${min} to ${max}`
    throw invalidOption(`${label} must be an integer ${range}, not ${show(value)}`)
  }
  if (type === 'boolean') {
    if (typeof value === 'boolean') return value
    throw invalidOption(`${label} must be true or false, not ${show(value)}`)
  }
  if (typeof value === 'string' && type.includes(value)) return value
  throw invalidOption(`${label} must be one of ${type.join(', ')}, not ${show(value)}`)
}

/**
 * The same for a value that came as text: numbers and truth values are read first.
 *
 * @param {Setting} setting
 * @param {string} text
 * @param {string} label
 */
function read(setting, text, label) {
  if (setting.type === 'integer') return check(setting, /^\d{1,16}$/.test(text) ? Number(text) : text, label)
  if (setting.type === 'texts') return check(setting, text.split(/\s*,\s*/), label)
  if (setting.type !== 'boolean') return check(setting, text, label)
  const value = new Map([
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ]).get(text)
  return check(setting, value ?? text, label)
}

/** @typedef {Record<string, string | number | boolean | string[]>} Settings by name */

/** @param {NodeJS.ProcessEnv} env @returns {Settings} */
function fromEnvironment(env) {
  /** @type {Settings} */
  const found = {}
  for (const setting of SETTINGS) {
    const text = env[variableOf(setting.name)]
    // The bucket is looked for in more variables than this one, where the bucket is opened. A variable that is set to
    // nothing, as Compose files do, is not set.
    if (text && setting.name !== 'store') found[setting.name] = read(setting, text, variableOf(setting.name))
  }
  return found
}

/** @param {Record<string, string | undefined>} flags by name @returns {Settings} */
function fromFlags(flags) {
  /** @type {Settings} */
  const found = {}
  for (const setting of SETTINGS) {
    const text = flags[setting.name]
    if (text !== undefined) found[setting.name] = read(setting, text, flagOf(setting.name))
  }
  return found
}

/** @param {Record<string, unknown>} given @returns {Settings} */
function fromOptions(given) {
  /** @type {Settings} */
  const found = {}
  for (const setting of SETTINGS) {
    const value = given[setting.name]
    if (value !== undefined) found[setting.name] = check(setting, value, setting.name)
  }
  return found
}

/**
 * @param {string} file
 * @returns {{ settings: Settings, nextConfig?: Record<string, unknown>, manifest?: string }}
 */
function fromFile(file) {
  const label = `config ${file}`
  const value = parse(file, label)
  if (typeof value.version === 'number' && typeof value.config === 'object') {
    return { settings: {}, manifest: path.resolve(file) }
  }
  if (typeof value.version === 'number' && typeof value.images === 'object') {
    throw invalidOption(
      `${label} holds patterns that the build has compiled; give required-server-files.json, or --next-dir`,
    )
  }
  const known = [...SETTINGS.map(({ name }) => name), ...NEXT_CONFIG]
  for (const name of Object.keys(value)) {
    if (!known.includes(name) || name === 'config') throw invalidOption(`${label} has no setting ${show(name)}`)
  }
  /** @type {Settings} */
  const settings = {}
  for (const setting of SETTINGS) {
    const given = value[setting.name]
    if (given !== undefined) settings[setting.name] = check(setting, given, `${setting.name} in ${label}`)
  }
  const parts = NEXT_CONFIG.filter((name) => value[name] !== undefined)
  if (parts.length === 0) return { settings }
  return { settings, nextConfig: Object.fromEntries(parts.map((name) => [name, value[name]])) }
}

/** @param {string} file @param {string} label */
function parse(file, label) {
  let text
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalidOption(`${label} can't be read: ${/** @type {Error} */ (cause).message}`, cause)
  }
  try {
    return object(label, JSON.parse(text))
  } catch (cause) {
    throw invalidOption(`${label} is no JSON object: ${/** @type {Error} */ (cause).message}`, cause)
  }
}

/**
 * Options or flags, over the environment, over the file.
 *
 * @param {Settings} given
 * @param {NodeJS.ProcessEnv} env
 * @param {boolean} hasNextConfig whether the caller brings a Next config of its own
 */
function resolve(given, env, hasNextConfig) {
  const outer = { ...fromEnvironment(env), ...given }
  const { config } = outer
  /** @type {ReturnType<typeof fromFile>} */
  const file = typeof config === 'string' ? fromFile(config) : { settings: {} }
  const settings = { ...file.settings, ...outer }
  const sources = [hasNextConfig, settings.nextDir, file.nextConfig, file.manifest].filter(Boolean)
  if (sources.length > 1) {
    throw invalidOption(
      `there is more than one Next config: give one of nextDir, nextConfig and a config file with one`,
    )
  }
  return { settings, nextConfig: file.nextConfig, manifest: file.manifest }
}

module.exports = { SETTINGS, flagOf, fromFlags, fromOptions, resolve, variableOf }
