// The compilers for an addon that other machines than this one can load: zig's, which come with every libc there is.
// The system's own would link to the glibc of this machine, which an older one does not have.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { installZig } from './setup.mjs'
import { root } from './shell.mjs'

/** The glibc that Node's own binaries ask for since version 18; an addon gains nothing from an older one. */
export const OLDEST_GLIBC = '2.28'

/** Where everything about these builds lies, apart from what the system's compilers make. */
const folder = path.join(root, 'target/portable')

/** The target as zig spells it, by the platform's name. */
const ZIG_TARGETS = {
  'linux-x64-gnu': `x86_64-linux-gnu.${OLDEST_GLIBC}`,
  'linux-arm64-gnu': `aarch64-linux-gnu.${OLDEST_GLIBC}`,
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-musl': 'aarch64-linux-musl',
}

/** Whether zig builds for this platform; the others' systems have compilers whose output runs everywhere there. */
export const isPortable = (platform) => platform in ZIG_TARGETS

/**
 * @param {string} platform one of those that `isPortable` knows
 * @param {string} triple the platform's, as Rust spells it
 * @returns {{ compiler: Record<string, string>, env: Record<string, string>, target: string }} the C compiler for what
 *   cargo does not build, cargo's environment, and its target
 */
export function portable(platform, triple) {
  const { bin, zig } = installZig()
  const wrappers = path.join(folder, 'zig', platform)
  mkdirSync(wrappers, { recursive: true })
  const wrapper = (name, args) => {
    const file = path.join(wrappers, name)
    writeFileSync(file, `#!/bin/sh\nexec '${zig}' ${args} "$@"\n`)
    chmodSync(file, 0o755)
    return file
  }
  const target = `-target ${ZIG_TARGETS[platform]}`
  return {
    compiler: {
      CC: wrapper('cc', `cc ${target}`),
      CXX: wrapper('c++', `c++ ${target}`),
      AR: wrapper('ar', 'ar'),
      RANLIB: wrapper('ranlib', 'ranlib'),
    },
    env: {
      CARGO_TARGET_DIR: folder,
      CARGO_BUILD_TARGET: triple,
      CARGO_ZIGBUILD_ZIG_PATH: zig,
      // mozjpeg otherwise has two tables of 64 KiB for what is one instruction.
      [`CFLAGS_${triple.replaceAll('-', '_')}`]: '-DUSE_CLZ_INTRINSIC',
      PATH: `${bin}${path.delimiter}${process.env.PATH}`,
    },
    target: triple.endsWith('-gnu') ? `${triple}.${OLDEST_GLIBC}` : triple,
  }
}
