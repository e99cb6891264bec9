// @ts-check
'use strict'

// What the calls of unsharp/sharp take. sharp ignores an option that it does not know, and so does this; one that
// sharp knows and that would be lost here is refused.

const { UnsharpError } = require('./errors.js')
const { object, show } = require('./options.js')

/** @typedef {(name: string, value: unknown) => void} Check throws when the value can't be used */

/** @param {string} what @returns {Error} */
function notSupported(what) {
  return new UnsharpError(
    `${what} is not supported here: this sharp is unsharp/sharp, a stand-in with just the calls that Next.js makes. ` +
      'For anything else add the real one to your package.json under another name, such as ' +
      '"real-sharp": "npm:sharp@0.35.5", and import "real-sharp".',
    { code: 'ERR_UNSHARP_NOT_SUPPORTED', status: 500 },
  )
}

/** In the words of sharp. @param {string} name @param {string} expected @param {unknown} value */
function invalid(name, expected, value) {
  return new UnsharpError(`Expected ${expected} for ${name} but received ${show(value)} of type ${typeof value}`, {
    code: 'ERR_UNSHARP_INVALID_OPTION',
    status: 400,
  })
}

/** @param {number} min @param {number} max @returns {Check} */
const integer = (min, max) => (name, value) => {
  if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) {
    throw invalid(name, `integer between ${min} and ${max}`, value)
  }
}

/** @type {Check} */
function boolean(name, value) {
  if (typeof value !== 'boolean') throw invalid(name, 'boolean', value)
}

/** What sharp does anyway may be said. @param {unknown} fixed @returns {Check} */
const only = (fixed) => (name, value) => {
  if (value !== fixed) throw notSupported(`${name}: ${show(value)}`)
}

/** @type {Check} */
function pixelLimit(name, value) {
  if (typeof value !== 'boolean') integer(0, Number.MAX_SAFE_INTEGER)(name, value)
}

/**
 * By call, every option that sharp 0.35.5 knows: those with a check are taken, the names alone are refused.
 *
 * @type {Record<string, { takes: Record<string, Check>, refuses: string }>}
 */
const CALLS = {
  'sharp()': {
    takes: {
      limitInputPixels: pixelLimit,
      // There is nothing to choose: every decoder reads the bytes from the first to the last.
      sequentialRead: boolean,
      failOn: only('warning'),
      autoOrient: boolean,
    },
    refuses:
      'limitInputChannels unlimited animated density ignoreIcc page pages jp2 openSlide pdf raw svg tiff create text join level subifd',
  },
  'resize()': {
    takes: {
      withoutEnlargement: boolean,
      fit: only('cover'),
      position: only('centre'),
      kernel: only('lanczos3'),
    },
    refuses: 'width height background withoutReduction fastShrinkOnLoad',
  },
  'avif()': {
    takes: {
      quality: integer(1, 100),
      // How much time may go into a smaller file. The encoder's settings are one compromise, made for Next's 3.
      effort: integer(0, 9),
      chromaSubsampling: only('4:2:0'),
    },
    refuses: 'lossless bitdepth tune force',
  },
  'webp()': {
    takes: { quality: integer(1, 100) },
    refuses:
      'alphaQuality lossless nearLossless smartSubsample smartDeblock preset effort minSize mixed exact loop delay force',
  },
  'jpeg()': {
    takes: { quality: integer(1, 100), progressive: boolean, mozjpeg: boolean, chromaSubsampling: only('4:2:0') },
    refuses:
      'optimiseCoding optimizeCoding trellisQuantisation trellisQuantization overshootDeringing optimiseScans optimizeScans quantisationTable quantizationTable force',
  },
  'png()': {
    takes: { quality: integer(0, 100) },
    refuses: 'progressive compressionLevel adaptiveFiltering palette effort colours colors dither force',
  },
  'timeout()': { takes: { seconds: integer(0, 3600) }, refuses: '' },
  'toBuffer()': { takes: { resolveWithObject: only(false) }, refuses: '' },
}

/**
 * @param {string} call a key of CALLS
 * @param {unknown} given
 * @returns {Record<string, any>} those options that are given and taken; like sharp, null is taken for undefined
 */
function read(call, given) {
  const { takes, refuses } = /** @type {typeof CALLS[string]} */ (CALLS[call])
  const options = object('options', given ?? undefined)
  const isGiven = (/** @type {string} */ name) => options[name] !== undefined && options[name] !== null
  const refused = refuses.split(' ').find((name) => name && isGiven(name))
  if (refused) throw notSupported(`The option ${refused} of ${call}`)
  const names = Object.keys(takes).filter(isGiven)
  for (const name of names) takes[name]?.(name, options[name])
  return Object.fromEntries(names.map((name) => [name, options[name]]))
}

module.exports = { integer, invalid, notSupported, read }
