import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** sharp's name in node_modules. It isn't `sharp`, so that nothing in this repository finds one by accident. */
export const SHARP = 'sharp-reference'

const require = createRequire(import.meta.url)

/** The addon's entry in this repository. */
export const UNSHARP_ENTRY = fileURLToPath(new URL('../../index.js', import.meta.url))

/**
 * What each peer is asked to do. `load` answers `(input, job) => Promise<Buffer>`, where a job is
 * `{ width, sourceWidth, format, quality, patient }` with widths in px and the quality on Next's scale. Next gives
 * an image seven seconds; who is `patient` waits, for where the answer is what counts.
 */
const loaders = { sharp: loadSharp, unsharp: loadUnsharp, 'napi-rs': loadNapiRs }

export function loadPeer(name, entry) {
  return loaders[name](entry)
}

/** The installed version of a peer, or null where it can't be found. */
export function peerVersion(name, entry) {
  const packages = { sharp: 'sharp', unsharp: 'unsharp', 'napi-rs': '@napi-rs/image' }
  const entries = {
    sharp: () => require.resolve(SHARP),
    unsharp: () => entry,
    'napi-rs': () => require.resolve(packages[name]),
  }
  try {
    // Not every package lets its package.json be required, so it is looked for above the entry.
    let folder = path.dirname(entries[name]())
    for (; folder !== path.dirname(folder); folder = path.dirname(folder)) {
      const file = path.join(folder, 'package.json')
      const found = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
      if (found.name === packages[name]) return found.version ?? null
    }
  } catch {
    // Not installed, or not readable: then the report has no version for it.
  }
  return null
}

// The calls of Next 16.4.6 (dist/server/image-optimizer/transform.js) with its default configuration.
function loadSharp() {
  const sharp = require(SHARP)
  sharp.block({ operation: ['VipsForeignLoad'] })
  const loads = ['Heif', 'Jpeg', 'Nsgif', 'Png', 'Svg', 'Tiff', 'Webp']
  sharp.unblock({ operation: loads.map((format) => `VipsForeignLoad${format}`) })
  if (sharp.concurrency() > 1) sharp.concurrency(Math.floor(Math.max(sharp.concurrency() / 2, 1)))

  return (input, { width, format, quality, patient }) => {
    const image = sharp(input, { limitInputPixels: 268402689, sequentialRead: undefined })
      .timeout({ seconds: patient ? 0 : 7 })
      .rotate()
      .resize(width, undefined, { withoutEnlargement: true })
    if (format === 'avif') image.avif({ quality: Math.max(Math.round(quality * (50 / 80)), 1), effort: 3 })
    else if (format === 'webp') image.webp({ quality })
    else if (format === 'png') image.png({ quality })
    else image.jpeg({ quality, mozjpeg: true })
    return image.toBuffer()
  }
}

function loadUnsharp(entry) {
  const unsharp = require(entry)
  return async (input, { width, format, quality, patient }) => {
    const limits = patient ? { timeoutMs: 0 } : undefined
    const { data, outcome } = await unsharp.optimize(input, { width, format, quality, limits })
    if (outcome !== 'optimized') throw new Error(`outcome is ${outcome}, so nothing was measured`)
    return data
  }
}

// The closest calls @napi-rs/image has. It enlarges when asked to, so a picture that is small enough is
// not resized. AVIF takes sharp's quality number, which gives about sharp's bytes, at its default speed. Its
// JPEG encoder is not mozjpeg, and its PNG palette is a second pass over a finished PNG.
function loadNapiRs() {
  const { Transformer, FastResizeFilter, pngQuantize } = require('@napi-rs/image')
  return async (input, { width, sourceWidth, format, quality }) => {
    const image = new Transformer(input).rotate()
    if (width < sourceWidth) image.fastResize({ width, filter: FastResizeFilter.Lanczos3 })
    if (format === 'avif') return image.avif({ quality: Math.max(Math.round(quality * (50 / 80)), 1) })
    if (format === 'webp') return image.webp(quality)
    if (format === 'jpeg') return image.jpeg(quality)
    const png = await image.png()
    return quality < 100 ? pngQuantize(png, { minQuality: 0, maxQuality: quality }) : png
  }
}
