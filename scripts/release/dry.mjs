// A release for this machine's platform, with everything but the publishing: what the workflow does on each of its machines,
// here on one. All steps run that can, and what failed, and what was not tried, is said again at the end.
//
//   node scripts/release/dry.mjs [release|fast|built]      default: release. The packages stay in target/release-dry
//
// `fast` builds sooner what is larger than the budget allows; `built` takes the addon that is under npm/.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { pack, underNpm } from '../pack.mjs'
import { platforms } from '../platforms.mjs'
import { installModules } from '../setup.mjs'
import { attempt, root, stop } from '../shell.mjs'
import { describeElf, faults } from './addon.mjs'
import { inBareDebian, onOldCpu } from './elsewhere.mjs'
import { packageFaults } from './packages.mjs'
import { startRegistry } from './registry.mjs'
import { writeSbom } from './sbom.mjs'
import { notes } from './version.mjs'
import { installed, tryWays } from './ways.mjs'

const { thisPlatform } = createRequire(import.meta.url)('../../lib/platform.js')
const platform = thisPlatform().name
const [profile = 'release'] = process.argv.slice(2)
if (!['release', 'fast', 'built'].includes(profile)) stop(`There is no ${profile}; there are release, fast and built.`)
const folder = path.join(root, 'target/release-dry')

/** What a step calls with each thing that is wrong. */
function must(found, message) {
  if (!found) throw new Error(message)
}

const command = (words, options) => must(attempt(words, options), words.join(' '))

/** The whole of a version's bump, in a clone, whose folder goes away. */
function bumpVersion() {
  const clone = mkdtempSync(path.join(tmpdir(), 'unsharp-version-'))
  try {
    command(['git', 'clone', '--quiet', '--shared', root, clone])
    command(['npm', 'version', 'minor', '--no-git-tag-version', '--silent'], { cwd: clone })
    command([process.execPath, 'scripts/release/version.mjs', '--check'], { cwd: clone })
    const { version } = JSON.parse(readFileSync(path.join(clone, 'package.json'), 'utf8'))
    must(
      notes(readFileSync(path.join(clone, 'CHANGELOG.md'), 'utf8'), version),
      `the changelog says nothing of ${version}`,
    )
    command(['cargo', 'tree', '--locked', '--depth', '0'], { cwd: clone })
  } finally {
    rmSync(clone, { recursive: true })
  }
}

function systemLibraries() {
  if (process.platform !== 'linux') return 'only for Linux'
  const file = underNpm(platform)
  const { glibc, libraries } = describeElf(file)
  console.log(`glibc ${glibc ?? 'none'}, ${libraries.join(' ')}`)
  const found = faults(file)
  must(found.length === 0, found.join('; '))
  return ''
}

/** npm's own dry run, against a registry that has nothing; this process answers for it meanwhile. */
async function publishDry() {
  const registry = await startRegistry([])
  try {
    const env = { ...process.env, npm_config_registry: registry.origin }
    const words = ['scripts/release/publish.mjs', folder, '--dry-run']
    console.log((await promisify(execFile)(process.execPath, words, { cwd: root, env })).stdout)
  } finally {
    await registry.close()
  }
}

/** Packages of the platforms that are not built here, with nothing in them: Yarn asks a registry for every one by its name. */
function otherPlatforms() {
  const others = [...platforms().keys()].filter((name) => name !== platform)
  const placeholder = path.join(root, 'target/placeholder.node')
  writeFileSync(placeholder, '')
  return pack(path.join(root, 'target/release-dry-others'), others, () => placeholder).slice(1, -1)
}

/** Works in an app into which npm has installed the packages. */
async function withInstalled(tarballs, work) {
  const registry = await startRegistry(tarballs)
  const app = mkdtempSync(path.join(tmpdir(), 'unsharp-dry-'))
  try {
    await installed(app, registry.origin)
    return work(app)
  } finally {
    await registry.close()
    rmSync(app, { recursive: true })
  }
}

let tarballs = []
const steps = {
  'the version goes up everywhere, the changelog with it': bumpVersion,
  'THIRD_PARTY.md is what the lock says': () =>
    command([process.execPath, 'scripts/release/third-party.mjs', '--check']),
  [`the addon is built (${profile})`]: () => {
    if (profile === 'built') return 'it was asked to take what is there'
    command([process.execPath, 'scripts/build.mjs', profile, platform])
    return ''
  },
  'it asks of the system what every system has': systemLibraries,
  'packages are packed': () => {
    rmSync(folder, { recursive: true, force: true })
    tarballs = pack(folder, platform, underNpm)
  },
  'sizes keep within the budget, nothing runs at install, every importer finds code and types': () => {
    const found = packageFaults(tarballs)
    must(found.length === 0, found.join('; '))
  },
  'the bill of materials is written': () => writeSbom(platform, path.join(folder, `unsharp-${platform}.cdx.json`)),
  'they would be published (dry run)': publishDry,
  'package managers, runtimes and bundlers': async () => {
    const failed = []
    await tryWays([...tarballs, ...otherPlatforms()], (way, outcome, isFailure) => {
      console.log(`${isFailure ? 'FAILED' : 'ok    '} ${way}: ${outcome}`)
      if (isFailure) failed.push(way)
    })
    must(failed.length === 0, failed.join(', '))
  },
  'an old CPU': () => withInstalled(tarballs, onOldCpu),
  'a Debian with nothing in it': () => withInstalled(tarballs, inBareDebian),
}

installModules()
mkdirSync(folder, { recursive: true })
const failed = []
const untried = []
for (const [name, step] of Object.entries(steps)) {
  console.log(`\n# ${name}`)
  try {
    const reason = await step()
    if (typeof reason === 'string' && reason) untried.push(`${name}: ${reason}`)
  } catch (cause) {
    console.error(cause.message)
    failed.push(`${name}: ${cause.message}`)
  }
}
console.log(`\n${Object.keys(steps).length} steps. In ${path.relative(root, folder)}: ${readdirSync(folder).join(' ')}`)
if (untried.length > 0) console.log(`Not tried:\n  ${untried.join('\n  ')}`)
if (failed.length > 0) stop(`Failed:\n  ${failed.join('\n  ')}`)
