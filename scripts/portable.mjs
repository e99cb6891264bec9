// The compilers for an addon that other machines than this one can load: zig's, which come with every libc there is.
// The system's own would link to the glibc of this machine, which an older one does not have.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { installZig } from './setup.mjs'
import { root, stop } from './shell.mjs'

/** The glibc that Node's own binaries ask for since version 18; an addon gains nothing from an older one. */
export const OLDEST_GLIBC = '2.28'

/** Where everything about these builds lies, apart from what the system's compilers make. */
const FOLDER = path.join(root, 'target/portable')

/** The target as zig spells it, by the platform's name. */
const ZIG_TARGETS = {
  'linux-x64-gnu': `x86_64-linux-gnu.${OLDEST_GLIBC}`,
  'linux-arm64-gnu': `aarch64-linux-gnu.${OLDEST_GLIBC}`,
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-musl': 'aarch64-linux-musl',
}

/** Whose addon relocates itself in part, for which it is linked by link.mjs. */
const RELOCATES_ITSELF = ['linux-x64-gnu']

/** Leaves out the target as other compilers spell it, which zig does not know. */
const OWN_TARGET = 'for word do shift; case $word in --target=*) ;; *) set -- "$@" "$word" ;; esac; done'

/** Whether zig builds for this platform; the others' systems have compilers whose output runs everywhere there. */
export const isPortable = (platform) => platform in ZIG_TARGETS

/**
 * @param {string} platform one of those that `isPortable` knows
 * @param {string} triple the platform's, as Rust spells it
 * @param {{ flags?: string, folder?: string }} [options] flags of every C compilation, and another folder than that of
 *   the builds without
 * @returns {{ compiler: Record<string, string>, rust: string, env: Record<string, string>, target: string }} the C
 *   compiler for what cargo does not build, flags for rustc when zig links, cargo's environment, and its target
 */
export function portable(platform, triple, { flags = '', folder = FOLDER } = {}) {
  const { bin, zig } = installZig()
  // With other flags they have another name, by which cargo knows that what they have compiled is out of date.
  const digest = flags && `-${digestOf(flags)}`
  const wrappers = path.join(folder, 'zig', platform + digest)
  mkdirSync(wrappers, { recursive: true })
  const script = (name, text) => {
    const file = path.join(wrappers, name)
    writeFileSync(file, `#!/bin/sh\n${text} "$@"\n`)
    chmodSync(file, 0o755)
    return file
  }
  const wrapper = (name, args) => script(name, `${OWN_TARGET}\nexec '${zig}' ${args}`)
  const target = `-target ${ZIG_TARGETS[platform]}`
  const compiler = {
    CC: wrapper('cc', `cc ${target} ${flags}`),
    CXX: wrapper('c++', `c++ ${target} ${flags}`),
    AR: wrapper('ar', 'ar'),
    RANLIB: wrapper('ranlib', 'ranlib'),
  }
  const linker = RELOCATES_ITSELF.includes(platform) && linkerOf(script, `'${zig}' ${ZIG_TARGETS[platform]}`)
  const suffix = triple.replaceAll('-', '_')
  return {
    compiler,
    rust: linker ? `-C linker=${linker}` : '',
    env: {
      CARGO_TARGET_DIR: folder,
      CARGO_BUILD_TARGET: triple,
      CARGO_ZIGBUILD_ZIG_PATH: zig,
      // cargo-zigbuild has wrappers of its own otherwise.
      ...(flags && Object.fromEntries(Object.entries(compiler).map(([name, file]) => [`${name}_${suffix}`, file]))),
      // mozjpeg otherwise has two tables of 64 KiB for what is one instruction.
      [`CFLAGS_${suffix}`]: '-DUSE_CLZ_INTRINSIC',
      PATH: `${bin}${path.delimiter}${process.env.PATH}`,
    },
    target: triple.endsWith('-gnu') ? `${triple}.${OLDEST_GLIBC}` : triple,
  }
}

/** Has another name for every link.mjs, or cargo would not link anew when that has changed. */
function linkerOf(script, args) {
  const file = path.join(root, 'scripts/link.mjs')
  const linker = script(`link-${digestOf(readFileSync(file))}-cc`, `exec '${process.execPath}' '${file}' ${args}`)
  if (/\s/.test(linker)) stop(`rustc can't be told of a linker with a space in its path: ${linker}`)
  return linker
}

const digestOf = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 8)
