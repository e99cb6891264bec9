// @ts-check
'use strict'

const { cacheRestore } = require('../cache-sync.js')
const { interruptible } = require('./interrupt.js')
const { progress, seconds, size } = require('./progress.js')

/** Ends that the command line asked for; after any other, something is wrong. */
const ASKED_FOR = ['maxBytes', 'deadline']

/** @type {Record<string, string>} */
const WHY = {
  maxBytes: 'stopped at the limit of bytes',
  deadline: 'stopped at the deadline',
  disk: 'stopped, because the folder can not be written',
  store: 'stopped, because the bucket can not be read',
}

/** @param {import('./arguments.js').Options} options @returns {Promise<number>} the exit code */
async function run({ store, dir, concurrency, maxBytes, deadlineMs, json, optional }) {
  const shown = progress('restoring')
  const ended = await interruptible((signal) =>
    cacheRestore({
      ...{ store, dir, concurrency, maxBytes, deadlineMs, signal },
      onProgress({ found, isFoundAll, restored, skipped, failed, bytes }) {
        const done = restored + skipped + failed
        shown.show({ done, total: isFoundAll ? found : undefined, bytes, text: 'variants' })
      },
    }),
  ).finally(shown.end)
  if ('exitCode' in ended) return ended.exitCode

  const report = ended.result
  const { restored, skipped, failed, bytes, ms, stopped, reason } = report
  if (json) console.log(JSON.stringify(report))
  else {
    console.log(
      `restored ${restored} variants (${size(bytes)}) in ${seconds(ms)}; ${skipped} were there already, ${failed} failed` +
        `${stopped ? `; ${WHY[stopped]}` : ''}${reason ? `: ${reason}` : ''}`,
    )
  }
  const isDone = failed === 0 && (stopped === undefined || ASKED_FOR.includes(stopped))
  return isDone || optional ? 0 : 1
}

module.exports = { run }
