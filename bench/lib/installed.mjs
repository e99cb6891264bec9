// How much disk a package takes once it is installed on this machine.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ADDON_LICENCES } from '../../scripts/pack.mjs'

/**
 * What npm would install of the package that `entry` belongs to: its `files`, the addon beside them, and the licences that
 * come with that as well.
 *
 * @returns {Record<string, number>} bytes
 */
export function filesOf(entry) {
  const folder = packageFolder(entry)
  const { files = ['.'], main = 'index.js', name } = readPackage(folder)
  const listed = new Set([...files, main, 'package.json', 'README.md'])
  const own = [...listed].map((file) => path.join(folder, file)).filter(existsSync)
  const beside = readdirSync(folder).filter((file) => file.endsWith('.node') || ADDON_LICENCES.includes(file))
  const sizes = { [name]: own.map(sizeOf).reduce((sum, bytes) => sum + bytes, 0) }
  for (const file of beside) sizes[file] = sizeOf(path.join(folder, file))
  return sizes
}

/**
 * A package and all that it depends on, as far as it is installed: what is for other platforms is not, but a second
 * libc's build may be, and this process would not load it.
 *
 * @returns {Record<string, number>} bytes by package
 */
export function installedSizes(entry) {
  const sizes = {}
  const visit = (folder) => {
    const { name, dependencies, optionalDependencies, libc } = readPackage(folder)
    if (sizes[name] !== undefined || libc?.includes(otherLibc())) return
    sizes[name] = sizeOf(folder)
    const require = createRequire(path.join(folder, 'package.json'))
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = require.resolve
        .paths(dependency)
        .map((place) => path.join(place, dependency))
        .find(existsSync)
      if (found) visit(found)
    }
  }
  visit(packageFolder(entry))
  return sizes
}

function otherLibc() {
  process.report.excludeNetwork = true
  return process.report.getReport().header.glibcVersionRuntime ? 'musl' : 'glibc'
}

function packageFolder(entry) {
  let folder = path.dirname(entry)
  while (!existsSync(path.join(folder, 'package.json'))) {
    if (folder === path.dirname(folder)) throw new Error(`${entry} belongs to no package`)
    folder = path.dirname(folder)
  }
  return folder
}

function readPackage(folder) {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
}

/** A file's bytes, or those of all files in a folder. */
function sizeOf(place) {
  const stat = statSync(place)
  if (!stat.isDirectory()) return stat.size
  return readdirSync(place).reduce(
    (sum, name) => sum + (name === 'node_modules' ? 0 : sizeOf(path.join(place, name))),
    0,
  )
}
