// What a row does to one side, and what it sees there.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { cachedFiles, cacheKey, imagePath, until } from '../../__test__/support/app.mjs'
import { describe } from './answers.mjs'

/** Far beyond what any answer takes; only a server that never answers gets there. */
const PATIENCE_MS = 120_000

/** One row on one side. Everything asked through it is recorded in `observations`. */
export class Session {
  observations = []
  /** @type {Map<string, Buffer>} */
  #bodies = new Map()
  /** @type {Set<string>} */
  #hashes = new Set()
  #side
  #prefix

  constructor(side, row, pictures) {
    this.#side = side
    this.#prefix = `/${row.id}`
    this.pictures = pictures
  }

  get name() {
    return this.#side.name
  }

  get dist() {
    return this.#side.dist
  }

  get port() {
    return this.#side.upstream.port
  }

  log() {
    return this.#side.log()
  }

  #normalize = (text) =>
    text
      .replaceAll(new RegExp(`(:|%3A)${this.#side.upstream.port}`, 'g'), ':PORT')
      .replaceAll(new RegExp(`(127\\.0\\.0\\.1|localhost):${this.#side.port}`, 'g'), 'SERVER')

  /** A source on another server. Returns its url. */
  source(name, behaviour) {
    this.#know(name, behaviour)
    this.#side.upstream.serve(`${this.#prefix}${name}`, behaviour)
    return `${this.#side.upstream.origin}${this.#prefix}${name}`
  }

  /** A source inside the app. Returns its path. */
  local(name, behaviour) {
    this.source(name, behaviour)
    return `/api/via${this.#prefix}${name}`
  }

  /** A source that is a file in the app's public folder. Returns its path. */
  file(name) {
    this.knows(
      name,
      readFileSync(path.join(import.meta.dirname, '../../__test__/next/public', decodeURIComponent(name))),
    )
    return name
  }

  /** Makes a body that comes back known by its name. */
  knows(name, body) {
    this.#bodies.set(name, Buffer.from(body))
  }

  #know(name, behaviour) {
    if (typeof behaviour !== 'function' && behaviour.body?.length > 0) this.knows(name, behaviour.body)
  }

  /** What the upstream was asked for this source. */
  requests(name) {
    return this.#side.upstream.requests(`${this.#prefix}${name}`)
  }

  /** How often the upstream was asked for it, as an observation. */
  hits(name) {
    this.note(`upstream hits of ${name}`, this.requests(name).length)
  }

  /** An observation of any kind that can be compared. */
  note(label, noted) {
    this.observations.push({ label, noted })
  }

  /** Asks the image endpoint; the answer is an observation. */
  image(query, { accept = 'image/webp,*/*', headers = {}, at = '', ...options } = {}) {
    return this.get(`${at}${imagePath({ w: 256, ...query })}`, {
      headers: { ...(accept !== null && { accept }), ...headers },
      ...options,
    })
  }

  /** Asks for any path; the answer is an observation unless `silent`. */
  async get(target, { label, silent = false, ...options } = {}) {
    const answer = await ask(this.#side.port, target, options)
    if (silent) return answer
    const name = label ?? this.#labelOf(target, options)
    if (answer.failed) this.observations.push({ label: name, status: answer.failed, headers: {}, body: 'none' })
    else {
      const known = { sources: this.#bodies, hashes: this.#hashes, normalize: this.#normalize }
      this.observations.push(await describe(answer, known, name))
    }
    return answer
  }

  #labelOf(target, { method = 'GET', headers = {} }) {
    const shown = this.#normalize(target.length > 120 ? `${target.slice(0, 60)}…${target.length}` : target)
    const more = Object.entries(headers).filter(([, value]) => value !== 'image/webp,*/*')
    return [
      method === 'GET' ? '' : `${method} `,
      shown,
      ...more.map(([name, value]) => ` [${name}: ${this.#normalize(value)}]`),
    ].join('')
  }

  /** The key under which a variant is kept, by Next's rule. */
  key({ url, w = 256, q = 75, type = 'image/webp' }) {
    return cacheKey({ href: url, width: w, quality: q, type })
  }

  /** What lies in the folder of a variant, as an observation. `between`: when it was made. */
  files(variant, [from, to]) {
    const folder = path.join(this.dist.cache, this.key(variant))
    const files = existsSync(folder) ? cachedFiles(this.dist.cache, this.key(variant)) : []
    this.note(
      'cache files',
      files.map(({ file, maxAge, expireAt, etag, upstreamEtag, extension, name }) => {
        const sha = createHash('sha256').update(readFileSync(file)).digest('base64url')
        const ttl = this.#side.config.next?.images?.minimumCacheTTL ?? 14_400
        const durations = Object.entries({ 'its max-age': maxAge, minimumCacheTTL: ttl })
        const fits = ([, secs]) => expireAt >= from + secs * 1000 && expireAt <= to + secs * 1000
        return {
          ...{ maxAge, extension, upstreamEtag, parts: name.split('.').length },
          etag: etag === sha ? 'sha256 of the body' : etag,
          lasts: durations.find(fits)?.[0] ?? `${Math.round((expireAt - to) / 1000)} s`,
        }
      }),
    )
  }

  /** Waits until something has happened. */
  until(happened) {
    return until(happened, Boolean)
  }

  /** Asks again until the answer is the one that is waited for. */
  untilAnswer(ask, wanted) {
    return until(ask, wanted)
  }

  /** The names of the variants that are kept. */
  entries() {
    const { cache } = this.dist
    const names = existsSync(cache) ? readdirSync(cache).filter((name) => !name.startsWith('.')) : []
    return names.filter((name) => readdirSync(path.join(cache, name)).length > 0)
  }
}

/** One request over a connection of its own. `leave` is given a function that drops the connection. */
export function ask(port, target, { method = 'GET', headers = {}, patienceMs = PATIENCE_MS, leave, body } = {}) {
  return new Promise((resolve) => {
    const failed = (why) => resolve({ failed: why })
    const sent = request({ host: '127.0.0.1', port, path: target, method, headers, agent: false }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('error', () => failed('connection closed within the answer'))
      answer.on('end', () => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) })
      })
    })
    sent.setTimeout(patienceMs, () => {
      failed('no answer')
      sent.destroy()
    })
    sent.on('error', () => failed('connection closed'))
    sent.end(body)
    leave?.(() => sent.destroy())
  })
}
