// @ts-check
'use strict'

const fs = require('node:fs')
const path = require('node:path')

/** @typedef {{ fs?: object, serverDistDir?: string, flushToDisk?: boolean }} Context what Next gives a cache handler */
/** @typedef {{ buffer: Buffer, etag: string, extension: string, upstreamEtag: string, revalidate: number }} ImageValue */
/** @typedef {{ load(key: string): Promise<object | null>, save(key: string, value: ImageValue): Promise<void> }} Images */

/** As much as the handler of a custom server keeps. */
const MEMORY_BYTES = 64 * 1024 * 1024

/** @type {Map<string, Images>} one per build that this process serves, by its folder */
const kept = new Map()

/** @type {Images} for a config that forbids keeping variants: every answer is a MISS then, as in Next */
const nothing = { load: async () => null, save: async () => {} }

/** @param {Context} context @returns {Images} */
function keptImages({ serverDistDir, flushToDisk }) {
  const distDir = path.join(serverDistDir ?? path.resolve('.next/server'), '..')
  let images = kept.get(distDir)
  if (!images) {
    const { maximumDiskCacheSize, minimumCacheTTL } = imagesConfig(distDir)
    images =
      flushToDisk === false || maximumDiskCacheSize === 0
        ? nothing
        : open(path.join(distDir, 'cache/images'), maximumDiskCacheSize, minimumCacheTTL ?? 0)
    kept.set(distDir, images)
  }
  return images
}

/**
 * What the build recorded, since Next tells a cache handler nothing of it. There is no record in `next dev`.
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

/** @param {string} dir @param {number | undefined} limitBytes @param {number} minimumTtl seconds @returns {Images} */
function open(dir, limitBytes, minimumTtl) {
  const { NativeVariantStore } = require('./native.js')
  const store = new NativeVariantStore({ dir, limitBytes, memoryBytes: MEMORY_BYTES })
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

module.exports = { keptImages }
