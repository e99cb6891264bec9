// Records the profile by which the addon of a package is optimised, see scripts/pgo.mjs. An addon that
// counts is built, does the work of scripts/release/train.mjs, and what it has counted goes to scripts/release/profiles.
//
//   npm run profile [-- FOLDER]      FOLDER: pictures to train with; default: those of examples/next
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { buildAddon } from '../build.mjs'
import { llvm } from '../coverage.mjs'
import { profileOf, recording } from '../pgo.mjs'
import { root, run } from '../shell.mjs'
import { codecsOf } from './counts.mjs'

/** The one platform whose addon this is measured for. A profile can only be recorded where the addon runs. */
const PLATFORM = 'linux-x64-gnu'

const pictures = path.resolve(process.argv[2] ?? path.join(root, 'examples/next/public/photos'))
const profdata = llvm('llvm-profdata')
const folder = path.join(root, 'target/profile')
const [unsharp, raw] = ['unsharp', 'raw'].map((name) => path.join(folder, name))
for (const each of [unsharp, raw]) {
  rmSync(each, { recursive: true, force: true })
  mkdirSync(each, { recursive: true })
}

// zig does not take the flag by which rustc asks for the recording's code.
const linker = 'system'
await buildAddon('release', PLATFORM, { output: path.relative(root, unsharp), pgo: recording(raw), folder, linker })
for (const name of ['index.js', 'lib', 'package.json']) {
  cpSync(path.join(root, name), path.join(unsharp, name), { recursive: true })
}

run([process.execPath, 'scripts/release/train.mjs', unsharp, pictures], {
  env: { LLVM_PROFILE_FILE: path.join(raw, '%p-%m.profraw') },
})

const counts = path.join(folder, 'counts.txt')
const merged = path.join(folder, 'merged.profdata')
run([profdata, 'merge', '--text', '-o', counts, ...readdirSync(raw).map((name) => path.join(raw, name))])
writeFileSync(counts, codecsOf(readFileSync(counts, 'utf8')))
run([profdata, 'merge', '-o', merged, counts])
const packed = brotliCompressSync(readFileSync(merged), {
  params: { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS },
})
const file = profileOf(PLATFORM)
mkdirSync(path.dirname(file), { recursive: true })
writeFileSync(file, packed)
console.log(`${file}: ${(packed.length / 1e6).toFixed(2)} MB`)
