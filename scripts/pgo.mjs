// Profile-guided optimisation of the C inside the addon that is published, that is of the encoders: clang is told how often
// each function and each branch ran while typical images were made. What is hot gets the space, what never ran is made small.
//
// scripts/release/profile.mjs records the profile, which lies compressed in scripts/release/profiles.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { root } from './shell.mjs'

/** A static function is known by its file's name alone: libaom's sources lie elsewhere in every build. */
const NAMES = '-mllvm -static-func-full-module-prefix=false'

/** What has changed since the recording, or came, has no counts and is built as it would be without: no word of that. */
const SILENT = '-Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date'

/** Flags for rustc, and for clang as a shell reads them. @typedef {{ rust: string, c: string }} Flags */

/** @param {string} platform @returns {string} the file with its profile, whether there is one or not */
export const profileOf = (platform) => path.join(root, 'scripts/release/profiles', `${platform}.profdata.br`)

/** @returns {Flags} for an addon that counts what it runs, and writes it into `folder` when its process ends */
export function recording(folder) {
  // rustc brings the code that writes, and only to what it counts itself. Without the other crates linked into each other
  // the addon is built in half the time.
  return { rust: `-Cprofile-generate=${folder} -Clinker-plugin-lto=no -Clto=off`, c: `-fprofile-generate ${NAMES}` }
}

/** @param {string} platform @returns {Flags | undefined} for an addon by the platform's profile, if there is one */
export function guided(platform) {
  if (!existsSync(profileOf(platform))) return undefined
  return { rust: '', c: `'-fprofile-use=${unpacked(platform)}' ${NAMES} ${SILENT} -mllvm -pgo-cold-func-opt=minsize` }
}

/** The profile as clang reads it. Its name is another for other contents, because zig keeps what it compiled by flags. */
function unpacked(platform) {
  const packed = readFileSync(profileOf(platform))
  const folder = path.join(root, 'target/profiles')
  const digest = createHash('sha256').update(packed).digest('hex').slice(0, 12)
  const file = path.join(folder, `${platform}-${digest}.profdata`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, brotliDecompressSync(packed))
  return file
}
