// @ts-check
'use strict'

const fs = require('node:fs')
const path = require('node:path')

/**
 * What the build recorded of `images` in next.config. There is no record in `next dev`.
 *
 * @param {string} distDir
 * @returns {{ maximumDiskCacheSize?: number, minimumCacheTTL?: number }}
 */
function imagesConfig(distDir) {
  try {
    return JSON.parse(fs.readFileSync(path.join(distDir, 'required-server-files.json'), 'utf8')).config.images
  } catch {
    return {}
  }
}

/**
 * How many bytes of variants a folder may hold, as far as a build says so: `<distDir>/cache/images`.
 *
 * @param {string} dir
 */
function diskLimit(dir) {
  return imagesConfig(path.resolve(dir, '../..')).maximumDiskCacheSize
}

module.exports = { diskLimit, imagesConfig }
