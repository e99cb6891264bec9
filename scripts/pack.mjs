// Packs what gets published: the main package, the one with this platform's addon, and the alias for sharp.
//
//   node scripts/pack.mjs [folder]      default: dist
//
// The published package.json differs from the repository's in one thing: it names the platform packages as optional
// dependencies. In the repository they can't stand, because `npm ci` would look for them in the registry.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { root, stop } from './shell.mjs'

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))

/** The folders under npm/ that hold a platform's package. */
function platforms() {
  return readdirSync(path.join(root, 'npm')).filter((name) => {
    const { os } = readJson(path.join(root, 'npm', name, 'package.json'))
    return os !== undefined
  })
}

/** What npm may publish from a staged folder; prints the name of the tarball. */
function npmPack(stage, destination) {
  const args = ['pack', '--silent', '--pack-destination', destination]
  const printed = execFileSync('npm', args, { cwd: stage, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return path.join(destination, printed.trim().split('\n').at(-1))
}

function stageMain(stage) {
  const { devDependencies: _, scripts: __, ...manifest } = readJson(path.join(root, 'package.json'))
  const names = platforms().map((name) => readJson(path.join(root, 'npm', name, 'package.json')).name)
  manifest.optionalDependencies = Object.fromEntries(names.map((name) => [name, manifest.version]))
  writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  // npm adds a README by itself.
  for (const name of [...manifest.files, 'README.md']) {
    cpSync(path.join(root, name), path.join(stage, name), { recursive: true })
  }
}

function stagePlatform(stage, platform) {
  const folder = path.join(root, 'npm', platform)
  const { files, version } = readJson(path.join(folder, 'package.json'))
  const wanted = readJson(path.join(root, 'package.json')).version
  if (version !== wanted) stop(`npm/${platform} has version ${version}, and the package has ${wanted}.`)
  copyFileSync(path.join(folder, 'package.json'), path.join(stage, 'package.json'))
  for (const name of files) copyFileSync(path.join(root, name), path.join(stage, name))
}

/** The package that takes the name of sharp. */
function stageAlias(stage) {
  const folder = path.join(root, 'npm/sharp')
  const { dependencies, files } = readJson(path.join(folder, 'package.json'))
  const wanted = readJson(path.join(root, 'package.json')).version
  if (dependencies.unsharp !== wanted)
    stop(`npm/sharp depends on unsharp ${dependencies.unsharp}, and this is ${wanted}.`)
  for (const name of ['package.json', 'README.md', ...files]) {
    const isLicence = name.startsWith('LICENSE')
    copyFileSync(path.join(isLicence ? root : folder, name), path.join(stage, name))
  }
}

/**
 * @param {string} destination where the tarballs go
 * @param {string} platform a folder under npm/, whose addon has been built
 * @returns {string[]} the paths of the tarballs: the main package's, the platform's, and the alias's
 */
export function pack(destination, platform) {
  mkdirSync(destination, { recursive: true })
  return [stageMain, (stage) => stagePlatform(stage, platform), stageAlias].map((fill) => {
    const stage = mkdtempSync(path.join(tmpdir(), 'unsharp-pack-'))
    fill(stage)
    const tarball = npmPack(stage, destination)
    rmSync(stage, { recursive: true })
    return tarball
  })
}

if (import.meta.filename === process.argv[1]) {
  const built = platforms().find((name) => readdirSync(root).includes(`unsharp.${name}.node`))
  if (!built) stop('There is no addon to pack. Build one: npm run build')
  for (const tarball of pack(path.resolve(process.argv[2] ?? 'dist'), built)) console.log(tarball)
}
