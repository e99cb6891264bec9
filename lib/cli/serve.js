// @ts-check
'use strict'

// `npx unsharp serve`: starts the service and passes signals on.

const { parseArgs } = require('node:util')
const { UsageError } = require('./arguments.js')
const { SETTINGS, flagOf, fromFlags, variableOf } = require('../service-settings.js')

const HELP = `unsharp serve: answer /_next/image, and nothing else besides /healthz, /readyz and /metrics

${SETTINGS.map(help).join('\n')}

Each can come from the environment too (${flagOf('maxQueue')} as ${variableOf('maxQueue')}) and from the JSON file; a flag counts
before the environment, and that before the file. SIGTERM finishes what runs; SIGINT twice stops at once.`

/** @param {import('../service-settings.js').Setting} setting */
function help({ name, type, value, about, fallback }) {
  const operand = type === 'boolean' ? '' : ` ${Array.isArray(type) ? type.join('|') : (value ?? 'N')}`
  return `  ${`${flagOf(name)}${operand}`.padEnd(34)} ${about} (${fallback})`
}

/** @param {string[]} argv what follows the command @returns {Promise<number>} the exit code */
async function run(argv) {
  const flags = readFlags(argv)
  if (flags.help) {
    console.log(HELP)
    return 0
  }
  // The addon is not needed to say what is wrong with a flag.
  const given = fromFlags(/** @type {Record<string, string | undefined>} */ (flags))
  const stopped = signals()
  const { serve } = require('../serve.js')
  const service = await serve(given)
  console.error(`unsharp: listening on ${service.url}`)
  await stopped
  const done = await service.close()
  if (!done) console.error('unsharp: the time to finish in was over before all was finished')
  // What was not finished is not worth more time.
  process.exit(0)
}

/** Resolves with the first signal; with SIGINT after SIGINT the process ends at once. */
function signals() {
  return new Promise((resolve) => {
    let interrupted = false
    process.on('SIGTERM', resolve)
    process.on('SIGINT', () => {
      if (interrupted) process.exit(130)
      interrupted = true
      resolve(undefined)
    })
  })
}

/** @param {string[]} argv @returns {Record<string, string | boolean | undefined>} by name */
function readFlags(argv) {
  /** @type {Record<string, { type: 'string' | 'boolean', short?: string }>} */
  const options = { help: { type: 'boolean', short: 'h' } }
  for (const { name, type } of SETTINGS) {
    options[flagOf(name).slice(2)] = { type: type === 'boolean' ? 'boolean' : 'string' }
  }
  let values
  try {
    values = parseArgs({ args: argv, options }).values
  } catch (cause) {
    const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split(/\. (?:To specify|Did you)|\n/)
    throw new UsageError(line)
  }
  /** @type {Record<string, string | boolean | undefined>} */
  const flags = { help: Boolean(values.help) }
  for (const { name } of SETTINGS) {
    const value = values[flagOf(name).slice(2)]
    flags[name] = typeof value === 'boolean' ? String(value) : /** @type {string | undefined} */ (value)
  }
  return flags
}

module.exports = { HELP, run }
