// Pods end in every way there is: nothing made is lost where it can be kept, and nothing half-made is ever served.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { until } from './support/app.mjs'
import { startFaultProxy } from './support/fault-proxy.mjs'
import { filesOn, freshDisk, freshPrefix, isWhole, lookInto, s3, startPictures, startPod } from './support/pod.mjs'
import { startStores } from './support/stores.mjs'

const MOTO = 'UNSHARP_TEST_S3_MOTO'
const stores = await startStores([MOTO])
const moto = stores.addresses[MOTO]
after(stores.stop)

const names = (count) => Array.from({ length: count }, (_, i) => `picture-${i}.jpg`)
const isPut = ({ method }) => method === 'PUT'

describe('a pod ends', { skip: moto ? false : 'there is no S3 server' }, () => {
  const ENDINGS = {
    'without a listener of its own': { ending: undefined, how: { code: null, signal: 'SIGTERM' } },
    'whose listener closes the server': { ending: 'graceful', how: { code: 0, signal: null } },
    'whose listener calls process.exit() at once': { ending: 'at once', how: { code: 0, signal: null } },
  }
  for (const [which, { ending, how }] of Object.entries(ENDINGS)) {
    test(`by SIGTERM right after 20 writes, ${which}: all 20 are in the bucket`, async (t) => {
      const pictures = await startPictures(t)
      const proxy = await startFaultProxy(t, moto)
      const prefix = freshPrefix()
      const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix), ending })
      // No write gets through before the signal is out.
      const release = proxy.hold(isPut)
      for (const name of names(20)) assert.equal((await pod.image(name)).headers['x-nextjs-cache'], 'MISS')
      assert.deepEqual(await lookInto(moto, prefix).variants(), [])
      const ended = pod.end('SIGTERM')
      release()
      assert.deepEqual(await ended, how, pod.log())
      assert.equal((await lookInto(moto, prefix).variants()).length, 20)
    })
  }

  test('by SIGTERM while the store is a black hole, and ends all the same', async (t) => {
    const pictures = await startPictures(t)
    const proxy = await startFaultProxy(t, moto)
    proxy.fault = 'blackHole'
    const pod = await startPod(t, { pictures, store: s3(proxy.url, freshPrefix()) })
    for (const name of names(3)) await pod.image(name)
    assert.deepEqual(await pod.end('SIGTERM'), { code: null, signal: 'SIGTERM' })
  })

  test('by SIGTERM with nothing to do, and leaves the store alone', async (t) => {
    const pictures = await startPictures(t)
    const proxy = await startFaultProxy(t, moto)
    const pod = await startPod(t, { pictures, store: s3(proxy.url, freshPrefix()) })
    await pod.end('SIGTERM')
    assert.deepEqual(proxy.requests.filter(isPut), [])
  })

  test('by SIGKILL in the middle of a push: what was half sent is never served', async (t) => {
    const pictures = await startPictures(t)
    const proxy = await startFaultProxy(t, moto)
    proxy.fault = ({ method }) => (method === 'PUT' ? 'stall' : 'none')
    const prefix = freshPrefix()
    const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
    const made = new Map()
    for (const name of names(5)) made.set(name, (await pod.image(name)).body)
    await until(
      () => proxy.requests.filter(isPut).length,
      (count) => count > 0,
    )
    await pod.end('SIGKILL')
    proxy.fault = 'none'

    const next = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
    await next.restore()
    for (const [name, body] of made) {
      const answer = await next.image(name)
      assert.equal(answer.headers['x-nextjs-cache'], 'MISS')
      assert.deepEqual(answer.body, body)
    }
    await next.close()
    const bucket = lookInto(moto, prefix)
    const kept = await bucket.variants()
    assert.equal(kept.length, made.size)
    for (const { name, path } of kept) assert.ok(isWhole({ name, body: await bucket.read(path) }), path)
  })

  test('by SIGKILL in the middle of a restore: what was half written is never served', async (t) => {
    const pictures = await startPictures(t)
    const prefix = freshPrefix()
    const first = await startPod(t, { pictures, store: s3(moto, prefix) })
    const made = new Map()
    for (const name of names(30)) made.set(name, (await first.image(name)).body)
    await first.close()
    await first.end('SIGKILL')

    const proxy = await startFaultProxy(t, moto)
    // Every other variant stops in its middle.
    let asked = 0
    const isVariant = ({ method, url }) => method === 'GET' && url.includes('.webp')
    proxy.fault = (request) => {
      if (!isVariant(request)) return 'none'
      asked += 1
      return asked % 2 === 0 ? 'stall' : 'none'
    }
    const disk = freshDisk(t)
    const killed = await startPod(t, { pictures, store: s3(proxy.url, prefix), disk })
    const restoring = assert.rejects(killed.restore(), /SIGKILL/)
    await until(
      () => [asked, filesOn(disk).size],
      ([begun, written]) => begun >= 10 && written > 0,
    )
    await killed.end('SIGKILL')
    await restoring
    // A variant's folder comes before its file: the kill may fall between the two.
    const written = [...filesOn(disk).values()].filter((files) => files.length > 0)
    for (const files of written) for (const file of files) assert.ok(isWhole(file), file.name)

    // Without the bucket: what is served is what lies on the disk.
    const next = await startPod(t, { pictures, store: {}, disk })
    for (const [name, body] of made) assert.deepEqual((await next.image(name)).body, body)
    assert.equal((await next.stats()).hits, written.length)
  })
})
