// @ts-check
'use strict'

const path = require('node:path')
const { keptImages } = require('./kept-images.js')
const { nextDist } = require('./running-next.js')

/** @typedef {import('./kept-images.js').Context} Context */
/** @typedef {{ get(...args: any[]): any, set(...args: any[]): any, revalidateTag(...args: any[]): any, resetRequestCache?(): void }} Cache */
/** @typedef {new (context: Context) => Cache} CacheClass */

/** What Next uses where no cacheHandler is configured. @returns {CacheClass} */
function nextsOwn() {
  const dist = nextDist()
  if (!dist) throw new Error('unsharp/cache-handler works in a Next server only, and there is no Next here')
  const { nodeFs } = require(path.join(dist, 'server/lib/node-fs-methods.js'))
  const FileSystemCache = require(path.join(dist, 'server/lib/incremental-cache/file-system-cache.js')).default
  return /** @type {any} */ (
    class extends FileSystemCache {
      /** @param {Context} context */
      constructor(context) {
        // For images, Next hands no file system over.
        super({ ...context, fs: context.fs ?? nodeFs })
      }
    }
  )
}

/** As Next reads what a cacheHandler exports. @param {any} exported @returns {CacheClass} */
function interop(exported) {
  const once = exported?.default ?? exported
  return once?.default ?? once
}

/**
 * A cache handler that keeps images itself and leaves everything else to another.
 *
 * @param {(() => unknown) | undefined} load the other's module or class, or a promise of it; Next's own by default
 * @param {{ images?: boolean, store?: string | false }} [options]
 */
function delegateTo(load = nextsOwn, { images = true, store } = {}) {
  /** @type {Promise<CacheClass> | undefined} */
  let loaded

  return class UnsharpCacheHandler {
    /** @type {Context} */
    #context
    /** @type {Promise<Cache> | undefined} */
    #asked
    /** @type {Cache | undefined} */
    #other

    /** @param {Context} context */
    constructor(context) {
      this.#context = context
    }

    /** Next makes one handler per request, and not every request needs the other. @returns {Promise<Cache>} */
    #delegate() {
      loaded ??= Promise.resolve().then(load).then(interop)
      this.#asked ??= loaded.then((Other) => {
        this.#other = new Other(this.#context)
        return this.#other
      })
      return this.#asked
    }

    /** @param {string} key @param {{ kind?: string }} context @param {unknown[]} more */
    async get(key, context, ...more) {
      if (images && context?.kind === 'IMAGE') return keptImages(this.#context, store).load(key)
      return (await this.#delegate()).get(key, context, ...more)
    }

    /** @param {string} key @param {any} data @param {unknown} context @param {unknown[]} more */
    async set(key, data, context, ...more) {
      if (images && data?.kind === 'IMAGE') return keptImages(this.#context, store).save(key, data)
      return (await this.#delegate()).set(key, data, context, ...more)
    }

    /** @param {unknown[]} args */
    async revalidateTag(...args) {
      return (await this.#delegate()).revalidateTag(...args)
    }

    resetRequestCache() {
      this.#other?.resetRequestCache?.()
    }
  }
}

const UnsharpCacheHandler = delegateTo()

/** Named so that a standalone build ships it: an init container restores with the image of the server. */
const cli = () => require.resolve('./cli.js')

module.exports = Object.assign(UnsharpCacheHandler, { default: UnsharpCacheHandler, delegateTo, cli })
