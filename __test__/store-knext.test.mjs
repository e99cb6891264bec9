// What is known to go wrong in the way that Knative's Next adapter keeps images in a bucket (its defects were reproduced
// one by one), and does not go wrong here.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { cacheRestore, cacheWatch } from '../index.js'
import { cachedFiles, cacheKey, folderFor, until } from './support/app.mjs'
import { startFaultProxy } from './support/fault-proxy.mjs'
import {
  filesOn,
  freshDisk,
  freshPrefix,
  isWhole,
  keyOf,
  lookInto,
  picture,
  s3,
  startPictures,
  startPod,
} from './support/pod.mjs'
import { startStores } from './support/stores.mjs'

const MOTO = 'UNSHARP_TEST_S3_MOTO'
const stores = await startStores([MOTO])
const moto = stores.addresses[MOTO]
after(stores.stop)
const { UNSHARP_STORE: _, ...access } = s3(moto, '')
Object.assign(process.env, access)

const hash = (body) => createHash('sha256').update(body).digest('base64url')
const someKey = (seed) => cacheKey({ href: seed, width: 256, type: 'image/webp' })
/** The name of a variant's file. Nobody looks at what the bytes are. */
const fileName = (body, expiresInSecs = 3600) => `3600.${Date.now() + expiresInSecs * 1000}.${hash(body)}.upstream.webp`
const keysIn = async (bucket) => new Set((await bucket.variants()).map(({ key }) => key))
const storeAt = (prefix) => `s3://unsharp/${prefix}`

/** Writes variants as Next does and says their keys. */
function writeVariants(cache, count, kind) {
  return Array.from({ length: count }, (_, i) => {
    const body = Buffer.from(`${kind} ${i}`)
    const key = someKey(`${kind}-${i}`)
    writeFileSync(path.join(folderFor(cache, key), fileName(body)), body)
    return key
  })
}

/** Where in the bucket variants lie, as a pod decides. */
async function variantFolder(t, pictures, prefix) {
  const pod = await startPod(t, { pictures, store: s3(moto, prefix) })
  await pod.image('first.jpg')
  await pod.close()
  await pod.end('SIGKILL')
  const [{ path: first }] = await lookInto(moto, prefix).variants()
  return first.split('/').slice(0, -2).join('/')
}

describe('not as in knext', { skip: moto ? false : 'there is no S3 server' }, () => {
  test('defect 1: after a revalidation the bucket holds one file, and the next pod serves the new one', async (t) => {
    let colour = 'old'
    const pictures = await startPictures(t, async () => ({ body: await picture(colour) }))
    const prefix = freshPrefix()
    const bucket = lookInto(moto, prefix)
    const folder = await variantFolder(t, pictures, prefix)
    const key = keyOf(pictures, 'photo.jpg')
    const old = Buffer.from('what the old variant was')
    await bucket.write(`${folder}/${key}/${fileName(old, -60)}`, old)

    colour = 'new'
    const pod = await startPod(t, { pictures, store: s3(moto, prefix) })
    const stale = await pod.image('photo.jpg')
    assert.equal(stale.headers['x-nextjs-cache'], 'STALE')
    assert.deepEqual(stale.body, old)
    const fresh = await until(
      () => pod.image('photo.jpg'),
      ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
    )
    await pod.close()
    const files = (await bucket.variants()).filter((file) => file.key === key)
    assert.equal(files.length, 1)
    assert.deepEqual(await bucket.read(files[0].path), fresh.body)

    const next = await startPod(t, { pictures, store: s3(moto, prefix) })
    const answer = await next.image('photo.jpg')
    assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
    assert.deepEqual(answer.body, fresh.body)
  })

  test('defect 1, with two pods at once: one current file afterwards, and the newest is served', async (t) => {
    let release
    const released = new Promise((resolve) => (release = resolve))
    let gated = false
    let count = 0
    const pictures = await startPictures(t, async () => {
      if (gated) await released
      count += 1
      return { body: await picture(`revision ${count}`) }
    })
    const prefix = freshPrefix()
    const bucket = lookInto(moto, prefix)
    const folder = await variantFolder(t, pictures, prefix)
    const key = keyOf(pictures, 'photo.jpg')
    const old = Buffer.from('what the old variant was')
    await bucket.write(`${folder}/${key}/${fileName(old, -60)}`, old)

    gated = true
    const asked = pictures.requests.length
    const pods = await Promise.all([0, 1].map(() => startPod(t, { pictures, store: s3(moto, prefix) })))
    for (const pod of pods) assert.equal((await pod.image('photo.jpg')).headers['x-nextjs-cache'], 'STALE')
    await until(
      () => pictures.requests.length,
      (now) => now === asked + 2,
    )
    release()
    for (const pod of pods) {
      await until(
        () => pod.image('photo.jpg'),
        ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
      )
    }
    await Promise.all(pods.map((pod) => pod.close()))
    const files = (await bucket.variants()).filter((file) => file.key === key)
    assert.equal(files.length, 1, JSON.stringify(files))
    const kept = await bucket.read(files[0].path)
    assert.notDeepEqual(kept, old)
    const next = await startPod(t, { pictures, store: s3(moto, prefix) })
    const answer = await next.image('photo.jpg')
    assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
    assert.deepEqual(answer.body, kept)
  })

  test('defect 2: what is removed here is removed in the bucket too, where that is asked for', async (t) => {
    const variantsAfterRemoval = async (removeRemote) => {
      const prefix = freshPrefix()
      const { cache } = freshDisk(t)
      const watcher = await cacheWatch({ store: storeAt(prefix), dir: cache, removeRemote })
      const [gone] = writeVariants(cache, 2, 'variant')
      const bucket = lookInto(moto, prefix)
      const holds = (keys) =>
        until(
          () => keysIn(bucket),
          (there) => isDeepStrictEqual(there, new Set(keys)),
        )
      await holds([gone, someKey('variant-1')])
      rmSync(path.join(cache, gone), { recursive: true })
      if (removeRemote) await holds([someKey('variant-1')])
      await watcher.stop()
      // Afterwards as well: nobody is there to remove it.
      rmSync(cache, { recursive: true })
      return keysIn(bucket)
    }
    assert.deepEqual(await variantsAfterRemoval(true), new Set([someKey('variant-1')]))
    assert.deepEqual(await variantsAfterRemoval(false), new Set([someKey('variant-0'), someKey('variant-1')]))
  })

  test('defect 3: 20 variants written just before the stop are all pushed', async (t) => {
    const prefix = freshPrefix()
    const { cache } = freshDisk(t)
    const watcher = await cacheWatch({ store: storeAt(prefix), dir: cache })
    const keys = writeVariants(cache, 20, 'last minute')
    await watcher.stop()
    assert.deepEqual(await keysIn(lookInto(moto, prefix)), new Set(keys))
  })

  test('defect 4: what is written during a restore is pushed', async (t) => {
    const prefix = freshPrefix()
    const first = freshDisk(t)
    const filler = await cacheWatch({ store: storeAt(prefix), dir: first.cache })
    const restored = writeVariants(first.cache, 20, 'from before')
    await filler.stop()

    const { cache } = freshDisk(t)
    const watcher = await cacheWatch({ store: storeAt(prefix), dir: cache })
    let written
    const report = await cacheRestore({
      store: storeAt(prefix),
      dir: cache,
      onProgress: () => {
        written ??= writeVariants(cache, 20, 'meanwhile')
      },
    })
    assert.equal(report.restored, 20)
    assert.ok(written, 'progress was told while the restore ran')
    const stats = await watcher.stats()
    await watcher.stop()
    assert.deepEqual(await keysIn(lookInto(moto, prefix)), new Set([...restored, ...written]))
    assert.ok(stats.pushed <= 20, 'what the restore wrote is not sent back')
  })

  test('defect 5: a key that would leave the folder is left alone, and the others come', async (t) => {
    const pictures = await startPictures(t)
    const prefix = freshPrefix()
    const bucket = lookInto(moto, prefix)
    const folder = await variantFolder(t, pictures, prefix)
    const body = Buffer.from('somebody wants to be in another folder')
    const name = fileName(body)
    for (const key of [
      '../../x',
      '..%2F..%2Fx',
      '..',
      '.',
      'a/../../../x',
      `${someKey('x')}/../../../x`,
      '%00',
      'x'.repeat(43),
    ]) {
      await bucket.write(`${folder}/${key.replaceAll('%', '%25')}/${name}`, body)
    }
    await bucket.write(`${folder}/${someKey('y')}/..%252F${name}`, body)
    await bucket.write(`${folder}/${someKey('z')}/../${name}`, body)
    const disk = freshDisk(t)
    const report = await cacheRestore({ store: storeAt(prefix), dir: disk.cache })
    const written = readdirSync(disk.dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(disk.cache, path.join(entry.parentPath, entry.name)))
    for (const file of written) assert.match(file, /^([\w-]{43}|\.unsharp-tmp)\//)
    assert.ok(filesOn(disk).has(keyOf(pictures, 'first.jpg')), JSON.stringify(report))
    for (const around of ['..', '../..', '../../..', '../../../..']) {
      assert.equal(existsSync(path.resolve(disk.cache, around, 'x')), false)
    }
  })

  test('defect 6: while a restore runs, no folder of a variant holds a part of one', async (t) => {
    const prefix = freshPrefix()
    const first = freshDisk(t)
    const filler = await cacheWatch({ store: storeAt(prefix), dir: first.cache })
    writeVariants(first.cache, 20, 'variant')
    await filler.stop()

    const proxy = await startFaultProxy(t, moto)
    proxy.fault = ({ method, url }) => (method === 'GET' && url.includes('.webp') ? 'stall' : 'none')
    const pictures = await startPictures(t)
    const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
    const restoring = assert.rejects(pod.restore(), /SIGKILL/)
    await until(
      () => proxy.requests.filter(({ fault }) => fault === 'stall').length,
      (count) => count === 20,
    )
    for (const files of filesOn(pod).values()) for (const file of files) assert.ok(isWhole(file), file.name)
    await pod.end('SIGKILL')
    await restoring
    for (const files of filesOn(pod).values()) for (const file of files) assert.ok(isWhole(file), file.name)
  })

  test('defect 7: however many variants there are to push, only a few are on their way at once', async (t) => {
    const prefix = freshPrefix()
    const pictures = await startPictures(t)
    const proxy = await startFaultProxy(t, moto)
    const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
    const release = proxy.hold(({ method }) => method === 'PUT')
    const wanted = Array.from({ length: 100 }, (_, i) => `picture-${i}.jpg`)
    await Promise.all(wanted.map((name) => pod.image(name)))
    release()
    await until(
      () => lookInto(moto, prefix).variants(),
      (variants) => variants.length === wanted.length,
    )
    assert.ok(proxy.mostAtOnce('PUT') <= 9, `${proxy.mostAtOnce('PUT')} at once: eight variants and the manifest`)
  })

  test('what an older file of a variant leaves on the disk is gone after a restore', async (t) => {
    const prefix = freshPrefix()
    const first = freshDisk(t)
    const filler = await cacheWatch({ store: storeAt(prefix), dir: first.cache })
    const [key] = writeVariants(first.cache, 1, 'variant')
    await filler.stop()
    const { cache } = freshDisk(t)
    const old = Buffer.from('old')
    mkdirSync(path.join(cache, key), { recursive: true })
    writeFileSync(path.join(cache, key, fileName(old, -60)), old)
    assert.equal((await cacheRestore({ store: storeAt(prefix), dir: cache })).restored, 1)
    assert.deepEqual(
      cachedFiles(cache, key).map(({ etag }) => etag),
      [hash(Buffer.from('variant 0'))],
    )
    const again = await cacheRestore({ store: storeAt(prefix), dir: cache })
    assert.deepEqual([again.restored, again.skipped], [0, 1])
  })
})
