// Builds the addon for this platform, beside index.js, and writes its declarations to native.d.cts.
//
//   node scripts/build.mjs [release|fast|dev]      default: release
//
// `release` is what gets published; its link alone takes minutes. `fast` is nearly as quick an addon in a fraction
// of the build time, `dev` is for tests.

import { installModules, requireCompilers } from './setup.mjs'
import { local, run, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

const PROFILES = ['release', 'fast', 'dev']

/** @param {string} profile one of PROFILES */
export async function buildAddon(profile) {
  requireCompilers()
  installModules()
  const { env, features } = await toolchain()
  const napi = [local('napi'), 'build', '--platform', '--no-js', '--dts', 'native.d.cts']
  // Cargo's folder for the profile dev is called debug, which napi knows only when it is not named.
  const chosen = profile === 'dev' ? [] : ['--profile', profile]
  const cargo = [...chosen, '--no-default-features', '--features', ['binding', ...features].join(',')]
  run([...napi, ...cargo], { env })
}

if (import.meta.filename === process.argv[1]) {
  const profile = process.argv[2] ?? 'release'
  if (!PROFILES.includes(profile)) stop(`There is no profile ${profile}; there are ${PROFILES.join(', ')}.`)
  await buildAddon(profile)
}
