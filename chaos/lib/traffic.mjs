// What is asked for, and what may come of it.
import { imagePath } from '../../__test__/support/app.mjs'
import { ACCEPTS, hashOf } from './known.mjs'
import { LOCAL } from './pictures.mjs'
import { BOMB } from './sources.mjs'

export const WIDTHS = [64, 128, 256, 384]

/** Percent of the requests, besides hits. */
export const SHARES = { miss: 4, revalidation: 8, bad: 5, leave: 2 }

const HOT_URLS = 100
const BRIEF_URLS = 20

/**
 * @typedef {object} Request
 * @property {string} kind
 * @property {string} path
 * @property {string} method
 * @property {Record<string, string>} headers
 * @property {boolean} leaves the client goes before it has its answer
 * @property {(answer: { status: number, headers: Record<string, string>, body: Buffer }) => string | undefined} fault
 *   what is wrong with an answer
 */

/**
 * The mix.
 *
 * @param {object} options
 * @param {ReturnType<import('./random.mjs').randomFrom>} options.random
 * @param {import('./pictures.mjs').Picture[]} options.pictures
 * @param {{ origin: string, cutPhoto: Buffer }} options.sources
 * @param {(name: string, width: number, type: string) => string} options.known see knowVariants()
 * @param {number} options.brokenStatus the answer for an upstream that fails
 * @param {Partial<typeof SHARES>} [options.shares]
 */
export function createTraffic({ random, pictures, sources, known, brokenStatus, shares }) {
  const percent = { ...SHARES, ...shares }
  const kinds = Object.entries(percent).filter(([kind]) => kind !== 'leave')
  kinds.push(['hit', 100 - kinds.reduce((sum, [, share]) => sum + share, 0)])
  const accepts = Object.values(ACCEPTS)
  const etags = new Map()
  let fresh = 0

  /** A request for a variant, whose body is that of one of the pictures. */
  function variant(kind, url, names) {
    const width = random.of(WIDTHS)
    const [accept, type] = random.of(accepts)
    const path = imagePath({ url, w: width })
    const allowed = names.map((name) => known(name, width, type))
    const headers = { accept }
    const tag = `${path} ${type}`
    const condition = random() < 0.1 ? etags.get(tag) : undefined
    if (condition) headers['if-none-match'] = condition
    const method = random() < 0.01 ? 'HEAD' : 'GET'
    return {
      ...{ kind, path, method, headers },
      fault: ({ status, headers: answered, body }) => {
        if (status === 304) {
          if (condition !== answered.etag) return `304 for another ETag: ${condition} and ${answered.etag}`
          return body.length > 0 ? 'a body with 304' : undefined
        }
        if (status !== 200) return `status ${status}: ${body.subarray(0, 200)}`
        if (answered['x-unsharp-fallback']) return `not optimized: ${answered['x-unsharp-fallback']}`
        if (!answered.etag) return 'no ETag'
        etags.set(tag, answered.etag)
        if (method === 'HEAD') return body.length > 0 ? 'a body for HEAD' : undefined
        if (Number(answered['content-length']) !== body.length)
          return `${body.length} bytes of ${answered['content-length']}`
        const hash = hashOf(body)
        if (!allowed.includes(hash))
          return `a body that is not this picture's (${answered['content-type']}, ${body.length} bytes)`
        // What passes unchanged has the ETag of its upstream.
        const isOwn = names.some((name) => pictures.find((picture) => picture.name === name)?.unchanged)
        return isOwn || hash === answered.etag ? undefined : 'an ETag that is not the hash of the body'
      },
    }
  }

  const picture = () => random.of(pictures)
  const remote = (kind, n, { name }) => `${sources.origin}/${kind}/${n}/${name}`

  const KINDS = {
    hit: () => {
      if (random() < 0.2) {
        const { name } = random.of(LOCAL)
        return variant('hit', `/${name}`, [name])
      }
      // Few urls get most of the requests.
      const n = Math.floor(HOT_URLS * random() ** 2)
      const hot = pictures[n % pictures.length]
      return variant('hit', remote('lasting', `hot-${n}`, hot), [hot.name])
    },
    miss: () => {
      const one = picture()
      fresh += 1
      return variant('miss', remote('lasting', `fresh-${fresh}`, one), [one.name])
    },
    revalidation: () => {
      const n = random.below(BRIEF_URLS)
      const at = n % pictures.length
      if (n % 2) return variant('revalidation', remote('brief', n, pictures[at]), [pictures[at].name])
      const names = [pictures[at], pictures[(at + 1) % pictures.length]].map(({ name }) => name)
      return variant('revalidation', remote('changing', n, pictures[at]), names)
    },
    bad: () => bad(random.of(BAD)),
  }

  /** `[name, query, status, body]`; an error's text is Next's and held by other tests. */
  const upstream = (what) => ({ url: `${sources.origin}/bad/${what}/${random.below(50)}`, w: 64 })
  const good = () => ({ url: `${sources.origin}/lasting/hot-0/${pictures[0].name}`, w: 64 })
  const BAD = [
    ['width', () => ({ ...good(), w: 65 }), 400],
    ['quality', () => ({ ...good(), q: 60 }), 400],
    ['no url', () => ({ ...good(), url: undefined }), 400],
    ['a number that is none', () => ({ ...good(), w: '64px' }), 400],
    ['another host', () => ({ ...good(), url: 'http://example.invalid/a.jpg' }), 400],
    ['a path that leaves', () => ({ ...good(), url: '/../../etc/passwd' }), 404],
    ['svg', () => upstream('svg'), 400],
    ['text', () => upstream('text'), 400],
    ['empty', () => upstream('empty'), 400],
    ['missing', () => upstream('missing'), 404],
    ['broken', () => upstream('broken'), brokenStatus],
    ['short', () => upstream('short'), brokenStatus],
    ['cut', () => upstream('cut'), 200, sources.cutPhoto],
    ['bomb', () => upstream('bomb'), 200, BOMB],
  ]

  function bad([name, query, wanted, body]) {
    return {
      ...{ kind: `bad: ${name}`, path: imagePath(query()), method: 'GET', headers: { accept: ACCEPTS.chrome[0] } },
      fault: ({ status, headers, body: answered }) => {
        if (status !== wanted) return `status ${status}, not ${wanted}: ${answered.subarray(0, 100)}`
        if (!body) return undefined
        if (!headers['x-unsharp-fallback']) return 'a source that can not be optimized is not marked'
        return answered.equals(body) ? undefined : 'a body that is not the source'
      },
    }
  }

  return {
    /** @returns {Request} */
    next: () => ({ ...KINDS[random.weighted(kinds)](), leaves: random() * 100 < percent.leave }),
  }
}
