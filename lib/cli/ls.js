// @ts-check
'use strict'

const { once } = require('node:events')
const { cacheList } = require('../cache-sync.js')
const { size } = require('./progress.js')

/** @param {import('./arguments.js').Options} options @returns {Promise<number>} the exit code */
async function run({ store, json }) {
  let [count, bytes] = [0, 0]
  for await (const page of cacheList({ store })) {
    count += page.length
    for (const variant of page) bytes += variant.bytes
    const text = page.map((variant) => `${json ? JSON.stringify(variant) : line(variant)}\n`).join('')
    // Whoever reads it may be slower than the bucket.
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }
  if (!json) console.error(`${count} variants, ${size(bytes)}`)
  return 0
}

/** @param {import('../../native.d.cts').NativeListed} variant */
function line({ key, extension, bytes, expiresAtMs, modifiedAtMs }) {
  const state = Date.now() > expiresAtMs ? 'stale since' : 'fresh until'
  return [
    key,
    extension.padEnd(4),
    String(bytes).padStart(9),
    time(modifiedAtMs),
    `${state} ${time(expiresAtMs)}`,
  ].join('  ')
}

/** @param {number} ms */
function time(ms) {
  // Beyond the year 275760 there are no dates.
  return ms <= 8.64e15 ? new Date(ms).toISOString() : 'for ever'
}

module.exports = { run }
