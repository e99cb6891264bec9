// @ts-check
'use strict'

const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { fileURLToPath } = require('node:url')
const { invalidOption } = require('./errors.js')

const OURS = path.join(__dirname, 'cache-handler.js')

/** Beside what other tools keep there; it is in nobody's repository. */
const MADE = path.join('node_modules', '.cache', 'unsharp')

/**
 * The module to name as `cacheHandler`. Where the user has one, that is a small module which names both: a standalone
 * server knows nothing of next.config, and what it has to load must stand literally in a file for the tracer to find.
 *
 * @param {unknown} theirs the user's `cacheHandler`
 * @param {boolean} keepsImages whether images are kept by ours
 * @returns {string | undefined} undefined where that module can't be written
 */
function handlerOf(theirs, keepsImages) {
  if (theirs === undefined || theirs === null) return OURS
  if (typeof theirs !== 'string') throw invalidOption('cacheHandler of next.config must be the path of a module')
  const handler = fs.realpathSync(theirs.startsWith('file:') ? fileURLToPath(theirs) : theirs)
  if (isOurs(handler)) return theirs

  const folder = path.join(packageFolder(handler), MADE)
  const from = (/** @type {string} */ file) => JSON.stringify(path.relative(folder, file).split(path.sep).join('/'))
  const source = `// Written by withUnsharp() of unsharp. It puts unsharp before the cacheHandler of next.config.
if (process.env.NEXT_RUNTIME === 'edge') {
  module.exports = require(${from(handler)})
} else {
  module.exports = require(${from(OURS)}).delegateTo(() => import(${from(handler)}), { images: ${keepsImages} })
}
`
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
