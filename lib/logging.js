// @ts-check
'use strict'

const { invalidOption } = require('./errors.js')
const { object, oneOf } = require('./options.js')

/** @typedef {import('../index.d.ts').Logger} Logger */
/** @typedef {(level: string, event: string, message: string, fields: string) => void} Log */

const METHODS = ['error', 'warn', 'info', 'debug']
const LEVELS = ['silent', ...METHODS]

/** The options that say what is logged and where. */
const LOG_OPTIONS = ['logger', 'logLevel', 'logFormat']

/** What the addon has to know of them. @param {Record<string, unknown>} options */
function logOptions(options) {
  return {
    logLevel: oneOf('logLevel', options.logLevel, LEVELS),
    logFormat: oneOf('logFormat', options.logFormat, ['text', 'json']),
  }
}

/** The user's logger as the addon calls it. @param {unknown} value @returns {Log | undefined} */
function logger(value) {
  if (value === undefined) return undefined
  const given = /** @type {Logger & Record<string, unknown>} */ (object('logger', value))
  for (const level of METHODS) {
    if (typeof given[level] !== 'function') throw invalidOption(`logger must have a method ${level}(message, fields)`)
  }
  return (level, event, message, fields) => {
    try {
      /** @type {Logger} */
      given[/** @type {keyof Logger} */ (level)](message, { event, ...JSON.parse(fields) })
    } catch (cause) {
      // Thrown on, it would end the process in place of a line in the log.
      console.error(`unsharp: the logger failed on ${event}: ${message}`, cause)
    }
  }
}

module.exports = { LOG_OPTIONS, logOptions, logger }
