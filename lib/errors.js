// @ts-check
'use strict'

class UnsharpError extends Error {
  /**
   * @param {string} message
   * @param {{ code: string, status: number, cause?: unknown }} details
   */
  constructor(message, { code, status, cause }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
  }
}
// On the prototype and not per instance: it shows in the stack without being an own, enumerable property.
Object.defineProperty(UnsharpError.prototype, 'name', { value: 'UnsharpError', configurable: true, writable: true })

/**
 * @param {string} message
 * @param {unknown} [cause]
 */
function invalidOption(message, cause) {
  return new UnsharpError(message, { code: 'ERR_UNSHARP_INVALID_OPTION', status: 400, cause })
}

/**
 * Remembers where the caller stands. A rejection that comes from a native thread has no JavaScript frames, so the
 * stack has to be taken before the work starts; it is formatted only when an error needs it.
 *
 * @param {Function} above the public function; frames from it upwards are left out
 * @returns {(cause: unknown) => UnsharpError} turns what the addon rejected with into an UnsharpError
 */
function callSite(above) {
  const trace = {}
  Error.captureStackTrace(trace, above)
  return (cause) => {
    const failure = /** @type {{ message?: unknown, code?: unknown, status?: unknown }} */ (cause ?? {})
    const error = new UnsharpError(typeof failure.message === 'string' ? failure.message : String(cause), {
      code: typeof failure.code === 'string' ? failure.code : 'ERR_UNSHARP_PANIC',
      status: typeof failure.status === 'number' ? failure.status : 500,
    })
    const frames = /** @type {{ stack: string }} */ (trace).stack
    const start = frames.indexOf('\n    at ')
    error.stack = `UnsharpError: ${error.message}${start < 0 ? '' : frames.slice(start)}`
    return error
  }
}

module.exports = { UnsharpError, callSite, invalidOption }
