// @ts-check
'use strict'

// What is not in the bucket when the process ends is pushed then, without taking the end out of the app's hands.
//
// At SIGTERM everything is flushed. Where nobody else listens to that signal, it is raised again afterwards, so that
// the process ends as it would have; where somebody does (Next does), that one decides. Whoever calls process.exit()
// loses nothing either: what is left is pushed while the process exits, within what is left of the time.

/**
 * @typedef {object} Flusher
 * @property {(budgetMs: number) => Promise<unknown>} flush
 * @property {(budgetMs: number) => void} flushBlocking for the moment when promises are no longer awaited
 */

/** Below the 30 s that Kubernetes waits, and below the 10 s of others. */
const BUDGET_MS = 5000

/** One per process, however many copies of this file are loaded: each would take another's listener for the app's. */
const SHARED = Symbol.for('unsharp.shutdown')

/** @returns {{ flushers: Set<Flusher>, unlisten?: () => void }} */
function shared() {
  const all = /** @type {Record<symbol, { flushers: Set<Flusher> }>} */ (/** @type {unknown} */ (globalThis))
  all[SHARED] ??= { flushers: new Set() }
  return all[SHARED]
}

/**
 * @param {Flusher} flusher
 * @returns {() => void} takes it away again
 */
function flushAtExit(flusher) {
  const state = shared()
  if (state.flushers.size === 0) state.unlisten = listen(state.flushers)
  state.flushers.add(flusher)
  return () => {
    if (state.flushers.delete(flusher) && state.flushers.size === 0) state.unlisten?.()
  }
}

/** @param {Set<Flusher>} all @returns {() => void} */
function listen(all) {
  /** @type {number | undefined} when the end began, in milliseconds of a clock that nobody sets */
  let endingSince
  let isAlone = false

  const raiseAgain = () => {
    process.off('SIGTERM', onSigterm)
    process.kill(process.pid, 'SIGTERM')
  }
  const onSigterm = async () => {
    if (endingSince !== undefined) {
      // Who sends it twice does not want to wait.
      if (isAlone) raiseAgain()
      return
    }
    endingSince = performance.now()
    // This listener is the first, and listeners for one time have not gone yet.
    isAlone = process.listenerCount('SIGTERM') === 1
    await Promise.allSettled([...all].map((flusher) => flusher.flush(BUDGET_MS)))
    if (isAlone) raiseAgain()
  }
  const onExit = () => {
    endingSince ??= performance.now()
    // All have their own threads at work, so it does not matter who is waited for first.
    for (const flusher of all) flusher.flushBlocking(Math.max(0, endingSince + BUDGET_MS - performance.now()))
  }
  process.prependListener('SIGTERM', onSigterm)
  process.on('exit', onExit)
  return () => {
    process.off('SIGTERM', onSigterm)
    process.off('exit', onExit)
  }
}

/** Whether anything in this process puts variants into a bucket. */
const isAnyBucketOpen = () => shared().flushers.size > 0

module.exports = { BUDGET_MS, flushAtExit, isAnyBucketOpen }
