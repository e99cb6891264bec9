// @ts-check
'use strict'

// Makes `require('sharp')` and `import('sharp')` mean unsharp, when it is Next that asks. Whatever else in the process
// asks for sharp, such as a route of the app, gets the real one. Nothing here loads the addon; the first image does.

const Module = require('node:module')
const path = require('node:path')
const { pathToFileURL } = require('node:url')

/** The module that stands in for sharp. */
const SHARP = path.join(__dirname, 'sharp.js')

/** One hook per process, however many copies of this file are loaded. */
const INSTALLED = Symbol.for('unsharp.hook')

/** Next's own files, as paths and as urls, on every system. */
const NEXT = /[\\/]next[\\/]dist[\\/]/

/**
 * What `module.register` runs, in a thread of its own, on a Node without `registerHooks` (before 22.15). It is a data:
 * url, so that no tracer has to find a further file.
 */
const HOOKS = `
  let sharp
  export function initialize(url) { sharp = url }
  export function resolve(specifier, context, next) {
    if (specifier !== 'sharp' || !${NEXT}.test(context.parentURL)) return next(specifier, context)
    return { url: sharp, format: 'commonjs', shortCircuit: true }
  }
`

function install() {
  const shared = /** @type {Record<symbol, boolean>} */ (/** @type {unknown} */ (globalThis))
  if (shared[INSTALLED]) return
  shared[INSTALLED] = true

  // Every Node's require goes through this function; require-in-the-middle, Next itself and others patch it as well.
  const modules =
    /** @type {{ _resolveFilename: (request: string, parent?: { filename?: string | null }, ...rest: unknown[]) => string }} */ (
      /** @type {unknown} */ (Module)
    )
  const resolveFilename = modules._resolveFilename
  modules._resolveFilename = function (request, parent, ...rest) {
    if (request === 'sharp' && NEXT.test(parent?.filename ?? '')) return SHARP
    return resolveFilename.call(this, request, parent, ...rest)
  }

  const url = pathToFileURL(SHARP).href
  const { registerHooks } = /** @type {{ registerHooks?: (hooks: { resolve: ResolveHook }) => void }} */ (
    /** @type {unknown} */ (Module)
  )
  if (registerHooks) {
    registerHooks({
      resolve: (specifier, context, next) =>
        specifier === 'sharp' && NEXT.test(context.parentURL ?? '')
          ? { url, format: 'commonjs', shortCircuit: true }
          : next(specifier, context),
    })
  } else {
    Module.register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: url })
  }
}

/**
 * @typedef {(specifier: string, context: { parentURL?: string },
 *   next: (specifier: string, context: object) => object) => object} ResolveHook
 */

module.exports = { NEXT, SHARP, install }
