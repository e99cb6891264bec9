// Starts the test app, and sources of images beside it.
import { fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

export const APP = path.resolve(import.meta.dirname, '../next')

/** What browsers send for an `<img>`. */
export const BROWSER = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8'
export const WEBP = 'image/webp,*/*'

/**
 * A folder that goes with the test.
 *
 * @param {import('node:test').TestContext} t
 */
export function tempFolder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/**
 * A folder that stands for the app's build but has an image cache of its own, so that tests share a build and no
 * variants. It is given as `distDir`, relative to the app as Next wants it.
 */
export function freshDist() {
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-dist-'))
  for (const name of ['required-server-files.json', 'images-manifest.json']) {
    cpSync(path.join(APP, '.next', name), path.join(folder, name))
  }
  return { folder, cache: path.join(folder, 'cache/images'), distDir: path.relative(APP, folder) }
}

/**
 * Starts the test app in a process of its own and stops it after the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} [options]
 * @param {object} [options.handler] options of createImageHandler
 * @param {object} [options.config] goes into the Next config that the handler is given
 * @param {object} [options.images] goes into its `images`
 * @param {ReturnType<typeof freshDist>} [options.dist] where the build and the cache are
 * @param {Record<string, string>} [options.env]
 * @param {boolean} [options.diskFull] makes every write to a file fail
 */
export async function startApp(t, { handler, config, images, dist = freshDist(), env = {}, diskFull = false } = {}) {
  const setup = { handler, config: { ...config, distDir: dist.distDir }, images }
  const options = {
    cwd: APP,
    env: { ...process.env, NODE_ENV: 'production', ...env, TEST_SERVER: JSON.stringify(setup) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  }
  // A limit on the size of files needs no rights and no disk that is really full. The signal that goes with it is
  // ignored, as it is for a full disk, which sends none.
  const limited = ['-c', 'trap "" XFSZ; ulimit -f 0; exec "$@"', 'sh', process.execPath, 'server.mjs']
  const child = diskFull ? spawn('sh', limited, options) : fork(path.join(APP, 'server.mjs'), options)
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
  const started = once(child, 'message')
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the app ended with ${code} before it listened:\n${log}`)
  })
  const [{ port }] = await Promise.race([started, ended])
  ended.catch(() => {})

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.send('stop')
    await exited
  }
  t.after(async () => {
    await stop()
    rmSync(dist.folder, { recursive: true, force: true })
  })
  return {
    ...dist,
    ...{ port, pid: child.pid },
    origin: `http://127.0.0.1:${port}`,
    stop,
    /** Sends a signal and waits for the end. */
    end: async (signal) => {
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
    },
    log: () => log,
    stats: async () => {
      const answered = once(child, 'message')
      child.send('stats')
      return (await answered)[0].stats
    },
    /** A request for a path of the app. */
    get: (target, headers = {}, options = {}) => send({ port, path: target, headers, ...options }),
    /** A request to the image endpoint. */
    image: (query, { accept = BROWSER, headers = {}, ...options } = {}) =>
      send({ port, path: imagePath(query), headers: { accept, ...headers }, ...options }),
  }
}

/**
 * Starts the test app with `next start`, so that Next's own optimizer answers, over the build's own image cache.
 *
 * @param {import('node:test').TestContext} t
 */
export async function startNext(t) {
  const child = spawn(process.execPath, [path.join(APP, 'node_modules/next/dist/bin/next'), 'start', '-p', '0'], {
    cwd: APP,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await ended
  })
  const port = await new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const found = /http:\/\/localhost:(\d+)/.exec(line)
      if (found) resolve(Number(found[1]))
    })
    ended.then(([code]) => reject(new Error(`next start ended with ${code}`)))
  })
  return { image: (query, { accept }) => send({ port, path: imagePath(query), headers: { accept } }) }
}

/** The path of an image request; w and q have defaults, and undefined leaves a parameter out. */
export function imagePath(query) {
  const given = Object.entries({ w: 640, q: 75, ...query }).filter(([, value]) => value !== undefined)
  return `/_next/image?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
}

/** One request over a connection of its own, without fetch's opinions on caching, redirects and headers. */
export function send({ method = 'GET', onRequest, ...options }) {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', agent: false, method, ...options }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const body = Buffer.concat(chunks)
        resolve({ status: answer.statusCode, headers: answer.headers, body, text: body.toString() })
      })
    })
    sent.on('error', reject)
    sent.end()
    onRequest?.(sent)
  })
}

/**
 * A server of images outside the app, which counts and may hold back its answers.
 *
 * @param {import('node:test').TestContext} t
 * @param {(request: { url: string, headers: object, count: number }) => Promise<{ status?: number, headers?: object,
 *   body?: Buffer | string }> | object} answer
 * @param {(listener: import('node:http').RequestListener) => import('node:http').Server} [create] makes the server;
 *   default: plain HTTP
 */
export async function startUpstream(t, answer, create = createServer) {
  const requests = []
  const server = create(async (req, res) => {
    requests.push({ url: req.url, method: req.method, headers: req.headers })
    const { status = 200, headers = {}, body = '' } = await answer({ ...requests.at(-1), count: requests.length })
    res.writeHead(status, headers).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address()
  return { origin: `http://127.0.0.1:${port}`, port, requests }
}

/** The images config that allows an upstream of `startUpstream`. */
export function allow({ port }, more = {}) {
  const remotePatterns = [{ protocol: 'http', hostname: '127.0.0.1', port: String(port), pathname: '/**' }]
  return { remotePatterns, dangerouslyAllowLocalIP: true, ...more }
}

/** The folder name that Next gives to a variant. */
export function cacheKey({ href, width, quality = 75, type }) {
  const hash = createHash('sha256')
  for (const part of ['4', href, String(width), String(quality), type]) hash.update(part)
  return hash.digest('base64url')
}

/** The files in a variant's folder, each taken apart into what its name says. */
export function cachedFiles(cache, key) {
  return readdirSync(path.join(cache, key)).map((name) => {
    const [maxAge, expireAt, etag, upstreamEtag, extension] = name.split('.')
    const file = path.join(cache, key, name)
    return { name, file, maxAge: Number(maxAge), expireAt: Number(expireAt), etag, upstreamEtag, extension }
  })
}

/** Writes a variant as Next would have written it. */
export function folderFor(cache, key) {
  const folder = path.join(cache, key)
  mkdirSync(folder, { recursive: true })
  return folder
}

export const publicFile = (name) => readFileSync(path.join(APP, 'public', name))

/**
 * Asks again until the answer is as wanted. The number of attempts is no measure of speed: it is far beyond what any
 * machine needs, and turns a test that would wait for ever into one that fails.
 */
export async function until(ask, wanted) {
  for (let attempt = 0; attempt < 3000; attempt += 1) {
    const answer = await ask()
    if (wanted(answer)) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('what the test waits for did not happen')
}
