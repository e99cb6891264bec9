// Pods: processes of pod-process.mjs with a disk of their own, the source of their images, and a look into the bucket
// that they share.
import { fork, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import sharp from 'sharp-reference'
import { allow, cacheKey, imagePath, send, startUpstream, WEBP } from './app.mjs'
import { AZURE_ACCOUNT, S3_KEYS } from './stores.mjs'

const PROCESS = path.resolve(import.meta.dirname, 'pod-process.mjs')

/**
 * A server of small pictures, each of its own colour, at any path. It counts what it is asked for.
 *
 * @param {import('node:test').TestContext} t
 * @param {Parameters<typeof startUpstream>[1]} [answer] default: a picture, whose colour its url decides
 */
export async function startPictures(t, answer = async ({ url }) => ({ body: await picture(url) })) {
  const upstream = await startUpstream(t, answer)
  return {
    ...upstream,
    images: allow(upstream, { minimumCacheTTL: 3600 }),
    href: (name) => `${upstream.origin}/${name}`,
  }
}

/** A JPEG of a few hundred bytes. */
export function picture(seed) {
  const [r, g, b] = createHash('sha256').update(seed).digest()
  return sharp({ create: { width: 24, height: 16, channels: 3, background: { r, g, b } } })
    .jpeg()
    .toBuffer()
}

/** The environment of a process whose bucket is this S3 server's, below a prefix. */
export function s3(url, prefix) {
  return { UNSHARP_STORE: `s3://unsharp/${prefix}`, S3_ENDPOINT: url, AWS_REGION: 'us-east-1', ...S3_KEYS }
}

/**
 * The environment of a process whose bucket is at one of the addresses of `startStores`.
 *
 * @param {string} server the address's variable
 * @param {string} url
 * @param {string} prefix
 * @returns {Record<string, string>}
 */
export function storeEnv(server, url, prefix) {
  if (server === 'UNSHARP_TEST_GCS') return { UNSHARP_STORE: `gs://unsharp/${prefix}`, STORAGE_EMULATOR_HOST: url }
  if (server !== 'UNSHARP_TEST_AZURE') return s3(url, prefix)
  const { name, key } = AZURE_ACCOUNT
  return {
    UNSHARP_STORE: `az://unsharp/${prefix}`,
    AZURE_STORAGE_ENDPOINT: `${url}/${name}`,
    AZURE_STORAGE_ACCOUNT_NAME: name,
    AZURE_STORAGE_ACCOUNT_KEY: key,
  }
}

/** A prefix that no other test has. */
export const freshPrefix = () => `test-${randomUUID()}`

/** The folder that stands for a pod's disk, removed after the test once `release` has been called. */
export function freshDisk(t, release = () => {}) {
  const dir = mkdtempSync(path.join(tmpdir(), 'unsharp-pod-'))
  t.after(() => {
    release()
    // A pod may be writing still.
    rmSync(dir, { recursive: true, force: true, maxRetries: 10 })
  })
  return { dir, cache: path.join(dir, '.next/cache/images') }
}

/**
 * Starts a pod.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} options
 * @param {Awaited<ReturnType<typeof startPictures>>} options.pictures where its images come from
 * @param {Record<string, string>} options.store the variables that name its bucket
 * @param {ReturnType<typeof freshDisk>} [options.disk] default: an empty one
 * @param {object} [options.handler] options of createImageHandler
 * @param {'graceful' | 'at once'} [options.ending] what it does at SIGTERM; default: it has no listener
 * @param {boolean} [options.diskFull] makes every write to a file fail
 */
export async function startPod(t, { pictures, store, disk = freshDisk(t), handler, ending, diskFull = false }) {
  const pod = { dir: disk.dir, images: pictures.images, handler, ending }
  const env = { ...process.env, NODE_ENV: 'production', ...store, TEST_POD: JSON.stringify(pod) }
  const options = { cwd: disk.dir, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }
  // As in startApp(): a limit needs no rights and no disk that is really full.
  const limited = ['-c', 'trap "" XFSZ; ulimit -f 0; exec "$@"', 'sh', process.execPath, PROCESS]
  const child = diskFull ? spawn('sh', limited, options) : fork(PROCESS, options)
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const ended = exited.then((how) => {
    throw new Error(`the pod ended with ${JSON.stringify(how)}:\n${log}`)
  })
  ended.catch(() => {})
  const [{ port }] = await Promise.race([once(child, 'message'), ended])

  let lastId = 0
  const waiting = new Map()
  child.on('message', ({ id, answer, failure }) => {
    const { resolve, reject } = waiting.get(id)
    if (failure) reject(Object.assign(new Error(failure.message), failure))
    else resolve(answer)
  })
  const ask = (what, argument) => {
    lastId += 1
    const id = lastId
    const answered = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    child.send({ id, ask: what, options: argument })
    return Promise.race([answered, ended])
  }
  return {
    ...disk,
    log: () => log,
    /** One variant of a picture, as WebP. */
    image: (name, query = {}) =>
      send({ port, path: imagePath({ url: pictures.href(name), w: 256, ...query }), headers: { accept: WEBP } }),
    stats: () => ask('stats'),
    /** Everything that has begun is done, and everything made is in the bucket. */
    close: () => ask('close'),
    restore: (more) => ask('restore', { dir: disk.cache, ...more }),
    /** Sends a signal and waits for the end. */
    end: (signal) => {
      child.kill(signal)
      return exited
    },
    exited,
  }
}

/** The key of what `image(name)` asks for. */
export const keyOf = (pictures, name, { w: width = 256 } = {}) =>
  cacheKey({ href: pictures.href(name), width, type: 'image/webp' })

/** The files of variants on a disk, by key; what is half-written is among them. */
export function filesOn({ cache }) {
  if (!existsSync(cache)) return new Map()
  const folders = readdirSync(cache).filter((name) => !name.startsWith('.'))
  return new Map(
    folders.map((key) => {
      const files = readdirSync(path.join(cache, key)).map((name) => {
        return { name, body: readFileSync(path.join(cache, key, name)) }
      })
      return [key, files]
    }),
  )
}

/** What a file's name must say of its content: its hash. */
export const isWhole = ({ name, body }) =>
  /^\d+\.\d+\.[\w-]+\.[\w-]+\.webp$/.test(name) &&
  name.split('.')[2] === createHash('sha256').update(body).digest('base64url')

/** moto looks at who signed, not at the signature. */
const authorization =
  'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none'

/**
 * A look into the bucket of moto, past everything that is ours.
 *
 * @param {string} url
 * @param {string} prefix
 */
export function lookInto(url, prefix) {
  // Not by fetch(), which takes `..` out of a path.
  const ask = (method, target, body) =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url)
      const options = { hostname, port, method, path: `/unsharp${target}`, headers: { authorization }, agent: false }
      const sent = request(options, async (answer) => {
        const chunks = []
        for await (const chunk of answer) chunks.push(chunk)
        if (answer.statusCode >= 300) reject(new Error(`${method} ${target}: ${answer.statusCode}`))
        else resolve(Buffer.concat(chunks))
      })
      sent.on('error', reject)
      sent.end(body)
    })
  const objects = async () => {
    const found = []
    let next = ''
    do {
      const page = (await ask('GET', `?list-type=2&prefix=${prefix}/${next}`)).toString()
      for (const [, content] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const [, key] = /<Key>(.*?)<\/Key>/.exec(content)
        found.push({ path: key, bytes: Number(/<Size>(\d+)</.exec(content)[1]) })
      }
      const token = /<NextContinuationToken>(.*?)</.exec(page)?.[1]
      next = token && `&continuation-token=${encodeURIComponent(token)}`
    } while (next)
    return found
  }
  return {
    objects,
    /** The variants, with the last two parts of their paths; not the notes beside them. */
    variants: async () => {
      const taken = (await objects()).map((object) => {
        const [key, name] = object.path.split('/').slice(-2)
        return { ...object, key, name }
      })
      return taken.filter(({ key, name }) => key.length === 43 && /^\d+\.\d+\./.test(name))
    },
    notes: async () => (await objects()).filter((object) => object.path.includes('/.unsharp/')),
    read: (objectPath) => ask('GET', `/${objectPath}`),
    write: (objectPath, body) => ask('PUT', `/${objectPath}`, body),
    remove: (objectPath) => ask('DELETE', `/${objectPath}`),
  }
}
