// @ts-check
'use strict'

// Loads the native addon for this process, or says why there is none and what to do.

const path = require('node:path')
const { PLATFORMS, built, installed } = require('./addons.js')
const { thisPlatform } = require('./platform.js')

/** @typedef {typeof import('../native.d.cts')} Native */

/** @returns {Native} */
function loadNative() {
  const platform = thisPlatform()
  if (!PLATFORMS.includes(platform.name)) throw failure(platform, [], unsupported(platform))
  const causes = []
  // What was built in a checkout comes first: whoever builds an addon wants to see that one.
  for (const find of [built, installed]) {
    const found = find(platform.name)
    if ('addon' in found) return /** @type {Native} */ (found.addon)
    causes.push(found.cause)
  }
  throw failure(platform, causes, missing(platform))
}

/** @param {import('./platform.js').Platform} platform */
function unsupported({ name }) {
  return `There are packages for: ${PLATFORMS.join(', ')}.
Fix: build it in a checkout of unsharp (npm run build) and put the file unsharp.${name}.node beside its index.js`
}

/**
 * npm leaves an optional dependency out when the lock was written, or node_modules made, on another platform, and
 * with --omit=optional. Its flags make it look at this one.
 *
 * @param {import('./platform.js').Platform} platform
 */
function missing({ name, os, cpu, libc }) {
  const wanted = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])].join(' ')
  // pnpm keeps packages in a folder of its own, and npm would take apart what it made.
  const install = __dirname.split(path.sep).includes('.pnpm') ? 'pnpm add' : 'npm install'
  return `Looked for the package unsharp-${name}, and for unsharp.${name}.node in ${path.dirname(__dirname)}.
Fix: ${install} ${wanted} unsharp`
}

/**
 * @param {import('./platform.js').Platform} platform
 * @param {unknown[]} causes
 * @param {string} advice
 */
function failure({ name, libc }, causes, advice) {
  // "Not found" says nothing new; any other failure (a glibc that is too old, say) is the real reason.
  const reasons = causes
    .map((cause) => (cause instanceof Error ? cause : new Error(String(cause))))
    .filter((cause) => !('code' in cause && cause.code === 'MODULE_NOT_FOUND'))
    .map((cause) => `\n  ${cause.message}`)
  const where = `${name} (${libc ? `${libc}, ` : ''}Node ${process.version})`
  const error = new Error(`unsharp has no native addon for ${where}.${reasons.join('')}\n${advice}`, { cause: causes })
  // Next, like many others, takes the first code for a package that is not installed, and everything else for a defect.
  const isMissing = reasons.length === 0
  return Object.assign(error, { code: isMissing ? 'MODULE_NOT_FOUND' : 'ERR_UNSHARP_NO_ADDON' })
}

module.exports = loadNative()
