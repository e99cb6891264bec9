// @ts-check
'use strict'

const path = require('node:path')
const { imagesConfig } = require('./build-record.js')
const { rootCertificates } = require('./certificates.js')
const { store: readStore } = require('./options.js')
const { flushAtExit } = require('./shutdown.js')

/** @typedef {{ fs?: object, serverDistDir?: string, flushToDisk?: boolean }} Context what Next gives a cache handler */
/** @typedef {{ buffer: Buffer, etag: string, extension: string, upstreamEtag: string, revalidate: number }} ImageValue */
/** @typedef {{ load(key: string): Promise<object | null>, save(key: string, value: ImageValue): Promise<void> }} Images */

/** @typedef {{ dir: string, limitBytes: number | undefined, store: string | false | undefined }} Place */

/** As much as the handler of a custom server keeps. */
const MEMORY_BYTES = 64 * 1024 * 1024

/** @type {Map<string, Images>} one per build that this process serves, by its folder */
const kept = new Map()

/** @type {Images} for a config that forbids keeping variants: every answer is a MISS then, as in Next */
const nothing = { load: async () => null, save: async () => {} }

/**
 * @param {Context} context
 * @param {string | false} [store] the bucket's url or false for none; by default the environment's
 * @returns {Images}
 */
function keptImages({ serverDistDir, flushToDisk }, store) {
  const distDir = path.join(serverDistDir ?? path.resolve('.next/server'), '..')
  let images = kept.get(distDir)
  if (!images) {
    const { maximumDiskCacheSize, minimumCacheTTL } = imagesConfig(distDir)
    images =
      flushToDisk === false || maximumDiskCacheSize === 0
        ? nothing
        : open(
            { dir: path.join(distDir, 'cache/images'), limitBytes: maximumDiskCacheSize, store },
            minimumCacheTTL ?? 0,
          )
    kept.set(distDir, images)
  }
  return images
}

/**
 * @param {Place} place
 * @param {number} minimumTtl seconds
 * @returns {Images}
 */
function open(place, minimumTtl) {
  const store = openNative(place)
  if (store.hasStore) flushAtExit(store)
  return {
    async load(key) {
      const found = await store.load(key, Date.now())
      if (!found) return null
      const { body, etag, expiresAtMs, extension, maxAgeSecs, upstreamEtag } = found
      return {
        // From this and `revalidate` Next reckons when the entry turns stale, which is when it says that it does.
        lastModified: expiresAtMs - Math.max(maxAgeSecs, minimumTtl) * 1000,
        value: { kind: 'IMAGE', buffer: body, etag, extension, upstreamEtag, revalidate: maxAgeSecs },
      }
    },
    // Next has raised `revalidate` to minimumCacheTTL already.
    save: (key, { buffer, etag, extension, revalidate, upstreamEtag }) =>
      store.save(key, {
        body: buffer,
        etag,
        extension,
        upstreamEtag,
        maxAgeSecs: revalidate,
        expiresAtMs: Date.now() + revalidate * 1000,
      }),
  }
}

/** @param {Place} place */
function openNative({ dir, limitBytes, store }) {
  const { NativeVariantStore } = require('./native.js')
  const options = { dir, limitBytes, memoryBytes: MEMORY_BYTES }
  try {
    return new NativeVariantStore({ ...options, ...readStore(store), caCerts: rootCertificates() })
  } catch (cause) {
    // Images are served all the same, and made by every server anew.
    console.error(`unsharp: the bucket is not used: ${cause instanceof Error ? cause.message : cause}`)
    return new NativeVariantStore({ ...options, localOnly: true })
  }
}

module.exports = { keptImages }
