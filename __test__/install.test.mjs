// What npm makes of the packages, from a registry that has nothing else in it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { besideIndex, pack } from '../scripts/pack.mjs'
import { platforms, readJson } from '../scripts/platforms.mjs'
import { manifestOf, startRegistry } from '../scripts/release/registry.mjs'

const { thisPlatform } = createRequire(import.meta.url)('../lib/platform.js')
const own = thisPlatform()
const skip = platforms().has(own.name) ? false : 'there is no package for this platform'
const SMOKE = path.resolve(import.meta.dirname, '../scripts/release/smoke.mjs')

describe('packages from a registry', { skip }, () => {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'unsharp-install-')))
  let registry
  let tarballs

  before(async () => {
    // Of the other platforms only the names count.
    const placeholder = path.join(dir, 'placeholder.node')
    writeFileSync(placeholder, 'no library')
    const addons = (platform) => (platform === own.name ? besideIndex(platform) : placeholder)
    tarballs = pack(path.join(dir, 'tarballs'), [...platforms().keys()], addons)
    registry = await startRegistry(tarballs)
  })

  after(async () => {
    await registry.close()
    rmSync(dir, { recursive: true })
  })

  /** Runs npm in a folder, against the registry. */
  const npm = (app, words) => {
    const how = ['--registry', registry.origin, '--cache', path.join(dir, 'cache'), '--no-audit', '--no-fund']
    return promisify(execFile)('npm', [...words, ...how], { cwd: app })
  }

  /** An app into which npm has installed unsharp. */
  async function newApp(name, flags = []) {
    const app = path.join(dir, name)
    mkdirSync(app)
    writeFileSync(path.join(app, 'package.json'), '{"name":"app","private":true}')
    cpSync(SMOKE, path.join(app, 'smoke.mjs'))
    await npm(app, ['install', 'unsharp', ...flags])
    return app
  }

  const installed = (app) => readdirSync(path.join(app, 'node_modules')).filter((name) => name.startsWith('unsharp'))
  const smoke = (app) => promisify(execFile)(process.execPath, ['smoke.mjs'], { cwd: app })

  test('npm install brings the addon of this platform and no other, and pictures go through every format', async () => {
    const app = await newApp('plain')
    assert.deepEqual(installed(app), ['unsharp', `unsharp-${own.name}`])
    assert.match((await smoke(app)).stdout, /^ok: /)
  })

  test('for each platform that npm is told, it brings the package of that one', async () => {
    for (const [name, { os, cpu }] of platforms()) {
      const { libc } = readJson(`npm/${name}/package.json`)
      const app = await newApp(`for-${name}`, [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc[0]}`] : [])])
      assert.deepEqual(installed(app), ['unsharp', `unsharp-${name}`])
    }
  })

  for (const [how, flags] of Object.entries({
    'for another platform': ['--os=darwin', '--cpu=arm64'],
    'without optional dependencies': ['--omit=optional'],
  })) {
    test(`what was installed ${how} names the command that mends it`, async () => {
      const app = await newApp(how.replaceAll(' ', '-'), flags)
      const { message } = await smoke(app).then(
        () => assert.fail('it loaded'),
        (cause) => cause,
      )
      const [, command] = /^Fix: npm (.+)$/m.exec(message)
      await npm(app, command.split(' '))
      assert.match((await smoke(app)).stdout, /^ok: /)
    })
  }

  test('nothing runs while the packages are installed, and every package has its licences', () => {
    for (const tarball of tarballs) {
      const { files, name, scripts } = manifestOf(tarball)
      assert.equal(scripts, undefined, name)
      assert.ok(files.includes('LICENSE-MIT') && files.includes('LICENSE-APACHE'), name)
    }
  })

  test('what an addon is made of comes with it', async () => {
    const tarball = tarballs.find((file) => file.includes(own.name))
    const { stdout } = await promisify(execFile)('tar', ['-xzOf', tarball, 'package/THIRD_PARTY.md'], {
      maxBuffer: 16 << 20,
    })
    for (const library of ['libaom', 'libwebp', 'mozjpeg']) assert.match(stdout, new RegExp(`^\\| ${library} \\|`, 'm'))
    assert.match(stdout, /Alliance for Open Media Patent License 1\.0/)
  })
})
