// The servers that are measured, each in a process of its own, and the upstream that all of them fetch from.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { APP, allow, imagePath } from '../../__test__/support/app.mjs'
import { canConnect, freePort } from '../../__test__/support/ports.mjs'
import { buildFor, copyOf, remove } from '../../parity/lib/sides.mjs'
import { buildApp, testApp } from '../../scripts/example.mjs'
import { root } from '../../scripts/shell.mjs'
import { cpuGroup } from './quota.mjs'

/** What a browser that takes WebP and AVIF sends for an image. */
export const ACCEPT = 'image/avif,image/webp,image/*,*/*;q=0.8'

const SHARP_HOOK = path.join(root, 'parity/lib/sharp-hook.cjs')
const NEXT = path.join(APP, 'node_modules/next/dist/bin/next')
const CLI = path.join(root, 'lib/cli.js')
const require = createRequire(import.meta.url)

const folder = mkdtempSync(path.join(os.tmpdir(), 'unsharp-bench-'))
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

/** Builds the Next app that is served, unless its build is there. */
export function prepareApp() {
  buildApp(testApp)
}

/**
 * A server whose every path is the same image, so that every url is an image of its own.
 *
 * @param {Buffer} image a JPEG
 */
export async function startUpstream(image) {
  const server = createServer((_, res) => {
    res.writeHead(200, { 'content-type': 'image/jpeg', 'cache-control': 'max-age=86400' }).end(image)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** The images config for that upstream. Images are made in the first of `formats` that the client accepts. */
export function imagesFrom(upstream, formats = ['image/webp']) {
  return allow(upstream, { formats, qualities: [75] })
}

/**
 * Starts a program and waits until it listens.
 *
 * @param {string[]} command
 * @param {object} options
 * @param {number} options.port where it will listen
 * @param {string} [options.on] the CPUs that it may use, as taskset writes them; default all
 * @param {number} [options.quota] a CPU quota, in CPUs; default none
 * @param {Record<string, string>} [options.env] added to ours
 * @param {string} [options.cwd]
 * @param {() => void} [options.after] runs once it has ended
 * @param {(url: string, query: object) => string} [options.urlOf] where it serves an image
 */
export async function startServer(command, { on, quota, port, env, cwd, after, urlOf = endpoint(port) }) {
  const pinned = on === undefined ? command : ['taskset', '-c', on, ...command]
  const group = quota === undefined ? null : cpuGroup({ quota })
  const [program, ...args] = group ? group.wrap(pinned) : pinned
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  running.add(child)
  let log = ''
  child.stderr.on('data', (chunk) => (log = (log + chunk).slice(-4000)))
  const exited = once(child, 'exit').then(() => {
    running.delete(child)
    group?.remove()
    after?.()
  })
  for (let attempt = 0; !(await canConnect(port)); attempt += 1) {
    if (attempt === 3000 || child.exitCode !== null) throw new Error(`${command.join(' ')} does not listen: ${log}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  return {
    ...{ pid: child.pid, port, urlOf },
    /** One image. */
    get: (url, query, accept = ACCEPT) => get(agent, urlOf(url, query), accept),
    /** One page of the app. */
    page: (target) => get(agent, `http://127.0.0.1:${port}${target}`, 'text/html'),
    stop: async () => {
      agent.destroy()
      child.kill('SIGTERM')
      await exited
    },
  }
}

function endpoint(port) {
  return (url, query) => `http://127.0.0.1:${port}${imagePath({ url, ...query })}`
}

/**
 * `next start`, unchanged but for what `require('sharp')` gives.
 *
 * @param {{ images: object, sharp?: 'sharp' | 'alias', on?: string, quota?: number }} options
 */
export async function startNext({ images, sharp = 'sharp', ...limits }) {
  const port = await freePort()
  const dist = copyOf(buildFor({}))
  const env = {
    ...{ NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
    TEST_CONFIG: JSON.stringify({ images, distDir: dist.distDir }),
    TEST_SHARP: sharp === 'sharp' ? require.resolve('sharp-reference') : path.join(root, 'lib/sharp.js'),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require "${SHARP_HOOK}"`,
  }
  const command = [process.execPath, NEXT, 'start', '-p', String(port), '-H', '127.0.0.1']
  return startServer(command, { ...limits, port, env, cwd: APP, after: () => remove(dist) })
}

/**
 * The app's custom server with `createImageHandler` in the process.
 *
 * @param {{ images: object, handler?: object, on?: string, quota?: number }} options `handler`: its options
 */
export async function startHandler({ images, handler, ...limits }) {
  const port = await freePort()
  const dist = copyOf(buildFor({}))
  const env = {
    ...{ NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
    TEST_CONFIG: JSON.stringify({ images, distDir: dist.distDir }),
    TEST_SERVER: JSON.stringify({ handler, port }),
  }
  return startServer([process.execPath, 'server.mjs'], { ...limits, port, env, cwd: APP, after: () => remove(dist) })
}

/** `npx unsharp serve`. */
export async function startService({ images, ...limits }) {
  const port = await freePort()
  const file = path.join(folder, `service-${port}.json`)
  writeFileSync(file, JSON.stringify({ host: '127.0.0.1', port, images }))
  return startServer([process.execPath, CLI, 'serve', '--config', file], { ...limits, port })
}

/**
 * node:http that answers `body` to everything.
 *
 * @param {{ body: Buffer, on?: string, quota?: number }} options
 */
export async function startBare({ body, ...limits }) {
  const port = await freePort()
  const file = path.join(folder, `bare-${port}`)
  writeFileSync(file, body)
  const script = path.join(import.meta.dirname, 'bare-server.mjs')
  return startServer([process.execPath, script, String(port), file], { ...limits, port })
}

function get(agent, url, accept) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { accept } }, (answer) => {
      let bytes = 0
      answer.on('data', (chunk) => (bytes += chunk.length))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], bytes }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** An answer that is no image would look fast. */
export function expectImage({ status, type, bytes }, name) {
  if (status !== 200 || !/^image\//.test(type) || bytes < 1000)
    throw new Error(`${name} answers ${status} ${type}, ${bytes} bytes`)
}

/** Time on CPUs of a process, all of its threads together; on a busy machine it says more than the clock does. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // User and system time in ticks, of which every Linux counts 100 a second.
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** A process's resident set, MB. */
export function rssMb(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
}
