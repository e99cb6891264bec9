// The alias package in real Next apps: every `sharp` in the tree is unsharp-sharp, and nothing else has changed.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import real from 'sharp-reference'
import { optimize } from '../index.js'
import sharp from '../lib/sharp.js'
import { pack } from '../scripts/pack.mjs'
import { BROWSER, send, WEBP } from './support/app.mjs'
import { photoFile } from './support/images.mjs'

const PLATFORM = 'linux-x64-gnu'
const skip = process.platform === 'linux' && process.arch === 'x64' ? false : 'there is no package for this platform'

const source = path.join(import.meta.dirname, 'alias')
const photo = photoFile('alps.jpg')
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }

/** Removed when everything has ended that may write there. */
const folders = []

function newFolder(name) {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), name)))
  folders.push(folder)
  return folder
}

let tarballs
before(() => {
  if (!skip) tarballs = pack(newFolder('unsharp-alias-'), PLATFORM)
})
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})

/** A new app with this Next, whose modules are installed by npm or pnpm. */
function newApp({ next, react, pnpm = false }) {
  const dir = newFolder('unsharp-app-')
  cpSync(source, dir, { recursive: true })
  mkdirSync(path.join(dir, 'public'))
  for (const name of ['photo.jpg', 'public/photo.jpg']) writeFileSync(path.join(dir, name), photo)
  writeFileSync(path.join(dir, 'public/canyon.avif'), photoFile('canyon.avif'))
  const [main, platform, alias] = tarballs.map((file) => `file:${file}`)
  const manifest = {
    private: true,
    dependencies: { next, react, 'react-dom': react, unsharp: main, [`unsharp-${PLATFORM}`]: platform, sharp: alias },
    overrides: { sharp: '$sharp' },
  }
  const options = { cwd: dir, env, stdio: ['ignore', 'ignore', 'inherit'] }
  if (pnpm) {
    delete manifest.overrides
    writeFileSync(path.join(dir, 'package.json'), JSON.stringify(manifest))
    // What is not published yet comes from the tarballs everywhere.
    const overrides = { sharp: alias, unsharp: main, [`unsharp-${PLATFORM}`]: platform }
    const lines = Object.entries(overrides).map(([name, from]) => `  ${name}: ${from}\n`)
    writeFileSync(path.join(dir, 'pnpm-workspace.yaml'), `overrides:\n${lines.join('')}`)
    execFileSync('npx', ['--yes', 'pnpm@10.34.9', 'install', '--prefer-offline', '--silent'], options)
  } else {
    writeFileSync(path.join(dir, 'package.json'), JSON.stringify(manifest))
    const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
    execFileSync('npm', ['install', ...quiet], options)
  }
  assertNoSharp(dir)
  return dir
}

/** Next finds the alias where it looks for sharp, and libvips is nowhere. */
function assertNoSharp(dir) {
  const next = realpathSync(path.join(dir, 'node_modules/next'))
  const found = createRequire(path.join(next, 'package.json')).resolve('sharp/package.json')
  assert.equal(JSON.parse(readFileSync(found, 'utf8')).name, 'unsharp-sharp')
  for (const folder of ['node_modules', 'node_modules/.pnpm']) {
    if (!existsSync(path.join(dir, folder))) continue
    const names = readdirSync(path.join(dir, folder))
    assert.deepEqual(
      names.filter((name) => name.startsWith('@img') || /^sharp@\d/.test(name)),
      [],
    )
  }
}

const bin = (dir) => path.join(dir, 'node_modules/next/dist/bin/next')

function build(dir, { flags = [], standalone = '' } = {}) {
  const options = { cwd: dir, env: { ...env, TEST_STANDALONE: standalone }, stdio: ['ignore', 'ignore', 'inherit'] }
  execFileSync(process.execPath, [bin(dir), 'build', ...flags], options)
}

/** Starts Next and returns how to ask it. */
const start = (t, dir, command = 'start') => serve(t, dir, [bin(dir), command, '-p', '0'], command)

/** What a standalone build is, in a place from where the app's modules can't be found. */
function moveStandalone(dir) {
  const place = path.join(newFolder('unsharp-standalone-'), 'app')
  cpSync(path.join(dir, '.next/standalone'), place, { recursive: true, verbatimSymlinks: true })
  cpSync(path.join(dir, '.next/static'), path.join(place, '.next/static'), { recursive: true })
  cpSync(path.join(dir, 'public'), path.join(place, 'public'), { recursive: true })
  rmSync(dir, { recursive: true, maxRetries: 10 })
  return place
}

async function freePort() {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function serve(t, cwd, args, command) {
  const mode = command === 'dev' ? 'development' : 'production'
  const server = spawn(process.execPath, args, {
    cwd,
    // A standalone server takes its port from here, and 0 for none given.
    env: { ...env, NODE_ENV: mode, PORT: String(await freePort()), HOSTNAME: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(server, 'exit')
  const stop = async () => {
    server.kill()
    await ended
  }
  t.after(stop)
  const port = await new Promise((resolve, reject) => {
    createInterface(server.stdout).on('line', (line) => {
      const found = /http:\/\/localhost:(\d+)/.exec(line)
      if (found) resolve(Number(found[1]))
    })
    ended.then(([code]) => reject(new Error(`${args.join(' ')} ended with ${code}`)))
  })
  return { get: (target, accept = '*/*') => send({ port, path: target, headers: { accept } }), stop }
}

/** The image urls of a page, for one width each. */
function imageUrls({ text }, width) {
  const found = [...text.matchAll(/\/_next\/image\?url=[^"\s]+/g)].map(([url]) => url.replaceAll('&amp;', '&'))
  return [...new Set(found)].filter((url) => url.includes(`&w=${width}&`))
}

/** The picture that is inlined as the placeholder of a static import. */
function placeholder({ text }) {
  const [, base64] = /data:image\/jpeg;base64,([A-Za-z0-9+/]+)/.exec(text)
  return Buffer.from(base64, 'base64')
}

/** What Next does with sharp for these two, in every version the same but for AVIF. */
async function made(major, format) {
  const image = sharp(photo).rotate().resize(640, undefined, { withoutEnlargement: true })
  if (format === 'webp') return image.webp({ quality: 75 }).toBuffer()
  const quality = major === 14 ? 60 : 47
  return image.avif({ quality }).toBuffer()
}

/** Pages of both routers, and their images in the format of the client, made by our encoders to the last byte. */
async function assertServes(next, major, { dev = false } = {}) {
  for (const [target, heading] of [
    ['/', 'App Router'],
    ['/classic', 'Pages Router'],
  ]) {
    const page = await next.get(target)
    assert.equal(page.status, 200, target)
    assert.match(page.text, new RegExp(heading))
    const [url] = imageUrls(page, 640)
    for (const [accept, format] of [
      [BROWSER, 'avif'],
      [WEBP, 'webp'],
    ]) {
      const answer = await next.get(url, accept)
      assert.equal(answer.status, 200, url)
      assert.equal(answer.headers['content-type'], `image/${format}`)
      assert.ok(answer.body.equals(await made(major, format)), `${format} on ${target}`)
    }
    const plain = await next.get(url)
    assert.equal(plain.headers['content-type'], 'image/jpeg')
    assert.equal((await real(plain.body).metadata()).width, 640)
  }
  if (dev) return
  const drawn = await next.get('/og')
  assert.equal(drawn.headers['content-type'], 'image/png')
  const { channels, format, height, width } = await real(drawn.body).metadata()
  assert.deepEqual([format, width, height], ['png', 600, 315])
  // Next's own renderer, which 14 and 15 have alone, always writes an alpha channel.
  assert.equal(channels, major < 16 ? 4 : 3)
  const { dominant } = await real(drawn.body).stats()
  assert.ok(dominant.b > dominant.r, 'it is mostly blue')
}

/** With webpack the placeholder comes from sharp, with Turbopack from the bundler. */
async function assertPlaceholder(next, { ours }) {
  const tiny = placeholder(await next.get('/'))
  const { height, width } = await real(tiny).metadata()
  assert.equal(Math.max(width, height), 8)
  const { data } = await optimize(photo, { width, height, quality: 70, format: 'jpeg' })
  assert.equal(tiny.equals(data), ours)
}

test('Next 14, webpack', { skip }, async (t) => {
  const dir = newApp({ next: '14.2.35', react: '18.3.1' })
  build(dir)
  const next = await start(t, dir)
  await assertServes(next, 14)
  await assertPlaceholder(next, { ours: true })
})

test('Next 15, webpack', { skip }, async (t) => {
  const dir = newApp({ next: '15.5.29', react: '19.3.1' })
  build(dir)
  const next = await start(t, dir)
  await assertServes(next, 15)
  await assertPlaceholder(next, { ours: true })
  // 15 asks whether AVIF is safe to decode.
  const avif = await next.get('/_next/image?url=%2Fcanyon.avif&w=640&q=75', WEBP)
  assert.equal(avif.headers['content-type'], 'image/webp')
})

test('Next 16, Turbopack, then webpack, then next dev', { skip }, async (t) => {
  const dir = newApp({ next: '16.4.6', react: '19.3.1' })
  build(dir)
  const turbopack = await start(t, dir)
  await assertServes(turbopack, 16)
  await assertPlaceholder(turbopack, { ours: false })
  await turbopack.stop()

  rmSync(path.join(dir, '.next'), { recursive: true })
  build(dir, { flags: ['--webpack'] })
  const webpack = await start(t, dir)
  await assertServes(webpack, 16)
  await assertPlaceholder(webpack, { ours: true })
  await webpack.stop()

  const dev = await start(t, dir, 'dev')
  await assertServes(dev, 16, { dev: true })
})

test('Next 16 in the isolated layout of pnpm, as a standalone server', { skip }, async (t) => {
  const dir = newApp({ next: '16.4.6', react: '19.3.1', pnpm: true })
  assert.ok(existsSync(path.join(dir, 'node_modules/.pnpm')))
  build(dir, { standalone: 'yes' })
  const place = moveStandalone(dir)
  await assertServes(await serve(t, place, ['server.js']), 16)
})
