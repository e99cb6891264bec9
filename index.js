// @ts-check
'use strict'

const { cacheRestore, cacheWatch, startCacheSync } = require('./lib/cache-sync.js')
const { UnsharpError, callSite } = require('./lib/errors.js')
const { createImageHandler } = require('./lib/handler.js')
const native = require('./lib/native.js')
const options = require('./lib/options.js')
const { createOptimizer, serve } = require('./lib/serve.js')

/** @typedef {import('./index.d.ts').OptimizeResult} OptimizeResult */
/** @typedef {import('./index.d.ts').Metadata} Metadata */

// The generated declarations know a format as a string only; the casts below name the set that the addon uses.

/** @type {typeof import('./index.d.ts').optimize} */
async function optimize(input, given) {
  const failure = callSite(optimize)
  const bytes = options.imageBytes(input)
  const wanted = options.optimizeOptions(given)
  const signal = options.abortSignal(given.signal)
  if (signal === undefined) {
    const result = await native.optimize(bytes, wanted).catch(rethrow(failure))
    return /** @type {OptimizeResult} */ (result)
  }
  signal.throwIfAborted()

  const cancel = new native.Cancel()
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel.cancel()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    native
      .optimize(bytes, wanted, cancel)
      .then(
        (result) => resolve(/** @type {OptimizeResult} */ (result)),
        (cause) => reject(failure(cause)),
      )
      // A signal that outlives the call, as a server's shutdown signal does, must not collect listeners.
      .finally(() => signal.removeEventListener('abort', abort))
  })
}

/** @type {typeof import('./index.d.ts').metadata} */
async function metadata(input, given) {
  const failure = callSite(metadata)
  const bytes = options.imageBytes(input)
  const wanted = options.object('options', given)
  options.refuseUnknown(wanted, 'metadata()', ['limits'])
  const header = await native.metadata(bytes, options.limits(wanted.limits)).catch(rethrow(failure))
  return /** @type {Metadata} */ (header)
}

/** @param {(cause: unknown) => Error} failure @returns {(cause: unknown) => never} */
function rethrow(failure) {
  return (cause) => {
    throw failure(cause)
  }
}

module.exports = {
  UnsharpError,
  cacheRestore,
  cacheWatch,
  createImageHandler,
  createOptimizer,
  metadata,
  optimize,
  serve,
  startCacheSync,
}
