// The platforms that there are packages for, as package.json lists them for napi-rs.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { root } from './shell.mjs'

export const readJson = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8'))

/**
 * The codecs' features that an addon is built with. Windows gets the AVIF encoder in Rust: scripts/libaom.mjs knows no MSVC.
 * Its arm64 has no assembler that takes the codecs' sources either.
 */
const FEATURES = { 'win32-x64-msvc': ['asm'], 'win32-arm64-msvc': [] }

/** @param {string} platform @returns {string[]} features of Cargo.toml */
export const featuresOf = (platform) => FEATURES[platform] ?? ['asm', 'libaom']

/** @returns {Map<string, { triple: string, os: string, cpu: string }>} by name, such as `linux-x64-gnu` */
export function platforms() {
  // Not at the top: a fresh clone installs its modules by a script that names this file.
  const { parseTriple } = createRequire(import.meta.url)('@napi-rs/cli')
  return new Map(
    readJson('package.json').napi.targets.map((triple) => {
      const { platformArchABI, platform, arch } = parseTriple(triple)
      return [platformArchABI, { triple, os: platform, cpu: arch }]
    }),
  )
}
