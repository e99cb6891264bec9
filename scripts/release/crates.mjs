// What of other people's the addon consists of: the crates that are compiled into it, and the C in some of them.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../shell.mjs'

const { napi, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

/**
 * The C libraries, by the crate that brings each. Where the crate says the version, it is read there.
 *
 * @type {Record<string, { name: string, version: (folder: string, crateVersion: string) => string, licence: string, source: string }>}
 */
const C_LIBRARIES = {
  'libaom-sys': {
    name: 'libaom',
    // scripts/libaom.mjs links this one in place of the crate's older own.
    version: () => quoted(path.join(root, 'scripts/libaom.mjs'), /^const VERSION = '(.+)'$/m),
    licence: 'BSD-2-Clause',
    source: 'https://aomedia.googlesource.com/aom',
  },
  'libwebp-sys': {
    name: 'libwebp',
    version: (folder) => hexVersion(path.join(folder, 'vendor/src/enc/vp8i_enc.h')),
    licence: 'BSD-3-Clause',
    source: 'https://chromium.googlesource.com/webm/libwebp',
  },
  'mozjpeg-sys': {
    name: 'mozjpeg',
    // Nothing in its files says; the crate's version stands for a commit of the library.
    version: (_, crateVersion) => `of mozjpeg-sys ${crateVersion}`,
    licence: 'IJG AND BSD-3-Clause AND Zlib',
    source: 'https://github.com/mozilla/mozjpeg',
  },
}

function quoted(file, pattern) {
  const found = pattern.exec(readFileSync(file, 'utf8'))
  if (!found) throw new Error(`${file} says no version as ${pattern}`)
  return found[1]
}

/** libwebp's version, which stands in three lines of a header. */
function hexVersion(file) {
  return ['MAJ', 'MIN', 'REV']
    .map((part) => quoted(file, new RegExp(`^#define ENC_${part}_VERSION (\\d+)`, 'm')))
    .join('.')
}

/** The parsed `cargo metadata` of all that the addon may be built from on one target. */
function metadata(target) {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', target]
  return JSON.parse(
    execFileSync('cargo', args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 256 << 20,
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
}

/** Whether a crate runs in the compiler and leaves nothing of itself in the addon. */
const isMacro = ({ targets }) => targets.some(({ kind }) => kind.includes('proc-macro'))

/** The crates that are linked on one target. */
function linked({ packages, resolve }) {
  const byId = new Map(packages.map((crate) => [crate.id, crate]))
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const found = new Set()
  const queue = [resolve.root]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (found.has(id) || isMacro(byId.get(id))) continue
    found.add(id)
    for (const { pkg, dep_kinds } of nodes.get(id).deps) {
      if (dep_kinds.some(({ kind }) => kind === null)) queue.push(pkg)
    }
  }
  found.delete(resolve.root)
  // Those of the repository are ours.
  return [...found].map((id) => byId.get(id)).filter(({ source }) => source !== null)
}

/** The files in which a crate says under which terms it comes, those of the C library in it included. */
function licenceFiles(folder) {
  const folders = [folder, path.join(folder, 'vendor'), path.join(folder, 'LICENSES')]
  return folders.flatMap((place) => {
    let names = []
    try {
      names = readdirSync(place, { withFileTypes: true })
    } catch {
      return []
    }
    return names
      .filter((entry) => entry.isFile())
      .filter(
        ({ name }) =>
          place.endsWith('LICENSES') || /^(licen[cs]e|copying|copyright|notice|patents|unlicense)/i.test(name),
      )
      .map(({ name }) => path.join(place, name))
      .sort()
  })
}

/**
 * @typedef {object} Crate
 * @property {string} name
 * @property {string} version
 * @property {string} licence its SPDX expression
 * @property {string} source where it is from
 * @property {string[]} texts paths of its licences
 * @property {{ name: string, version: string, licence: string, source: string }} [library] the C in it
 */

/**
 * @param {string[]} [targets] triples; by default all that there are packages for
 * @returns {Crate[]} by name and version
 */
export function crates(targets = napi.targets) {
  const found = new Map()
  for (const target of targets) {
    for (const crate of linked(metadata(target))) found.set(crate.id, crate)
  }
  return [...found.values()]
    .map((crate) => {
      const folder = path.dirname(crate.manifest_path)
      const library = C_LIBRARIES[crate.name]
      return {
        name: crate.name,
        version: crate.version,
        licence: crate.license.replaceAll('/', ' OR '),
        source: crate.repository ?? `https://crates.io/crates/${crate.name}`,
        texts: licenceFiles(folder),
        ...(library && { library: { ...library, version: library.version(folder, crate.version) } }),
      }
    })
    .sort((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1))
}

/** The version of the package, which the crate shares. */
export const packageVersion = version
