// @ts-check
'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { fileURLToPath } = require('node:url')
const { invalidOption } = require('./errors.js')

const OURS = path.join(__dirname, 'cache-handler.js')

/** Beside what other tools keep there; it is in nobody's repository. */
const MADE = path.join('node_modules', '.cache', 'unsharp')

/**
 * The module to name as `cacheHandler`. Where the user has one, or names a bucket, that is a small module which says so:
 * a standalone server knows nothing of next.config, and what it has to load must stand literally in a file for the
 * tracer to find.
 *
 * @param {unknown} theirs the user's `cacheHandler`
 * @param {boolean} keepsImages whether images are kept by ours
 * @param {string | false} [store] the bucket's url, which holds no secret, or false for none
 * @returns {string | undefined} undefined where that module can't be written
 */
function handlerOf(theirs, keepsImages, store) {
  const hasTheirs = theirs !== undefined && theirs !== null
  if (!hasTheirs && store === undefined) return OURS
  if (hasTheirs && typeof theirs !== 'string')
    throw invalidOption('cacheHandler of next.config must be the path of a module')
  const handler = hasTheirs ? fs.realpathSync(theirs.startsWith('file:') ? fileURLToPath(theirs) : theirs) : undefined
  if (handler !== undefined && isOurs(handler)) return /** @type {string} */ (theirs)

  const folder = path.join(packageFolder(handler ?? path.resolve('next.config.js')), MADE)
  const from = (/** @type {string} */ file) => JSON.stringify(path.relative(folder, file).split(path.sep).join('/'))
  const options = JSON.stringify({ images: keepsImages, store })
  const other = handler === undefined ? 'undefined' : `() => import(${from(handler)})`
  const source = `// Written by withUnsharp() of unsharp. It puts unsharp before the cacheHandler of next.config.
if (process.env.NEXT_RUNTIME === 'edge') {
  module.exports = ${handler === undefined ? '{ __esModule: true, default: undefined }' : `require(${from(handler)})`}
} else {
  module.exports = require(${from(OURS)}).delegateTo(${other}, ${options})
}
`
  // Only here, because it takes a third of the time of `require('unsharp')`.
  const { createHash } = require('node:crypto')
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 16)
  const name = `${keepsImages ? 'images-' : ''}${hash}.cjs`
  return write(folder, name, source)
}

/** Modules of ours that keep images, in the folder where the handler of a custom server has them as well. */
const KEEPS_IMAGES = /[\\/]unsharp[\\/](?:lib[\\/]cache-handler\.js|images-\w+\.cjs)$/

/** @param {string} handler a module's real path */
function isOurs(handler) {
  return handler === OURS || handler.includes(`${path.sep}${MADE}${path.sep}`)
}

/** @param {string} file @returns {string} the folder of the package that the file belongs to */
function packageFolder(file) {
  let folder = path.dirname(file)
  while (!fs.existsSync(path.join(folder, 'package.json'))) {
    const above = path.dirname(folder)
    if (above === folder) return path.dirname(file)
    folder = above
  }
  return folder
}

/**
 * Several processes evaluate next.config at once, so the file appears whole. One that runs only may not write at all.
 *
 * @param {string} folder
 * @param {string} name
 * @param {string} source
 */
function write(folder, name, source) {
  const file = path.join(folder, name)
  if (fs.existsSync(file)) return file
  try {
    fs.mkdirSync(folder, { recursive: true })
    const temporary = `${file}.${process.pid}`
    fs.writeFileSync(temporary, source)
    fs.renameSync(temporary, file)
    return file
  } catch {
    return undefined
  }
}

module.exports = { KEEPS_IMAGES, handlerOf, isOurs }
