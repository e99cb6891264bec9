// Scaled to zero and back: the first pod makes 200 variants and dies, the second one comes with an empty disk and has
// all of them, without an optimization and without a look at the sources. On every store, and in real Next servers.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { imagePath, startApp, WEBP } from './support/app.mjs'
import { nextApp, skip as noPackage } from './support/next-app.mjs'
import { freshDisk, freshPrefix, startPictures, startPod, storeEnv } from './support/pod.mjs'
import { startStores } from './support/stores.mjs'

const SERVERS = {
  'S3 (moto)': 'UNSHARP_TEST_S3_MOTO',
  'S3 (rclone)': 'UNSHARP_TEST_S3_RCLONE',
  'Azure (azurite)': 'UNSHARP_TEST_AZURE',
  'GCS (a stub)': 'UNSHARP_TEST_GCS',
}
const stores = await startStores()
after(stores.stop)

const VARIANTS = 200
const AT_ONCE = 8

/** Asks for all variants, a few at a time, and gives the answers in order. */
async function askForAll(image) {
  const answers = []
  for (let at = 0; at < VARIANTS; at += AT_ONCE) {
    const names = Array.from({ length: Math.min(AT_ONCE, VARIANTS - at) }, (_, i) => `picture-${at + i}.jpg`)
    answers.push(...(await Promise.all(names.map(image))))
  }
  return answers
}

/** How many answers there are of each kind. */
function countByCache(answers) {
  const counts = {}
  for (const { headers } of answers) {
    const kind = headers['x-nextjs-cache']
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/**
 * The story. `start` starts a server with an empty disk, whose `end` ends it as a platform does.
 *
 * @param {Awaited<ReturnType<typeof startPictures>>} pictures
 * @param {() => Promise<{ image: (name: string) => Promise<any>, end: () => Promise<any>, log: () => string,
 *   stats?: () => Promise<Record<string, number>> }>} start
 */
async function tellStory(pictures, start) {
  const first = await start()
  const made = await askForAll(first.image)
  assert.deepEqual(countByCache(made), { MISS: VARIANTS }, first.log())
  // Right after the last answer.
  await first.end()
  assert.equal(pictures.requests.length, VARIANTS)

  const second = await start()
  const served = await askForAll(second.image)
  assert.deepEqual(countByCache(served), { HIT: VARIANTS }, second.log())
  for (const [i, { status, headers, body }] of served.entries()) {
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'image/webp')
    assert.deepEqual(body, made[i].body)
  }
  assert.equal(pictures.requests.length, VARIANTS, 'no source was fetched')
  if (second.stats) {
    const { hits, misses, optimized } = await second.stats()
    assert.deepEqual({ hits, misses, optimized }, { hits: VARIANTS, misses: 0, optimized: 0 })
  }
  await second.end()
}

describe('200 variants outlive their pod', () => {
  for (const [name, server] of Object.entries(SERVERS)) {
    const url = stores.addresses[server]
    test(`on ${name}`, { skip: url ? false : 'this server is not here' }, async (t) => {
      const pictures = await startPictures(t)
      const store = storeEnv(server, url, freshPrefix())
      await tellStory(pictures, async () => {
        const pod = await startPod(t, { pictures, store })
        return { ...pod, end: () => pod.end('SIGTERM') }
      })
    })
  }

  test('in a folder that pods share', async (t) => {
    const pictures = await startPictures(t)
    const store = { UNSHARP_STORE: `file://${freshDisk(t).dir}/bucket` }
    await tellStory(pictures, async () => {
      const pod = await startPod(t, { pictures, store })
      return { ...pod, end: () => pod.end('SIGTERM') }
    })
  })

  const moto = stores.addresses.UNSHARP_TEST_S3_MOTO
  const noS3 = moto ? false : 'there is no S3 server'

  test('with createImageHandler() before a Next app', { skip: noS3 }, async (t) => {
    const pictures = await startPictures(t)
    const env = storeEnv('UNSHARP_TEST_S3_MOTO', moto, freshPrefix())
    await tellStory(pictures, async () => {
      const app = await startApp(t, { images: pictures.images, env })
      return {
        image: (name) => app.image({ url: pictures.href(name), w: 256 }, { accept: WEBP }),
        end: () => app.end('SIGTERM'),
        stats: app.stats,
        log: app.log,
      }
    })
  })

  describe('with unsharp/cache-handler in', { skip: noS3 || noPackage }, () => {
    let app
    before(() => {
      app = nextApp(16)
      app.write(
        'next.config.mjs',
        `import { withUnsharp } from 'unsharp/next'
        export default withUnsharp({
          images: {
            remotePatterns: [{ protocol: 'http', hostname: '127.0.0.1' }],
            dangerouslyAllowLocalIP: true,
            minimumCacheTTL: 3600,
          },
          experimental: { imgOptTimeoutInSeconds: 600 },
        }, { cacheHandler: true })`,
      )
      app.build({ env: { NEXT_PRIVATE_STANDALONE: 'true' } })
    })
    after(() => app?.delete())

    const story = async (t, start) => {
      const pictures = await startPictures(t)
      const env = storeEnv('UNSHARP_TEST_S3_MOTO', moto, freshPrefix())
      await tellStory(pictures, async () => {
        const server = await start(env)
        const image = (name) => server.get(imagePath({ url: pictures.href(name), w: 256 }), { accept: WEBP })
        return { image, end: server.stop, log: server.log }
      })
    }

    test('`next start`', (t) =>
      story(t, (env) => {
        rmSync(path.join(app.dir, '.next/cache/images'), { recursive: true, force: true })
        return app.start(t, { env })
      }))

    test('a standalone server', (t) =>
      story(t, (env) => {
        const copy = app.standalone()
        t.after(copy.delete)
        return copy.start(t, { env })
      }))
  })
})
