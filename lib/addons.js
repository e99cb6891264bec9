// @ts-nocheck: an addon has no declarations of its own; native.d.cts has them
'use strict'

// Where the addons are. Bundlers and the file tracer of Next follow literal requires only, and take one that leads
// nowhere for an error unless a `try` stands around it, hence a line for each, inside of one.

/** The platforms that there are packages for. */
const PLATFORMS = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
]

/**
 * The addon that was built in this checkout.
 *
 * @param {string} platform one of PLATFORMS
 * @returns {{ addon: unknown } | { cause: unknown }}
 */
function built(platform) {
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return { addon: require('../unsharp.linux-x64-gnu.node') }
      case 'linux-arm64-gnu':
        return { addon: require('../unsharp.linux-arm64-gnu.node') }
      case 'linux-x64-musl':
        return { addon: require('../unsharp.linux-x64-musl.node') }
      case 'linux-arm64-musl':
        return { addon: require('../unsharp.linux-arm64-musl.node') }
      case 'darwin-x64':
        return { addon: require('../unsharp.darwin-x64.node') }
      case 'darwin-arm64':
        return { addon: require('../unsharp.darwin-arm64.node') }
      case 'win32-x64-msvc':
        return { addon: require('../unsharp.win32-x64-msvc.node') }
      case 'win32-arm64-msvc':
        return { addon: require('../unsharp.win32-arm64-msvc.node') }
    }
  } catch (cause) {
    return { cause }
  }
}

/**
 * The addon of the platform's package.
 *
 * @param {string} platform one of PLATFORMS
 * @returns {{ addon: unknown } | { cause: unknown }}
 */
function installed(platform) {
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return { addon: require('unsharp-linux-x64-gnu') }
      case 'linux-arm64-gnu':
        return { addon: require('unsharp-linux-arm64-gnu') }
      case 'linux-x64-musl':
        return { addon: require('unsharp-linux-x64-musl') }
      case 'linux-arm64-musl':
        return { addon: require('unsharp-linux-arm64-musl') }
      case 'darwin-x64':
        return { addon: require('unsharp-darwin-x64') }
      case 'darwin-arm64':
        return { addon: require('unsharp-darwin-arm64') }
      case 'win32-x64-msvc':
        return { addon: require('unsharp-win32-x64-msvc') }
      case 'win32-arm64-msvc':
        return { addon: require('unsharp-win32-arm64-msvc') }
    }
  } catch (cause) {
    return { cause }
  }
}

module.exports = { PLATFORMS, built, installed }
