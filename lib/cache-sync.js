// @ts-check
'use strict'

const path = require('node:path')
const { diskLimit } = require('./build-record.js')
const { rootCertificates } = require('./certificates.js')
const { callSite } = require('./errors.js')
const { LOG_OPTIONS, logOptions, logger } = require('./logging.js')
const native = require('./native.js')
const { abortSignal, bool, callback, integer, object, refuseUnknown, text } = require('./options.js')
const { BUDGET_MS, flushAtExit } = require('./shutdown.js')

/** @typedef {import('../index.d.ts').CacheSyncOptions} CacheSyncOptions */
/** @typedef {import('../index.d.ts').RestoreReport} RestoreReport */
/** @typedef {import('../index.d.ts').CacheWatcher} CacheWatcher */
/** @typedef {import('../index.d.ts').CacheSync} CacheSync */
/** @typedef {import('../native.d.cts').NativeCacheSync} Native */

/** As long as a time can be, milliseconds. */
const MAX_MS = 0xffffffff

/** How often a push tells how far it has come, milliseconds. */
const PROGRESS_MS = 100

/** What a restore without a bucket comes to. */
const NOTHING = { restored: 0, skipped: 0, failed: 0, bytes: 0, ms: 0 }

const KNOWN = [
  ...['store', 'dir', 'concurrency', 'maxBytes', 'deadlineMs', 'removeRemote', 'signal', 'onProgress'],
  ...LOG_OPTIONS,
]

/** One per process, however many copies of this file are loaded: a bundle of instrumentation.ts may hold another. */
const RUNNING = Symbol.for('unsharp.cacheSync')

/** @type {typeof import('../index.d.ts').cacheRestore} */
async function cacheRestore(given) {
  const failure = callSite(cacheRestore)
  const options = read('cacheRestore()', given)
  options.signal?.throwIfAborted()
  return restore(open(options, failure), options, false, failure).then(({ restored }) => restored)
}

/** @type {typeof import('../index.d.ts').cacheWatch} */
async function cacheWatch(given) {
  const failure = callSite(cacheWatch)
  const options = read('cacheWatch()', given)
  options.signal?.throwIfAborted()
  const sync = open(options, failure)
  await sync.start({ restore: false, watch: true }).catch(rethrow(failure))
  return watcher(sync, options.signal)
}

/** @type {typeof import('../index.d.ts').startCacheSync} */
function startCacheSync(given) {
  const running = /** @type {Record<symbol, Promise<CacheSync> | undefined>} */ (/** @type {unknown} */ (globalThis))
  if (running[RUNNING]) return running[RUNNING]
  const failure = callSite(startCacheSync)
  const forget = () => {
    if (running[RUNNING] === started) running[RUNNING] = undefined
  }
  const started = start(given, failure, forget)
  running[RUNNING] = started
  started.catch(forget)
  return started
}

/**
 * @param {unknown} given
 * @param {(cause: unknown) => Error} failure
 * @param {() => void} onStop
 * @returns {Promise<CacheSync>}
 */
async function start(given, failure, onStop) {
  const options = read('startCacheSync()', given)
  options.signal?.throwIfAborted()
  const sync = open(options, failure)
  const { restored } = await restore(sync, options, true, failure)
  // Nobody has to look at it.
  restored.catch(() => {})
  return { ...watcher(sync, options.signal, onStop), restored }
}

/**
 * Puts what is in the folder into the bucket, for the command line.
 *
 * @param {CacheSyncOptions & { onPush?: (stats: import('../index.d.ts').CacheSyncStats) => void }} given `concurrency` is
 *   that of the uploads
 */
async function cachePush({ onPush, ...given }) {
  const failure = callSite(cachePush)
  const options = read('cachePush()', given)
  const { concurrency, deadlineMs = MAX_MS, signal } = options
  const sync = open({ ...options, pushConcurrency: concurrency, pushesAll: true }, failure)
  const began = performance.now()
  const ticks = setInterval(() => onPush?.(sync.stats()), PROGRESS_MS)
  const aborted = new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  const push = async () => {
    await sync.start({ restore: false, watch: true })
    // Then it is known what the bucket has.
    await sync.restored()
    return sync.flush(Math.max(0, deadlineMs - (performance.now() - began)))
  }
  try {
    const isDone = await Promise.race([push().catch(rethrow(failure)), aborted])
    const { pushed, failed, bytes, queued } = sync.stats()
    return { pushed, failed, left: queued, bytes, ms: Math.round(performance.now() - began), isDone }
  } finally {
    clearInterval(ticks)
    await sync.stop(0)
  }
}

/**
 * The variants in the bucket, page by page, for the command line.
 *
 * @param {{ store?: string | undefined }} given
 */
async function* cacheList(given) {
  const failure = callSite(cacheList)
  const listing = open(read('cacheList()', given), failure).list()
  while (true) {
    const page = await listing.next().catch(rethrow(failure))
    if (page.length === 0) return
    yield page
  }
}

/** @param {string} where @param {unknown} given */
function read(where, given) {
  const options = object('options', given)
  refuseUnknown(options, where, KNOWN)
  return {
    store: text('store', options.store),
    dir: text('dir', options.dir),
    concurrency: integer('concurrency', options.concurrency, 1, 1024),
    maxBytes: integer('maxBytes', options.maxBytes, 0, Number.MAX_SAFE_INTEGER),
    deadlineMs: integer('deadlineMs', options.deadlineMs, 0, MAX_MS),
    removeRemote: bool('removeRemote', options.removeRemote),
    signal: abortSignal(options.signal),
    onProgress: /** @type {CacheSyncOptions['onProgress']} */ (callback('onProgress', options.onProgress)),
    log: logger(options.logger),
    ...logOptions(options),
  }
}

/** @typedef {ReturnType<typeof read>} Options */

/** @param {Options & { pushConcurrency?: number | undefined, pushesAll?: boolean }} options @param {(cause: unknown) => Error} failure @returns {Native} */
function open({ store, dir, removeRemote, pushConcurrency, pushesAll, log, logLevel, logFormat }, failure) {
  const folder = path.resolve(dir ?? (process.env.IMAGE_CACHE_DIR || '.next/cache/images'))
  try {
    return new native.NativeCacheSync(
      {
        ...{ store, dir: folder, limitBytes: diskLimit(folder), pushConcurrency, pushesAll, removeRemote },
        ...{ caCerts: rootCertificates(), logLevel, logFormat },
      },
      log,
    )
  } catch (cause) {
    throw failure(cause)
  }
}

/**
 * @param {Native} sync
 * @param {Options} options
 * @param {boolean} watch whether the folder is watched as well, which begins first
 * @param {(cause: unknown) => Error} failure
 * @returns {Promise<{ restored: Promise<RestoreReport> }>}
 */
async function restore(sync, { concurrency, maxBytes, deadlineMs, signal, onProgress }, watch, failure) {
  const tell =
    onProgress &&
    ((/** @type {import('../index.d.ts').RestoreProgress} */ progress) => {
      try {
        onProgress(progress)
      } catch (cause) {
        // Thrown on, it would end the process.
        console.error('unsharp: onProgress failed', cause)
      }
    })
  const cancel = () => sync.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  await sync.start({ restore: true, watch, concurrency, maxBytes, deadlineMs }, tell).catch(rethrow(failure))
  const ended = async () => {
    try {
      const report = await sync.restored().catch(rethrow(failure))
      // The last of the progress, which may have been told already but not heard.
      await new Promise((resolve) => setImmediate(resolve))
      signal?.throwIfAborted()
      return /** @type {RestoreReport} */ (report ?? { ...NOTHING })
    } finally {
      // A signal that outlives the call, as a server's shutdown signal does, must not collect listeners.
      signal?.removeEventListener('abort', cancel)
    }
  }
  const restored = ended()
  return { restored }
}

/**
 * @param {Native} sync
 * @param {AbortSignal | undefined} signal
 * @param {() => void} [onStop]
 * @returns {CacheWatcher}
 */
function watcher(sync, signal, onStop = () => {}) {
  const forget = flushAtExit(sync)
  /** @type {Promise<boolean> | undefined} */
  let stopped
  const stop = (timeoutMs = BUDGET_MS) => {
    const budgetMs = budget(timeoutMs)
    signal?.removeEventListener('abort', onAbort)
    onStop()
    stopped ??= sync.stop(budgetMs).finally(forget)
    return stopped
  }
  const onAbort = () => void stop()
  signal?.addEventListener('abort', onAbort, { once: true })
  return {
    flush: async (timeoutMs = BUDGET_MS) => sync.flush(budget(timeoutMs)),
    stop: async (timeoutMs) => stop(timeoutMs),
    stats: () => sync.stats(),
  }
}

/** @param {unknown} timeoutMs */
function budget(timeoutMs) {
  return /** @type {number} */ (integer('timeoutMs', timeoutMs, 0, MAX_MS))
}

/** @param {(cause: unknown) => Error} failure @returns {(cause: unknown) => never} */
function rethrow(failure) {
  return (cause) => {
    throw failure(cause)
  }
}

module.exports = { cacheList, cachePush, cacheRestore, cacheWatch, startCacheSync }
