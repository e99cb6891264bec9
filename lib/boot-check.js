// @ts-check
'use strict'

// Without a working sharp Next serves every image as it came, and says nothing. So a server that is meant to have
// unsharp for its sharp looks once whether that is so, as soon as it listens; and a standalone build, at its end,
// whether its server will.

const diagnostics = require('node:diagnostics_channel')
const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { isOurs } = require('./compose-handler.js')
const { SHARP } = require('./hook.js')
const { isAnyBucketOpen } = require('./shutdown.js')
const { runningNext } = require('./running-next.js')

/** The second is for a Node whose experimental first one has gone. */
const SERVER_EVENTS = ['tracing:net.server.listen:asyncEnd', 'http.server.request.start']

/** So long after a server listens nothing else waits for this process to start. */
const DELAY_MS = 1000

/** Checks soon after this process listens. A build never gets there, and loads no addon. */
function scheduleBootCheck() {
  if (isBuild() || !isFirst('unsharp.bootCheck')) return

  const start = () => {
    for (const event of SERVER_EVENTS) diagnostics.unsubscribe(event, start)
    setTimeout(report, DELAY_MS).unref()
  }
  // Next 16 listens first and evaluates next.config then.
  if (process.getActiveResourcesInfo().includes('TCPServerWrap')) start()
  else for (const event of SERVER_EVENTS) diagnostics.subscribe(event, start)
}

/** Once per process, however many copies of this file are loaded. @param {string} name */
function isFirst(name) {
  const shared = /** @type {Record<symbol, boolean>} */ (/** @type {unknown} */ (globalThis))
  const before = shared[Symbol.for(name)]
  shared[Symbol.for(name)] = true
  return !before
}

/** Next sets both for its build, the second one in its workers. */
function isBuild() {
  return process.env.NEXT_PHASE === 'phase-production-build' || process.env.IS_NEXT_WORKER === 'true'
}

/**
 * Says so when a standalone build ends whose server will not load unsharp: a wrapper around withUnsharp() may have set
 * a cacheHandler of its own in place of ours.
 *
 * @param {string} [distDir]
 */
function scheduleBuildCheck(distDir = '.next') {
  if (!process.argv.includes('build') || process.env.IS_NEXT_WORKER || !isFirst('unsharp.buildCheck')) return
  const folder = path.resolve(distDir)
  process.once('exit', (code) => {
    const record = path.join(folder, 'required-server-files.json')
    if (code !== 0 || !fs.existsSync(record)) return
    const { cacheHandler } = JSON.parse(fs.readFileSync(record, 'utf8')).config
    if (cacheHandler && isOurs(fs.realpathSync(path.resolve(folder, cacheHandler)))) return
    console.error(
      '\nunsharp: the standalone server will NOT optimize images, because cacheHandler was replaced after withUnsharp().\n' +
        'Fix: make withUnsharp() the outermost wrapper in next.config.\n',
    )
  })
}

function report() {
  if (isBuild()) return
  const failure = findFailure()
  if (failure) {
    console.error(
      `\nunsharp: images are NOT optimized by unsharp. ${failure}\n` +
        'Until this is fixed, Next serves them as they are, unresized, or through another sharp.\n',
    )
  } else if (isBucketForgotten()) {
    console.warn(
      'unsharp: UNSHARP_STORE names a bucket, but nothing in this server uses it: what is made here ends with this machine. ' +
        'Fix: withUnsharp(nextConfig, { cacheHandler: true }) with Next 16.2 or later, or startCacheSync() in ' +
        'instrumentation.ts; withUnsharp(nextConfig, { store: false }) says that none is wanted.',
    )
  }
}

/** What withUnsharp() has found out about this process, for all copies of this file. */
const IMAGES_KEPT = Symbol.for('unsharp.imagesKept')

/**
 * Says whether images are kept where the bucket is looked for, or whether it is known that no bucket is wanted.
 *
 * @param {boolean} isSo
 */
function noteImagesKept(isSo) {
  const shared = /** @type {Record<symbol, boolean>} */ (/** @type {unknown} */ (globalThis))
  shared[IMAGES_KEPT] = isSo
}

/** The environment names a bucket, and neither a handler nor a sync has opened it, nor will with the first image. */
function isBucketForgotten() {
  if (!process.env.UNSHARP_STORE?.trim() || !runningNext() || isAnyBucketOpen()) return false
  const shared = /** @type {Record<symbol, boolean | undefined>} */ (/** @type {unknown} */ (globalThis))
  const { __NEXT_PRIVATE_STANDALONE_CONFIG: standalone } = process.env
  if (standalone) return !JSON.parse(standalone).images?.customCacheHandler
  // A server whose next.config says nothing of us may still name our handler.
  return !(shared[IMAGES_KEPT] ?? Object.keys(require.cache).includes(path.join(__dirname, 'next-cache.js')))
}

/** @returns {string | undefined} what is wrong, and how to put it right */
function findFailure() {
  const dist = runningNext()
  if (!dist) return undefined
  try {
    const found = createRequire(path.join(dist, 'server/image-optimizer.js')).resolve('sharp')
    if (found !== SHARP) {
      return (
        `Next's require('sharp') leads to ${found}, because something replaced Node's module resolution after ` +
        "unsharp hooked into it. Fix: load what does that earlier, or start Node with '-r unsharp/register' as the last -r."
      )
    }
  } catch (cause) {
    return `Next's require('sharp') fails: ${cause instanceof Error ? cause.message : cause}`
  }
  try {
    require('./sharp.js')
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  }
  return undefined
}

module.exports = { noteImagesKept, scheduleBootCheck, scheduleBuildCheck }
