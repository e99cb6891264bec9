// Real Next apps in folders of their own outside the repository, with the packed unsharp installed.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pack } from '../../scripts/pack.mjs'
import { BROWSER, imagePath, send, until } from './app.mjs'
import { canConnect, freePort } from './ports.mjs'

const WAYS = path.resolve(import.meta.dirname, '../ways')
const PLATFORM = 'linux-x64-gnu'

/** Why the tests with real apps can't run here; false where they can. */
export const skip =
  process.platform === 'linux' && process.arch === 'x64' ? false : 'there is no package for this platform'

const quiet = { NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' }

/** `npm ci` of one of the locks beside the app, once per machine. */
function installed(major) {
  const source = path.join(WAYS, `next-${major}`)
  const lock = readFileSync(path.join(source, 'package-lock.json'))
  const hash = createHash('sha256').update(lock).digest('hex').slice(0, 12)
  const cache = path.join(realpathSync(tmpdir()), `unsharp-next-${major}-${hash}`)
  if (!existsSync(cache)) {
    const fresh = mkdtempSync(`${cache}-`)
    cpSync(source, fresh, { recursive: true })
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], {
      cwd: fresh,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    try {
      renameSync(fresh, cache)
    } catch (cause) {
      // Another run was faster.
      if (!existsSync(cache)) throw cause
      rmSync(fresh, { recursive: true })
    }
  }
  return cache
}

let tarballs
/** What `npm install unsharp` puts into node_modules. */
function installUnsharp(dir) {
  if (!tarballs) {
    const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-tarballs-'))
    process.once('exit', () => rmSync(folder, { recursive: true }))
    tarballs = pack(folder, PLATFORM)
  }
  for (const [name, tarball] of [
    ['unsharp', tarballs[0]],
    [`unsharp-${PLATFORM}`, tarballs[1]],
  ]) {
    const folder = path.join(dir, 'node_modules', name)
    mkdirSync(folder)
    execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'])
  }
}

/**
 * The test app on a version of Next.
 *
 * @param {number} major
 * @param {{ leaveOut?: string[] }} [options] files of the app that this version can't have
 */
export function nextApp(major, { leaveOut = [] } = {}) {
  const dir = mkdtempSync(path.join(realpathSync(tmpdir()), `unsharp-ways-${major}-`))
  // Hard links: a copy would take a third of a gigabyte per app.
  execFileSync('cp', ['-al', path.join(installed(major), 'node_modules'), dir])
  cpSync(path.join(WAYS, `next-${major}/package.json`), path.join(dir, 'package.json'))
  cpSync(path.join(WAYS, 'app'), dir, { recursive: true })
  for (const name of leaveOut) rmSync(path.join(dir, name), { recursive: true })
  installUnsharp(dir)
  const bin = path.join(dir, 'node_modules/next/dist/bin/next')

  return {
    dir,
    write: (name, text) => {
      mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
      writeFileSync(path.join(dir, name), text)
    },
    remove: (name) => rmSync(path.join(dir, name), { recursive: true, force: true }),
    /** Runs `next build` and returns what it printed. */
    build: ({ args = [], env = {} } = {}) => {
      const options = { cwd: dir, env: { ...process.env, ...quiet, NODE_ENV: 'production', ...env }, encoding: 'utf8' }
      return execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', process.execPath, bin, 'build', ...args], options)
    },
    /** Starts `next start` or `next dev`. */
    start: (t, { command = 'start', args = [], env } = {}) =>
      startServer(t, { cwd: dir, env, args: (port) => [bin, command, '-p', String(port), ...args] }),
    /** Starts a server of the app's own, which listens on the port that PORT says. */
    serve: (t, file) => startServer(t, { cwd: dir, env: { NODE_ENV: 'production' }, args: () => [file] }),
    /** What the Dockerfile of Next's own example copies, in a place above which there is no node_modules. */
    standalone: () => {
      const copy = mkdtempSync(path.join(realpathSync(tmpdir()), 'unsharp-standalone-'))
      cpSync(path.join(dir, '.next/standalone'), copy, { recursive: true, verbatimSymlinks: true })
      cpSync(path.join(dir, '.next/static'), path.join(copy, '.next/static'), { recursive: true })
      cpSync(path.join(dir, 'public'), path.join(copy, 'public'), { recursive: true })
      return {
        dir: copy,
        start: (t, { args = [], env } = {}) => startServer(t, { cwd: copy, env, args: () => [...args, 'server.js'] }),
        delete: () => rmSync(copy, { recursive: true }),
      }
    },
    delete: () => rmSync(dir, { recursive: true }),
  }
}

async function startServer(t, { cwd, env, args }) {
  const port = await freePort()
  const child = spawn(process.execPath, args(port), {
    cwd,
    env: { ...process.env, ...quiet, HOSTNAME: '127.0.0.1', ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill()
    await ended
  }
  t.after(stop)
  // A socket says when the server is there; a request would be the first one, which some tests look at.
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${log}`)
      return canConnect(port)
    },
    (connected) => connected,
  )
  const get = (target, headers = {}) => send({ port, path: target, headers })
  return {
    stop,
    port,
    log: () => log,
    get,
    json: async (target) => JSON.parse((await get(target)).text),
    image: (query = {}, headers = {}) =>
      get(imagePath({ url: '/photo.jpg', ...query }), { accept: BROWSER, ...headers }),
    /** Addons and libraries in the server's memory that do image work. */
    imageLibraries: async () => {
      const files = JSON.parse((await get('/maps')).text)
      return files.map((file) => path.basename(file)).filter((name) => /sharp|vips/.test(name))
    },
  }
}

/** Names of all files under a folder, relative to it, and their sizes in bytes. */
export function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name)
      return { name: path.relative(folder, file), bytes: entry.isSymbolicLink() ? 0 : statSync(file).size }
    })
}
