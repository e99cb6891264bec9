// Packs what gets published: the main package, those with the addons, and the alias for sharp.
//
//   node scripts/pack.mjs [folder]             with the addon that was built beside index.js; default: dist
//   node scripts/pack.mjs [folder] --release   with those under npm/, which have to be there for every platform
//
// The published package.json differs from the repository's in what npm would trip over there: it names the platform packages
// as optional dependencies, which `npm ci` would look for in the registry. In a workflow it also names the repository, as
// npm asks of a package that says which workflow made it.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { platforms, readJson } from './platforms.mjs'
import { root, stop } from './shell.mjs'

const LICENCES = ['LICENSE-MIT', 'LICENSE-APACHE']

/** What the package of an addon has besides it. */
export const ADDON_LICENCES = [...LICENCES, 'THIRD_PARTY.md']

/** The file with a platform's addon, as it is called everywhere. */
export const addonName = (platform) => `unsharp.${platform}.node`

/** What npm publishes from a staged folder; prints the name of the tarball. */
function npmPack(stage, destination) {
  const args = ['pack', '--silent', '--pack-destination', destination]
  const printed = execFileSync('npm', args, { cwd: stage, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return path.join(destination, printed.trim().split('\n').at(-1))
}

/**
 * The type of module is not said in the repository, where it would hold for the Next apps of the tests too.
 *
 * @param {string} stage
 * @param {Record<string, unknown>} manifest
 */
function writeManifest(stage, manifest) {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env
  const repository = server && name ? { repository: { type: 'git', url: `git+${server}/${name}.git` } } : {}
  writeFileSync(
    path.join(stage, 'package.json'),
    `${JSON.stringify({ ...manifest, type: 'commonjs', ...repository }, null, 2)}\n`,
  )
}

function stageMain(stage) {
  const { devDependencies: _, scripts: __, ...manifest } = readJson('package.json')
  const names = [...platforms().keys()].map((name) => readJson(`npm/${name}/package.json`).name)
  manifest.optionalDependencies = Object.fromEntries(names.map((name) => [name, manifest.version]))
  writeManifest(stage, manifest)
  // npm adds a README by itself.
  for (const name of [...manifest.files, 'README.md']) {
    cpSync(path.join(root, name), path.join(stage, name), { recursive: true })
  }
}

function stagePlatform(stage, platform, addons) {
  const manifest = readJson(`npm/${platform}/package.json`)
  writeManifest(stage, { ...manifest, files: [...manifest.files, ...ADDON_LICENCES] })
  copyFileSync(path.join(root, 'npm', platform, 'README.md'), path.join(stage, 'README.md'))
  for (const name of ADDON_LICENCES) copyFileSync(path.join(root, name), path.join(stage, name))
  copyFileSync(addons(platform), path.join(stage, addonName(platform)))
}

/** The package that takes the name of sharp. */
function stageAlias(stage) {
  const folder = path.join(root, 'npm/sharp')
  const manifest = readJson('npm/sharp/package.json')
  writeManifest(stage, manifest)
  for (const name of ['README.md', ...manifest.files]) {
    copyFileSync(path.join(LICENCES.includes(name) ? root : folder, name), path.join(stage, name))
  }
}

/** Where an addon for this machine is. */
export const besideIndex = (platform) => path.join(root, addonName(platform))

/** Where an addon for a package is. */
export const underNpm = (platform) => path.join(root, 'npm', platform, addonName(platform))

/**
 * @param {string} destination where the tarballs go
 * @param {string | string[]} packed platforms whose addon has been built
 * @param {(platform: string) => string} [addons] where it is
 * @returns {string[]} the paths of the tarballs: the main package's, the platforms', and the alias's
 */
export function pack(destination, packed, addons = besideIndex) {
  mkdirSync(destination, { recursive: true })
  const ofPlatforms = [packed].flat().map((platform) => (stage) => stagePlatform(stage, platform, addons))
  return [stageMain, ...ofPlatforms, stageAlias].map((fill) => {
    const stage = mkdtempSync(path.join(tmpdir(), 'unsharp-pack-'))
    try {
      fill(stage)
      return npmPack(stage, destination)
    } finally {
      rmSync(stage, { recursive: true })
    }
  })
}

if (import.meta.filename === process.argv[1]) {
  const flags = process.argv.slice(2)
  const release = flags.includes('--release')
  const [folder = 'dist'] = flags.filter((flag) => flag !== '--release')
  const addons = release ? underNpm : besideIndex
  const all = [...platforms().keys()]
  const there = all.filter((platform) => existsSync(addons(platform)))
  const lacking = all.filter((platform) => !there.includes(platform))
  if (release && lacking.length > 0) stop(`There is no addon for ${lacking.join(', ')}.`)
  if (there.length === 0) stop('There is no addon to pack. Build one: npm run build')
  for (const tarball of pack(path.resolve(folder), there, addons)) console.log(tarball)
}
