// The store of the store benchmark, in a process of its own: S3 in memory with a round trip of any length.
import { createHash, randomBytes } from 'node:crypto'
import { cacheKey, imagePath } from '../../__test__/support/app.mjs'
import { startObjectStub } from '../../__test__/support/object-stub.mjs'

const store = await startObjectStub()

/** A variant of random bytes under the name that the layout gives it. */
function put(prefix, key, bytes) {
  const body = randomBytes(bytes)
  const hash = createHash('sha256').update(body).digest('base64url')
  const name = `3600.${Date.now() + 3600_000}.${hash}.upstream.webp`
  store.objects.set(`${prefix}/${key}/${name}`, { body, etag: `"${hash}"`, generation: 1, modifiedAt: Date.now() })
}

const commands = {
  /** Replaces what is there by variants of one size. Answers by which paths a server is asked for the first of them. */
  fill({ count, bytes, prefix, addressed }) {
    store.objects.clear()
    const hrefs = Array.from({ length: count }, (_, i) => `/picture-${i}.jpg`)
    for (const href of hrefs) put(prefix, cacheKey({ href, width: 256, type: 'image/webp' }), bytes)
    return hrefs.slice(0, addressed).map((url) => imagePath({ url, w: 256 }))
  },
  /** Where the first of the variants are. */
  paths: ({ count }) => [...store.objects.keys()].slice(0, count),
  /** How many variants lie below a prefix, and how many notes, such as the manifest. */
  count({ prefix }) {
    const below = [...store.objects.keys()].filter((key) => key.startsWith(`${prefix}/`))
    const notes = below.filter((key) => key.includes('/.unsharp/')).length
    return { variants: below.length - notes, notes }
  },
  roundTrip({ ms }) {
    store.delay.roundTripMs = ms
  },
}

process.on('message', ({ id, command, ...options }) => process.send({ id, result: commands[command](options) }))
process.on('disconnect', () => process.exit())
process.send({ url: store.url })
