// @ts-check
'use strict'

const { UnsharpError, callSite } = require('./lib/errors.js')
const native = require('./lib/native.js')

/** Read at the first call, as is all that loading the package can do without. */
const options = () => require('./lib/options.js')

/** @typedef {import('./index.d.ts').OptimizeResult} OptimizeResult */
/** @typedef {import('./index.d.ts').Metadata} Metadata */

// The generated declarations know a format as a string only; the casts below name the set that the addon uses.

/** @type {typeof import('./index.d.ts').optimize} */
async function optimize(input, given) {
  const failure = callSite(optimize)
  const { abortSignal, imageBytes, optimizeOptions } = options()
  const bytes = imageBytes(input)
  const wanted = optimizeOptions(given)
  const signal = abortSignal(given.signal)
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
  const { imageBytes, limits, object, refuseUnknown } = options()
  const bytes = imageBytes(input)
  const wanted = object('options', given)
  refuseUnknown(wanted, 'metadata()', ['limits'])
  const header = await native.metadata(bytes, limits(wanted.limits)).catch(rethrow(failure))
  return /** @type {Metadata} */ (header)
}

/** @param {(cause: unknown) => Error} failure @returns {(cause: unknown) => never} */
function rethrow(failure) {
  return (cause) => {
    throw failure(cause)
  }
}

// Nobody needs all of the following, and most who load the package none: the files of each are read at its first call.

/** @type {typeof import('./index.d.ts').createImageHandler} */
async function createImageHandler(options) {
  return require('./lib/handler.js').createImageHandler(options)
}

/** @type {typeof import('./index.d.ts').createOptimizer} */
async function createOptimizer(options) {
  return require('./lib/serve.js').createOptimizer(options)
}

/** @type {typeof import('./index.d.ts').serve} */
async function serve(options) {
  return require('./lib/serve.js').serve(options)
}

/** @type {typeof import('./index.d.ts').cacheRestore} */
async function cacheRestore(given) {
  return require('./lib/cache-sync.js').cacheRestore(given)
}

/** @type {typeof import('./index.d.ts').cacheWatch} */
async function cacheWatch(given) {
  return require('./lib/cache-sync.js').cacheWatch(given)
}

/** @type {typeof import('./index.d.ts').startCacheSync} */
function startCacheSync(given) {
  return require('./lib/cache-sync.js').startCacheSync(given)
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
