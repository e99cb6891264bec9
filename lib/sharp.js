// @ts-check
'use strict'

// The calls of sharp that Next 14 to 16, next/og and `next build --webpack` make, on unsharp's codecs. Next ignores
// what most of them return, so each of them changes the instance as well as returning it.

const { types } = require('node:util')
const { callSite } = require('./errors.js')
const native = require('./native.js')
const { integer, invalid, notSupported, read } = require('./sharp-options.js')

/** The version whose calls these are. */
const SHARP = '0.35.5'

/** sharp's default for `limitInputPixels`. */
const MAX_PIXELS = 0x3fff ** 2

const NO_PIXEL_LIMIT = 2 ** 32

/** Everything else that an instance of sharp 0.35.5 has, the methods of its stream that are in use included. */
const METHODS = `
  affine autoOrient bandbool blur boolean clahe clone composite convolve dilate ensureAlpha erode extend extract
  extractChannel flatten flip flop gamma gif grayscale greyscale heif joinChannel jp2 jxl keepExif keepGainMap
  keepIccProfile keepMetadata keepXmp linear median modulate negate normalise normalize pipelineColorspace
  pipelineColourspace raw recomb removeAlpha sharpen stats threshold tiff tile tint toColorspace toColourspace toFile
  toFormat toUint8Array trim unflatten withDensity withExif withExifMerge withGainMap withIccProfile withMetadata withXmp
  addListener emit end off on once pipe read removeListener unpipe write
`

/** And what else is on the function. */
const STATICS = `
  align blend bool colorspace colourspace counters fit format gravity interpolators kernel position queue simd strategy
`

const names = (/** @type {string} */ text) => text.trim().split(/\s+/)

class Sharp {
  /** @type {Uint8Array} */
  #input
  #limits
  #isTurned = false
  #isEnlarged = true
  /** @type {number | undefined} */
  #width
  /** @type {number | undefined} */
  #height
  /** @type {{ format?: string, quality?: number, mozjpeg?: boolean }} */
  #output = {}

  /** @param {unknown} input @param {unknown} given */
  constructor(input, given) {
    this.#input = bytesOf(input)
    const { autoOrient = false, limitInputPixels = true } = read('sharp()', given)
    const maxPixels = limitInputPixels === true ? MAX_PIXELS : limitInputPixels || NO_PIXEL_LIMIT
    this.#isTurned = autoOrient
    this.#limits = { maxPixels, timeoutMs: 0 }
  }

  /** @param {unknown} options */
  timeout(options) {
    const { seconds } = read('timeout()', options)
    if (seconds === undefined) throw invalid('seconds', 'integer between 0 and 3600', seconds)
    this.#limits.timeoutMs = seconds * 1000
    return this
  }

  /** By EXIF. @param {unknown} [angle] */
  rotate(angle) {
    if (angle !== undefined && angle !== null) throw notSupported('rotate() by an angle')
    this.#isTurned = true
    return this
  }

  /** @param {unknown} [width] @param {unknown} [height] @param {unknown} [options] */
  resize(width, height, options) {
    if (typeof width === 'object' && width !== null) throw notSupported('resize() with an object as its first argument')
    const [w, h] = [width ?? undefined, height ?? undefined]
    if (w === undefined && h !== undefined) throw notSupported('resize() with a height alone')
    // As in sharp, where 100000000 is the bound; no format here goes beyond this one.
    if (w !== undefined) integer(1, 16383)('width', w)
    if (h !== undefined) integer(1, 16383)('height', h)
    const { withoutEnlargement } = read('resize()', options)
    this.#width = /** @type {number | undefined} */ (w)
    this.#height = /** @type {number | undefined} */ (h)
    this.#isEnlarged = !(withoutEnlargement ?? !this.#isEnlarged)
    return this
  }

  /** @param {unknown} [options] */
  avif(options) {
    const { quality = 50 } = read('avif()', options)
    this.#output = { format: 'avif', quality: nextQuality(quality) }
    return this
  }

  /** @param {unknown} [options] */
  webp(options) {
    const { quality = 80 } = read('webp()', options)
    this.#output = { format: 'webp', quality }
    return this
  }

  /** @param {unknown} [options] */
  jpeg(options) {
    const { quality = 80, mozjpeg = false, progressive = false } = read('jpeg()', options)
    // The encoder has one way to make a progressive file, the better one.
    this.#output = { format: 'jpeg', quality, mozjpeg: mozjpeg || progressive }
    return this
  }

  /** @param {unknown} [options] */
  png(options) {
    const { quality } = read('png()', options)
    // A quality means a palette to sharp, 100 too, which in the addon means true colour.
    this.#output = { format: 'png', quality: quality === undefined ? 100 : Math.min(Math.max(quality, 1), 99) }
    return this
  }

  /** @param {unknown} [options] @param {unknown} [callback] @returns {Promise<Buffer>} */
  async toBuffer(options, callback) {
    if (typeof (callback ?? options) === 'function') throw notSupported('toBuffer() with a callback')
    read('toBuffer()', options)
    const failure = callSite(this.toBuffer)
    const wanted = {
      width: this.#width,
      height: this.#height,
      ...this.#output,
      ...this.#limits,
      sharp: {
        enlarge: this.#isEnlarged && this.#width !== undefined,
        asStored: !this.#isTurned,
        draw: true,
        ownFormat: true,
      },
    }
    const { data } = await native.optimize(this.#input, wanted).catch((cause) => {
      throw failure(cause)
    })
    return data
  }

  /** @param {unknown} [callback] */
  async metadata(callback) {
    if (typeof callback === 'function') throw notSupported('metadata() with a callback')
    const failure = callSite(this.metadata)
    const header = await native.metadata(this.#input, this.#limits, true).catch((cause) => {
      throw failure(cause)
    })
    const { contentType: mediaType, format, hasAlpha, orientation, ...stored } = header
    const size = this.#input.length
    if (format !== 'avif') {
      const { height, width } = stored
      return { format, mediaType, size, width, height, hasAlpha, ...(orientation > 1 && { orientation }) }
    }
    // The turn of an AVIF is a part of the picture, in sharp's eyes too.
    const [width, height] = orientation >= 5 ? [stored.height, stored.width] : [stored.width, stored.height]
    return { format: 'heif', compression: 'av1', mediaType, size, width, height, hasAlpha }
  }
}

for (const name of names(METHODS)) {
  const value = () => {
    throw notSupported(`${name}()`)
  }
  Object.defineProperty(Sharp.prototype, name, { value, configurable: true, writable: true })
}

/** @param {unknown} input @param {unknown} [options] @returns {Sharp} with or without `new` */
function sharp(input, options) {
  return new Sharp(input, options)
}
sharp.prototype = Sharp.prototype

/** @param {unknown} input @returns {Uint8Array} */
function bytesOf(input) {
  if (types.isAnyArrayBuffer(input)) return bytesOf(new Uint8Array(input))
  if (!ArrayBuffer.isView(input)) throw notSupported(`sharp() of anything but the bytes of an image`)
  if (types.isSharedArrayBuffer(input.buffer)) throw notSupported('sharp() of a SharedArrayBuffer')
  if (input.byteLength === 0) throw invalid('input', 'the bytes of an image', 'nothing')
  return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
}

/**
 * The quality on Next's scale, which is the addon's for every format, that Next makes sharp's `quality` from.
 *
 * @param {number} quality
 */
function nextQuality(quality) {
  return Math.min(Math.max(Math.round((quality * 80) / 50), 1), 100)
}

/** Whether Next has said what it wants to load, which 14 does not. */
let isNext15 = false

/** Both do nothing: they choose among the loaders of libvips, and here is none of them. @param {unknown} options */
function block(options) {
  const operation = /** @type {{ operation?: unknown } | undefined} */ (options)?.operation
  if (!Array.isArray(operation) || !operation.every((name) => typeof name === 'string')) {
    throw invalid('operation', 'Array<string>', operation)
  }
  isNext15 = true
}

/** @type {number | undefined} */
let concurrent

/**
 * How many images are in work at once; in sharp, how many threads work at one.
 *
 * Until it is set, what it says is made for what Next does with it. Next 15 and 16 set `imgOptConcurrency`, and
 * without that half of what they read, a quarter in `next dev`: meant for threads within one image, of which there is
 * only one here. Four times the CPUs leaves all of them to the images in either case. Next 14 has no such option and
 * leaves a 1 alone.
 *
 * @param {unknown} [images]
 * @returns {number}
 */
function concurrency(images) {
  if (Number.isInteger(images)) {
    if (Number(images) < 0) throw invalid('concurrency', 'integer of at least 0', images)
    // As in sharp, 0 goes back to as many as there are CPUs.
    native.setConcurrency(Math.min(Number(images) || 1024, 1024))
    concurrent = native.concurrency()
  }
  return concurrent ?? (isNext15 ? native.concurrency() * 4 : 1)
}

/** Nothing is kept from one image to the next. */
function cache() {
  const none = { current: 0, max: 0 }
  return { memory: { ...none, high: 0 }, files: none, items: none }
}

Object.assign(sharp, { block, unblock: block, concurrency, cache })

const versions = Object.freeze({
  sharp: SHARP,
  ...native.versions(),
  // Next 15.5 has AVIF decoded only where this is 1.23.2 or later, the first libheif without a hole that let a
  // picture run code. There is no libheif here and so no hole; this is what sharp 0.35.5 says.
  heif: '1.23.5',
})
Object.defineProperties(sharp, { versions: { value: versions, enumerable: true }, default: { value: sharp } })

for (const name of names(STATICS)) {
  const get = () => {
    throw notSupported(`sharp.${name}`)
  }
  Object.defineProperty(sharp, name, { get, configurable: true })
}

module.exports = sharp
