// @ts-check
'use strict'

const { parseArgs } = require('node:util')

/** @typedef {'restore' | 'push' | 'ls'} Command */
/**
 * @typedef {object} Options
 * @property {string} [store]
 * @property {string} [dir]
 * @property {number} [concurrency]
 * @property {number} [maxBytes]
 * @property {number} [deadlineMs]
 * @property {boolean} [json]
 * @property {boolean} [optional]
 * @property {boolean} [help]
 * @property {boolean} [version]
 */

class UsageError extends Error {}

const FLAGS = {
  store: { type: 'string' },
  dir: { type: 'string' },
  concurrency: { type: 'string' },
  'max-bytes': { type: 'string' },
  deadline: { type: 'string' },
  json: { type: 'boolean' },
  optional: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
}

/** @type {Record<Command | 'unsharp', string[]>} */
const TAKES = {
  unsharp: ['help', 'version'],
  restore: ['store', 'dir', 'concurrency', 'max-bytes', 'deadline', 'json', 'optional', 'help', 'version'],
  push: ['store', 'dir', 'concurrency', 'deadline', 'json', 'help', 'version'],
  ls: ['store', 'json', 'help', 'version'],
}

const STORE_HELP = `  --store URL        s3://bucket/prefix, gs://, az:// or file://; default: from the environment
                     (UNSHARP_STORE, or STORAGE_BUCKET and what goes with it)`
const DIR_HELP = `  --dir FOLDER       the cache; default: IMAGE_CACHE_DIR, else .next/cache/images`
const JSON_HELP = `  --json             one JSON object a line on standard output`

const HELP = {
  unsharp: `unsharp: image variants that outlive the server

  unsharp serve      answer /_next/image as a service of its own
  unsharp restore    bring the bucket's variants into the folder
  unsharp push       put the folder's variants into the bucket
  unsharp ls         list the bucket's variants

  -h, --help         this, or the options of a command: unsharp restore --help
  -v, --version      the version

Exit codes: 0 done, 1 failed, 2 wrong command line, 130 or 143 interrupted.`,

  restore: `unsharp restore: bring the bucket's variants into the folder, the hottest first

${STORE_HELP}
${DIR_HELP}
  --max-bytes N      stop after so many bytes: 500000000, 500MB or 512Mi; default: half of the free space
  --deadline T       stop after so long: 30, 30s, 500ms or 2m; default: none
  --concurrency N    downloads at once, 1 to 1024; default: 256
  --optional         exit with 0 even when the bucket or the folder fails, for init containers
${JSON_HELP}

What the folder has as new stays. Without a bucket nothing is done.`,

  push: `unsharp push: put the folder's variants into the bucket

${STORE_HELP}
${DIR_HELP}
  --deadline T       stop after so long: 30, 30s, 500ms or 2m; default: none
  --concurrency N    uploads at once, 1 to 1024; default: 8
${JSON_HELP}

What the bucket has as new stays. Without a bucket nothing is done.`,

  ls: `unsharp ls: list the bucket's variants, in the order in which the bucket tells them

${STORE_HELP}
${JSON_HELP}`,
}

/** @param {string[]} argv @returns {{ command: Command | undefined, options: Options }} */
function readArguments(argv) {
  const { positionals, values } = parse(argv)
  const [command, ...rest] = positionals
  if (command !== undefined && (command === 'unsharp' || !Object.hasOwn(TAKES, command))) {
    throw new UsageError(`there is no command ${JSON.stringify(command)}`)
  }
  if (rest.length > 0) throw new UsageError(`${JSON.stringify(rest[0])} is one argument too many`)
  const known = /** @type {Command | undefined} */ (command)
  for (const flag of Object.keys(values)) {
    if (!TAKES[known ?? 'unsharp'].includes(flag)) {
      throw new UsageError(known ? `unsharp ${known} has no --${flag}` : `--${flag} needs a command`)
    }
  }
  const { store, dir, json, optional, help, version } = values
  for (const [name, value] of Object.entries({ store, dir })) {
    if (value === '') throw new UsageError(`--${name} is empty`)
  }
  return {
    command: known,
    options: {
      ...{ store, dir, json, optional, help, version },
      concurrency: count('--concurrency', values.concurrency),
      maxBytes: bytes('--max-bytes', values['max-bytes']),
      deadlineMs: duration('--deadline', values.deadline),
    },
  }
}

/**
 * @param {string[]} argv
 * @returns {{ positionals: string[], values: Record<string, any> }}
 */
function parse(argv) {
  try {
    return parseArgs({ args: argv, options: /** @type {any} */ (FLAGS), allowPositionals: true })
  } catch (cause) {
    // Node's texts end with advice on arguments that begin with a dash.
    const [text = ''] = (cause instanceof Error ? cause.message : String(cause)).split(/\. (?:To specify|Did you)|\n/)
    throw new UsageError(text)
  }
}

/** @param {string} flag @param {string | undefined} value */
function count(flag, value) {
  if (value === undefined) return undefined
  const number = /^\d{1,4}$/.test(value) ? Number(value) : 0
  if (number < 1 || number > 1024) throw new UsageError(`${flag} must be a number from 1 to 1024, not ${value}`)
  return number
}

/** @type {Record<string, number>} as Kubernetes and as people write them */
const BYTES = { '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, k: 1e3, m: 1e6, g: 1e9 }
Object.assign(BYTES, { ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 })

/** @type {Record<string, number>} */
const MILLISECONDS = { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000 }

/** @param {string} flag @param {string | undefined} value */
function bytes(flag, value) {
  return measure(value, BYTES, Number.MAX_SAFE_INTEGER, `${flag} must be a size such as 500000000, 500MB or 512Mi`)
}

/** @param {string} flag @param {string | undefined} value */
function duration(flag, value) {
  return measure(value, MILLISECONDS, 0xffffffff, `${flag} must be a time such as 30, 30s, 500ms or 2m`)
}

/**
 * @param {string | undefined} value
 * @param {Record<string, number>} units
 * @param {number} most
 * @param {string} rule
 */
function measure(value, units, most, rule) {
  if (value === undefined) return undefined
  const [, number = '', unit = ''] = /^(\d{1,16}(?:\.\d{1,6})?)([a-z]*)$/i.exec(value) ?? []
  const factor = units[unit.toLowerCase()]
  const measured = factor === undefined || number === '' ? Number.NaN : Math.round(Number(number) * factor)
  if (!(measured <= most)) throw new UsageError(`${rule}, not ${value}`)
  return measured
}

module.exports = { HELP, UsageError, readArguments }
