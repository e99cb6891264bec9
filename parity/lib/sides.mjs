// The servers that are compared: `next start` with sharp, the same on the alias, and the custom server with our handler.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { APP } from '../../__test__/support/app.mjs'
import { root, run } from '../../scripts/shell.mjs'
import { startUpstream } from './upstream.mjs'

const require = createRequire(import.meta.url)
const HOOK = path.join(import.meta.dirname, 'sharp-hook.cjs')
const NEXT = path.join(APP, 'node_modules/next/dist/bin/next')
/** Copies of builds, each with an image cache of its own. Inside of the app, where its modules are found. */
const COPIES = path.join(APP, '.parity')

/** What each side is. `sharp`: what `require('sharp')` is in it; without one it is the custom server. */
export const SIDES = {
  reference: { sharp: require.resolve('sharp-reference'), about: 'next start with sharp' },
  alias: { sharp: path.join(root, 'lib/sharp.js'), about: 'next start on the alias' },
  handler: { about: 'custom server with createImageHandler' },
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
  const upstream = await startUpstream()
  const { sharp } = SIDES[name]
  const env = {
    ...process.env,
    NODE_ENV: config.dev ? 'development' : 'production',
    NEXT_TELEMETRY_DISABLED: '1',
    TEST_CONFIG: JSON.stringify({ ...config.build?.config, ...config.next, distDir: dist.distDir }),
    TEST_SERVER: JSON.stringify({ handler: { dev: config.dev, ...config.handler } }),
    TEST_SOURCES: upstream.origin,
    ...(sharp && { TEST_SHARP: sharp, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require "${HOOK}"` }),
  }
  const child = sharp
    ? spawn(process.execPath, [NEXT, config.dev ? 'dev' : 'start', '-p', '0', '-H', '127.0.0.1'], {
        ...{ cwd: APP, env, stdio: ['ignore', 'pipe', 'pipe'] },
      })
    : fork(path.join(APP, 'server.mjs'), { cwd: APP, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  leftovers.children.add(child)
  child.once('exit', () => leftovers.children.delete(child))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
  const ended = once(child, 'exit').then(([code]) => {
    upstream.stop()
    throw new Error(`${name} ended with ${code} before it listened:\n${log}`)
  })
  const port = await Promise.race([sharp ? announcedPort(child) : reportedPort(child), ended])
  ended.catch(() => {})
  return {
    ...{ name, config, dist, upstream, port },
    log: () => log,
    stop: async () => {
      upstream.stop()
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

function announcedPort(child) {
  return new Promise((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
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
