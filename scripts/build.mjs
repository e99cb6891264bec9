// Builds the addon for this platform, beside index.js, and writes its declarations to native.d.cts.
//
//   node scripts/build.mjs [release|fast|dev] [platform]      default: release, for this machine
//
// `release` is what gets published; its link alone takes minutes. `fast` is nearly as quick an addon in a fraction
// of the build time, `dev` is for tests.
//
// With a platform, such as `linux-x64-gnu`, the addon is the one of that platform's package and goes to npm/<platform>: for
// Linux it is built by zig's compilers and runs on any system whose libc is not older than scripts/portable.mjs says. The
// CPU has to be this machine's, since nothing here builds across CPUs.

import path from 'node:path'
import { BUNDLED } from './libaom.mjs'
import { guided } from './pgo.mjs'
import { featuresOf, platforms } from './platforms.mjs'
import { isPortable, portable } from './portable.mjs'
import { installModules, requireCompilers } from './setup.mjs'
import { root, run, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

const PROFILES = ['release', 'fast', 'dev']

/**
 * Our own SIMD code for AVX-512 would be there once more, and spare at most 2 % of a lossy WebP's decoding against AVX2.
 * With frame pointers the tables for unwinding are a quarter smaller, and the CPU is the same.
 */
const RUSTFLAGS = { x64: '--cfg disable_dispatch_avx512 -C force-frame-pointers=yes' }

/** What makes the system's own compilers build for more than the system that they are on. */
const OLDEST = {
  darwin: { MACOSX_DEPLOYMENT_TARGET: '11.0' },
  // Node brings its C runtime inside, so that a Windows need not have the one that an addon would ask for.
  win32: { RUSTFLAGS: '-C target-feature=+crt-static' },
}

/**
 * @param {string} profile one of PROFILES
 * @param {string} [platform] the addon of this platform's package; without it, one for this machine
 * @param {Package} [options] how that of a package is built; default: as it is published
 */
export async function buildAddon(profile, platform, options) {
  requireCompilers()
  installModules()
  const { args, compiler, env: own, wanted } = platform === undefined ? thisMachine() : ofPackage(platform, options)
  // libaom is built before cargo starts, and for the same systems.
  if (own.MACOSX_DEPLOYMENT_TARGET) process.env.MACOSX_DEPLOYMENT_TARGET = own.MACOSX_DEPLOYMENT_TARGET
  const { env, features, libaom } = await toolchain({ compiler, wanted })
  // What is published has all that its platform can have, whatever is missing on this machine.
  if (wanted && (String(features) !== String(wanted) || libaom === BUNDLED)) {
    stop(`${platform} is built with ${wanted.join(', ')}, and here are ${features.join(', ')} with libaom ${libaom}.`)
  }
  // Not by its name in node_modules/.bin, which on Windows is no program.
  const napi = [
    process.execPath,
    path.join(root, 'node_modules/@napi-rs/cli/dist/cli.js'),
    'build',
    '--platform',
    '--no-js',
    '--package',
    'unsharp-addon',
    ...args,
  ]
  // Cargo's folder for the profile dev is called debug, which napi knows only when it is not named.
  const chosen = profile === 'dev' ? [] : ['--profile', profile]
  const cargo = [...chosen, '--no-default-features', '--features', features.join(',')]
  run([...napi, ...cargo], { env: { ...env, ...own } })
}

function thisMachine() {
  return { args: ['--output-dir', '.', '--dts', 'native.d.cts'], env: {} }
}

/**
 * `output`: where the addon is put. `pgo`: the flags for its profile. `folder`: where a portable build lies. `linker`: who
 * links it; by the system's, for which it need not be portable.
 *
 * @typedef {{ output?: string, pgo?: import('./pgo.mjs').Flags, folder?: string, linker?: 'zig' | 'system' }} Package
 */

/** @param {string} platform @param {Package} [options] */
function ofPackage(
  platform,
  { output = path.join('npm', platform), pgo = guided(platform), folder, linker = 'zig' } = {},
) {
  const { triple, os, cpu } = platforms().get(platform) ?? stop(`There is no platform ${platform}.`)
  if (cpu !== process.arch) stop(`${platform} is built on a machine with that CPU, and this one has ${process.arch}.`)
  const places = ['--output-dir', output, '--dts', path.relative(output, 'native.d.cts')]
  const wanted = featuresOf(platform)
  const own = (more) => {
    const flags = [OLDEST[os]?.RUSTFLAGS, RUSTFLAGS[cpu], pgo?.rust, more].filter(Boolean).join(' ')
    return { ...OLDEST[os], ...(flags && { RUSTFLAGS: flags }) }
  }
  if (!isPortable(platform)) {
    return { args: [...places, '--target', triple], env: { ...own(), CARGO_BUILD_TARGET: triple }, wanted }
  }
  const { compiler, rust, env, target } = portable(platform, triple, { flags: pgo?.c, folder })
  const [link, more] = linker === 'zig' ? [['--cross-compile', '--target', target], rust] : [['--target', triple], '']
  return { args: [...places, ...link], compiler, env: { ...own(more), ...env }, wanted }
}

if (import.meta.filename === process.argv[1]) {
  const [profile = 'release', platform] = process.argv.slice(2)
  if (!PROFILES.includes(profile)) stop(`There is no profile ${profile}; there are ${PROFILES.join(', ')}.`)
  await buildAddon(profile, platform)
  if (platform !== undefined) console.log(path.join(root, 'npm', platform, `unsharp.${platform}.node`))
}
