// @ts-check
'use strict'

const { cachePush } = require('../cache-sync.js')
const { interruptible } = require('./interrupt.js')
const { progress, seconds, size } = require('./progress.js')

/** @param {import('./arguments.js').Options} options @returns {Promise<number>} the exit code */
async function run({ store, dir, concurrency, deadlineMs, json }) {
  const shown = progress('pushing')
  const ended = await interruptible((signal) =>
    cachePush({
      ...{ store, dir, concurrency, deadlineMs, signal },
      onPush({ pushed, failed, bytes }) {
        shown.show({ done: pushed + failed, total: undefined, bytes, text: 'variants' })
      },
    }),
  ).finally(shown.end)
  if ('exitCode' in ended) return ended.exitCode

  const { pushed, failed, left, bytes, ms, isDone } = ended.result
  if (json) console.log(JSON.stringify({ pushed, failed, left, bytes, ms }))
  else {
    console.log(
      `pushed ${pushed} variants (${size(bytes)}) in ${seconds(ms)}; ${failed} failed` +
        `${isDone ? '' : `; stopped at the deadline with at least ${left} left`}`,
    )
  }
  return failed === 0 && isDone ? 0 : 1
}

module.exports = { run }
