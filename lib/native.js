// @ts-check
'use strict'

// Finds the native addon for this process. The requires are literal, one per line, because bundlers and the
// file tracer of Next follow literal requires only.

/** @typedef {typeof import('../native.d.cts')} Native */

/** @returns {boolean} whether this Node is linked against musl and not glibc */
function isMusl() {
  const report = /** @type {{ header?: { glibcVersionRuntime?: string }, sharedObjects?: string[] }} */ (
    process.report.getReport()
  )
  if (report.header?.glibcVersionRuntime) return false
  return (report.sharedObjects ?? []).some((path) => path.includes('musl'))
}

/** @returns {string} the platform's name as napi-rs spells it, such as `linux-x64-gnu` */
function platformName() {
  const { arch, platform } = process
  if (platform !== 'linux') return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`
  // The report looks up host names for open sockets unless told not to, which can take seconds.
  const report = /** @type {{ excludeNetwork?: boolean }} */ (process.report)
  const excludeNetwork = report.excludeNetwork
  report.excludeNetwork = true
  try {
    return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

/**
 * Where the addon may be, the locally built file first.
 * @type {Record<string, (() => unknown)[]>}
 */
const CANDIDATES = {
  'linux-x64-gnu': [
    // @ts-expect-error an addon has no declarations of its own; native.d.cts has them
    () => require('../unsharp.linux-x64-gnu.node'),
    // @ts-expect-error as above
    () => require('unsharp-linux-x64-gnu'),
  ],
}

/** @returns {Native} */
function loadNative() {
  const platform = platformName()
  /** @type {unknown[]} */
  const causes = []
  for (const load of CANDIDATES[platform] ?? []) {
    try {
      return /** @type {Native} */ (load())
    } catch (cause) {
      causes.push(cause)
    }
  }
  const supported = Object.keys(CANDIDATES).join(', ')
  const known = platform in CANDIDATES
  const looked = known
    ? `Looked for unsharp.${platform}.node beside the package and for the package unsharp-${platform}.`
    : `Prebuilt addons exist for: ${supported}.`
  const fix = known
    ? `Fix: npm install unsharp-${platform} (or, in a checkout of unsharp: npm run build)`
    : 'Fix: in a checkout of unsharp run: npm run build'
  // "Not found" says nothing new; any other failure (a glibc that is too old, say) is the real reason.
  const reasons = causes
    .map((cause) => (cause instanceof Error ? cause : new Error(String(cause))))
    .filter((cause) => !('code' in cause && cause.code === 'MODULE_NOT_FOUND'))
    .map((cause) => `\n  ${cause.message}`)
  const error = new Error(
    `unsharp has no native addon for ${platform} (Node ${process.version}). ${looked}${reasons.join('')}\n${fix}`,
    { cause: causes },
  )
  // Next, like many others, takes the first code for a package that is not installed, and everything else for a defect.
  const isMissing = reasons.length === 0
  throw Object.assign(error, { code: isMissing ? 'MODULE_NOT_FOUND' : 'ERR_UNSHARP_NO_ADDON' })
}

module.exports = loadNative()
