// The servers that are compared: `next start` with sharp, the same on the alias, the custom server with our handler, and
// the service.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { APP } from '../../__test__/support/app.mjs'
import { root, run } from '../../scripts/shell.mjs'
import { startGateway } from './gateway.mjs'
import { startUpstream } from './upstream.mjs'

const require = createRequire(import.meta.url)
const HOOK = path.join(import.meta.dirname, 'sharp-hook.cjs')
const NEXT = path.join(APP, 'node_modules/next/dist/bin/next')
/** Copies of builds, each with an image cache of its own. Inside of the app, where its modules are found. */
const COPIES = path.join(APP, '.parity')

const SHARP = require.resolve('sharp-reference')

/**
 * What each side is. `sharp`: what `require('sharp')` is in `next start`; `service`: what `npx unsharp serve` gets beside it.
 * Without either it is the custom server.
 */
export const SIDES = {
  reference: { sharp: SHARP, about: 'next start with sharp' },
  alias: { sharp: path.join(root, 'lib/sharp.js'), about: 'next start on the alias' },
  handler: { about: 'custom server with createImageHandler' },
  service: { sharp: SHARP, service: true, about: 'the service beside next start, behind a gateway' },
}

/** The sides that this checkout can start. */
export const available = () => Object.keys(SIDES).filter((name) => existsSync(SIDES[name].sharp ?? HOOK))

/**
 * The folder of the build that a config needs, made when it is not there. Most of next.config is read when the server
 * starts, so the app's ordinary build does for all configs but those with a `build`.
 */
export function buildFor({ build }) {
  if (!build) return path.join(APP, '.next')
  const distDir = `.parity/build-${build.name}`
  const folder = path.join(APP, distDir)
  rmSync(folder, { recursive: true, force: true })
  const env = { TEST_CONFIG: JSON.stringify({ ...build.config, distDir }), NEXT_TELEMETRY_DISABLED: '1' }
  run([process.execPath, NEXT, 'build'], { cwd: APP, env })
  return folder
}

let copies = 0

/** What is left behind when a run ends before its time, by Ctrl-C or an error. */
const leftovers = { children: new Set(), folders: new Set() }
process.once('exit', () => {
  for (const child of leftovers.children) child.kill()
  for (const folder of leftovers.folders) rmSync(folder, { recursive: true, force: true })
})

/** A copy of a build without its cache. */
export function copyOf(build) {
  copies += 1
  const name = `${process.pid}-${copies}`
  const folder = path.join(COPIES, name)
  mkdirSync(folder, { recursive: true })
  leftovers.folders.add(folder)
  for (const entry of readdirSync(build)) {
    if (entry === 'cache' || entry === 'lock') continue
    cpSync(path.join(build, entry), path.join(folder, entry), { recursive: true })
  }
  return { folder, distDir: `.parity/${name}`, cache: path.join(folder, 'cache/images') }
}

/**
 * Starts one side over a copy of a build.
 *
 * @param {string} name of SIDES
 * @param {object} config one of the suite's configs
 * @param {ReturnType<typeof copyOf>} dist
 */
export async function startSide(name, config, dist) {
  const { sharp, service } = SIDES[name]
  const upstream = await startUpstream()
  const started = [upstream]
  const stop = async () => {
    for (const part of started.toReversed()) await part.stop()
  }
  try {
    const app = await startApp(name, { config, dist, upstream, sharp })
    started.push(app)
    let [port, log] = [app.port, app.log]
    if (service) {
      const images = await startService(name, { config, dist, app })
      started.push(images)
      const { basePath = '', trailingSlash } = config.build?.config ?? {}
      const endpoint = `${basePath}/_next/image${trailingSlash ? '/' : ''}`
      const gateway = await startGateway({ images: endpoint, imagePort: images.port, appPort: app.port })
      started.push(gateway)
      port = gateway.port
      log = () => app.log() + images.log()
    }
    return { name, config, dist, upstream, port, log, stop }
  } catch (cause) {
    await stop()
    throw cause
  }
}

/** The Next app: `next start` (or dev) with a sharp, or the custom server. */
function startApp(name, { config, dist, upstream, sharp }) {
  const env = {
    ...process.env,
    NODE_ENV: config.dev ? 'development' : 'production',
    NEXT_TELEMETRY_DISABLED: '1',
    TEST_CONFIG: JSON.stringify({ ...config.build?.config, ...config.next, distDir: dist.distDir }),
    TEST_SERVER: JSON.stringify({ handler: { dev: config.dev, ...config.handler } }),
    TEST_SOURCES: upstream.origin,
    ...(sharp && { TEST_SHARP: sharp, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require "${HOOK}"` }),
  }
  if (!sharp) {
    const child = fork(path.join(APP, 'server.mjs'), { cwd: APP, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    return listening(name, child, reportedPort)
  }
  const args = [NEXT, config.dev ? 'dev' : 'start', '-p', '0', '-H', '127.0.0.1']
  const child = spawn(process.execPath, args, { cwd: APP, env, stdio: ['ignore', 'pipe', 'pipe'] })
  return listening(name, child, ({ stdout }) => announcedPort(stdout))
}

/** `npx unsharp serve` for the app, with its config and over its cache folder. */
function startService(name, { config, dist, app }) {
  const file = path.join(dist.folder, 'service.json')
  // Languages are the app's to route by.
  const { i18n, images, ...next } = { ...config.build?.config, ...config.next }
  const settings = {
    ...{ ...next, images: { formats: ['image/avif', 'image/webp'], ...images } },
    ...{ host: '127.0.0.1', port: 0, fallback: `http://127.0.0.1:${app.port}`, cacheDir: dist.cache },
    ...{ experimental: { imgOptTimeoutInSeconds: 600, ...next.experimental }, timeout: 600_000 },
    ...config.service,
  }
  writeFileSync(file, JSON.stringify(settings))
  const args = [path.join(root, 'lib/cli.js'), 'serve', '--config', file]
  const child = spawn(process.execPath, args, { env: process.env, stdio: ['ignore', 'pipe', 'pipe'] })
  return listening(name, child, ({ stderr }) => announcedPort(stderr))
}

/** Waits until a server listens. */
async function listening(name, child, portOf) {
  leftovers.children.add(child)
  child.once('exit', () => leftovers.children.delete(child))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code} before it listened:\n${log}`)
  })
  const port = await Promise.race([portOf(child), ended])
  ended.catch(() => {})
  return {
    port,
    log: () => log,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill()
      await exited
    },
  }
}

async function reportedPort(child) {
  const [{ port }] = await once(child, 'message')
  return port
}

function announcedPort(stream) {
  return new Promise((resolve) => {
    createInterface(stream).on('line', (line) => {
      const found = /http:\/\/[^\s:]+:(\d+)/.exec(line)
      if (found) resolve(Number(found[1]))
    })
  })
}

/** Removes a copy. */
export function remove(dist) {
  rmSync(dist.folder, { recursive: true, force: true })
  leftovers.folders.delete(dist.folder)
}
