// @ts-check
'use strict'

const { createRequire } = require('node:module')
const path = require('node:path')

/** The parts of Next that a server or a build has loaded by the time anything of ours runs in it. */
const LOADED = /^(.*[\\/]next[\\/]dist)[\\/](?:server|build|cli|bin|export)[\\/]/

/**
 * The `next/dist` folder of the Next that runs in this process. It is found among the loaded modules: neither the
 * current folder nor the place where unsharp is installed says for sure which Next that is.
 *
 * @returns {string | undefined}
 */
function runningNext() {
  for (const file of Object.keys(require.cache)) {
    const dist = LOADED.exec(file)?.[1]
    if (dist) return dist
  }
  return undefined
}

/** The same, or else the Next of the app in the current folder. @returns {string | undefined} */
function nextDist() {
  try {
    return (
      runningNext() ?? path.join(createRequire(path.resolve('package.json')).resolve('next/package.json'), '../dist')
    )
  } catch {
    return undefined
  }
}

/**
 * @param {string} dist
 * @returns {number} a number that grows with the version: 16002 for 16.2.9
 */
function nextVersion(dist) {
  const { version } = createRequire(path.join(dist, 'index.js'))('../package.json')
  const [major, minor] = version.split('.').map(Number)
  return major * 1000 + minor
}

module.exports = { nextDist, nextVersion, runningNext }
