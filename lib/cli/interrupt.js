// @ts-check
'use strict'

/** What a shell makes of an end by that signal. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 }

/**
 * Aborts at the first SIGINT or SIGTERM, so that what has begun ends cleanly; the second one ends the process.
 *
 * @template Result
 * @param {(signal: AbortSignal) => Promise<Result>} work
 * @returns {Promise<{ result: Result } | { exitCode: number }>}
 */
async function interruptible(work) {
  const controller = new AbortController()
  let exitCode = 0
  const listeners = Object.entries(EXIT_CODES).map(([name, code]) => {
    const listener = () => {
      exitCode = code
      controller.abort()
    }
    process.once(name, listener)
    return () => process.off(name, listener)
  })
  try {
    return { result: await work(controller.signal) }
  } catch (cause) {
    if (controller.signal.aborted) return { exitCode }
    throw cause
  } finally {
    for (const remove of listeners) remove()
  }
}

module.exports = { interruptible }
