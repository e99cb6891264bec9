// Whatever the bucket or the disk does, pictures are served; a fault costs speed only. The store is a real server (moto)
// behind a proxy that does to requests what networks and stores do.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import sharp from 'sharp-reference'
import { publicFile, until } from './support/app.mjs'
import { startFaultProxy } from './support/fault-proxy.mjs'
import { startObjectStub } from './support/object-stub.mjs'
import {
  filesOn,
  freshDisk,
  freshPrefix,
  isWhole,
  keyOf,
  lookInto,
  s3,
  startPictures,
  startPod,
} from './support/pod.mjs'
import { freePort } from './support/ports.mjs'
import { startStores } from './support/stores.mjs'

const MOTO = 'UNSHARP_TEST_S3_MOTO'
const stores = await startStores([MOTO])
const moto = stores.addresses[MOTO]
after(stores.stop)

const names = (count, kind = 'picture') => Array.from({ length: count }, (_, i) => `${kind}-${i}.jpg`)

/** Has a pod make variants and put them into the bucket, and says what they are. */
async function filledBucket(t, { pictures, wanted, store = moto }) {
  const prefix = freshPrefix()
  const pod = await startPod(t, { pictures, store: s3(store, prefix) })
  const made = new Map()
  for (const name of wanted) made.set(name, (await pod.image(name)).body)
  await pod.close()
  await pod.end('SIGKILL')
  return { prefix, made }
}

async function assertPicture(answer, pod) {
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'image/webp'], pod.log())
  const { width, height } = await sharp(answer.body).metadata()
  assert.deepEqual([width, height], [24, 16])
}

describe('behind a store', { skip: moto ? false : 'there is no S3 server' }, () => {
  test('that is 50 ms away, every variant is a hit by one request each', async (t) => {
    const pictures = await startPictures(t)
    const wanted = names(10)
    const { prefix, made } = await filledBucket(t, { pictures, wanted })
    const proxy = await startFaultProxy(t, moto)
    proxy.fault = 'slow'
    const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
    const fetched = pictures.requests.length
    for (const name of wanted) {
      const answer = await pod.image(name)
      assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
      assert.deepEqual(answer.body, made.get(name))
    }
    assert.equal(pictures.requests.length, fetched)
    assert.equal((await pod.stats()).misses, 0)
  })

  const FAULTS = {
    'that takes what comes and never answers': 'blackHole',
    'that answers 500': 'internalError',
    'that answers 503 SlowDown': 'slowDown',
    'whose credentials have expired': 'expiredCredentials',
    'whose connections break in the middle of a body': 'reset',
    'whose answers stop in the middle of a body': 'stall',
    'whose answers are shorter than they say': 'tooLongLength',
    'whose answers are longer than they say': 'tooShortLength',
    'that answers with half of a variant': 'truncated',
  }
  for (const [which, fault] of Object.entries(FAULTS)) {
    test(`${which}, variants are made as if there were none`, async (t) => {
      const pictures = await startPictures(t)
      const wanted = names(40)
      const { prefix } = await filledBucket(t, { pictures, wanted: wanted.slice(0, 20) })
      const proxy = await startFaultProxy(t, moto)
      proxy.fault = fault
      const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
      for (const name of wanted) await assertPicture(await pod.image(name), pod)
      for (const name of wanted) {
        const answer = await pod.image(name)
        assert.equal(answer.headers['x-nextjs-cache'], 'HIT', 'this machine has them now')
        await assertPicture(answer, pod)
      }
      for (const files of filesOn(pod).values()) for (const file of files) assert.ok(isWhole(file), file.name)
      assert.ok(proxy.requests.length > 0, 'the store was asked')
      assert.doesNotMatch(pod.log(), /testtest/, 'no secret in the log')
    })
  }

  test('that answers with half of a picture that was passed through, the source is asked', async (t) => {
    // Its name holds the source's etag and no hash, so only the length tells.
    const animated = publicFile('animated.gif')
    const pictures = await startPictures(t, () => ({ body: animated, headers: { etag: '"of the source"' } }))
    const prefix = freshPrefix()
    const first = await startPod(t, { pictures, store: s3(moto, prefix) })
    assert.deepEqual((await first.image('a.gif')).body, animated)
    await first.close()
    const proxy = await startFaultProxy(t, moto)
    proxy.fault = ({ method, url }) => (method === 'GET' && url.includes('.gif') ? 'truncated' : 'none')
    for (const hasManifest of [true, false]) {
      const bucket = lookInto(moto, prefix)
      if (!hasManifest) for (const note of await bucket.notes()) await bucket.remove(note.path)
      const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
      const { headers, body } = await pod.image('a.gif')
      assert.deepEqual([headers['x-nextjs-cache'], body], ['MISS', animated])
      await pod.end('SIGKILL')
    }
  })

  test('that fails for good, only a few requests are spent on asking', async (t) => {
    const pictures = await startPictures(t)
    const proxy = await startFaultProxy(t, moto)
    proxy.fault = 'internalError'
    const pod = await startPod(t, { pictures, store: s3(proxy.url, freshPrefix()) })
    // In threes: looks that are under way when the store is given up are not called back.
    const wanted = names(300)
    for (let at = 0; at < wanted.length; at += 3) {
      await Promise.all(wanted.slice(at, at + 3).map((name) => pod.image(name)))
    }
    assert.ok(proxy.requests.length < wanted.length / 4, `${proxy.requests.length} requests`)
    const lines = pod.log().split('\n').filter(Boolean)
    assert.ok(lines.length > 0 && lines.length < 20, `an outage is no flood of lines:\n${pod.log()}`)
  })

  test('that nobody listens for, variants are made as if there were none', async (t) => {
    const pictures = await startPictures(t)
    const store = s3(`http://127.0.0.1:${await freePort()}`, freshPrefix())
    const pod = await startPod(t, { pictures, store })
    for (const name of names(10)) await assertPicture(await pod.image(name), pod)
    assert.equal((await pod.stats()).misses, 10)
  })

  test('that was away, what was made meanwhile reaches it when it is back', async (t) => {
    const pictures = await startPictures(t)
    const proxy = await startFaultProxy(t, moto)
    proxy.fault = 'internalError'
    const prefix = freshPrefix()
    const pod = await startPod(t, { pictures, store: s3(proxy.url, prefix) })
    const wanted = names(10)
    for (const name of wanted) await pod.image(name)
    assert.deepEqual(await lookInto(moto, prefix).objects(), [])
    proxy.fault = 'none'
    const arrived = await until(
      () => lookInto(moto, prefix).variants(),
      (variants) => variants.length === wanted.length,
    )
    assert.deepEqual(new Set(arrived.map(({ key }) => key)), new Set(wanted.map((name) => keyOf(pictures, name))))
  })

  for (const [what, spoil] of [
    ['empty', () => Buffer.alloc(0)],
    ['cut short', (body) => body.subarray(0, body.length >> 1)],
    ['full of other bytes', (body) => Buffer.alloc(body.length, 7)],
  ]) {
    test(`a variant that is ${what} in the bucket is made anew and replaced there`, async (t) => {
      const pictures = await startPictures(t)
      const { prefix, made } = await filledBucket(t, { pictures, wanted: ['a.jpg'] })
      const bucket = lookInto(moto, prefix)
      const [spoilt] = await bucket.variants()
      await bucket.write(spoilt.path, spoil(made.get('a.jpg')))
      const pod = await startPod(t, { pictures, store: s3(moto, prefix) })
      const answer = await pod.image('a.jpg')
      assert.equal(answer.headers['x-nextjs-cache'], 'MISS')
      assert.deepEqual(answer.body, made.get('a.jpg'))
      await pod.close()
      const [replaced, ...more] = await bucket.variants()
      assert.deepEqual(more, [])
      assert.deepEqual(await bucket.read(replaced.path), made.get('a.jpg'))
    })
  }

  test('of two files of a variant the one that the store got last is served, whatever the pods clocks said', async (t) => {
    const pictures = await startPictures(t)
    // Of the stub, because its times can be set.
    const stub = await startObjectStub()
    t.after(stub.close)
    const { prefix, made } = await filledBucket(t, { pictures, wanted: ['new.jpg', 'old.jpg'], store: stub.url })
    const key = keyOf(pictures, 'new.jpg')
    const objectOf = (name) => [...stub.objects].find(([object]) => object.includes(`/${keyOf(pictures, name)}/`))
    // The old one comes from a pod whose clock is ten years ahead, the new one from a pod whose clock is right.
    const [oldPath, old] = objectOf('old.jpg')
    const ahead = path
      .basename(oldPath)
      .replace(/^(\d+)\.(\d+)/, (_, age, at) => `${age}.${Number(at) + 10 * 365 * 86400_000}`)
    const newPath = objectOf('new.jpg')[0]
    stub.objects.set(`${path.dirname(newPath)}/${ahead}`, { ...old, modifiedAt: Date.now() - 3600_000 })
    // Notes beside the variants may name either; without them the listing decides.
    for (const object of [...stub.objects.keys()]) if (object.includes('/.unsharp/')) stub.objects.delete(object)

    const pod = await startPod(t, { pictures, store: s3(stub.url, prefix) })
    const answer = await pod.image('new.jpg')
    assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
    assert.deepEqual(answer.body, made.get('new.jpg'))
    const restored = freshDisk(t)
    const other = await startPod(t, { pictures, store: s3(stub.url, prefix), disk: restored })
    await other.restore()
    const files = filesOn(restored).get(key)
    assert.deepEqual(
      files.map(({ body }) => body),
      [made.get('new.jpg')],
    )
  })
})

describe('with a disk', { skip: moto ? false : 'there is no S3 server' }, () => {
  const asHits = async (t, options) => {
    const pictures = await startPictures(t)
    const wanted = names(10)
    const { prefix, made } = await filledBucket(t, { pictures, wanted })
    const pod = await startPod(t, { pictures, store: s3(moto, prefix), ...options })
    for (const name of wanted) {
      const answer = await pod.image(name)
      assert.equal(answer.headers['x-nextjs-cache'], 'HIT', pod.log())
      assert.deepEqual(answer.body, made.get(name))
    }
    await assertPicture(await pod.image('made-here.jpg'), pod)
    const report = await pod.restore()
    assert.equal(report.restored, 0)
    assert.ok(report.failed > 0, JSON.stringify(report))
    await assertPicture(await pod.image('made-afterwards.jpg'), pod)
    await pod.close()
    const kept = (await lookInto(moto, prefix).variants()).map(({ key }) => key)
    for (const name of ['made-here.jpg', 'made-afterwards.jpg']) {
      assert.ok(kept.includes(keyOf(pictures, name)), `${name} is in the bucket, where there is room`)
    }
    return { pod }
  }

  test('on which no file can grow, the bucket is what remains', (t) => asHits(t, { diskFull: true }))

  test('whose folder can not be made, the bucket is what remains', (t) => {
    const disk = freshDisk(t)
    mkdirSync(path.join(disk.dir, '.next/cache'), { recursive: true })
    writeFileSync(disk.cache, 'a file where the folder should be')
    return asHits(t, { disk })
  })

  /** A file system of its own for a pod's cache folder. Needs rights that tests seldom have. */
  const mounted = (t, options) => {
    const disk = freshDisk(t, () => spawnSync('umount', ['--lazy', disk.cache]))
    mkdirSync(disk.cache, { recursive: true })
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk.cache]).status === 0) return disk
    t.skip('file systems can be mounted by root only')
    return undefined
  }

  test('that is read-only, the bucket is what remains', async (t) => {
    const disk = mounted(t, 'ro,size=64k')
    if (disk) await asHits(t, { disk })
  })

  test('that is full after some variants, those are whole and the rest comes from the bucket', async (t) => {
    const disk = mounted(t, 'size=64k')
    if (!disk) return
    const pictures = await startPictures(t)
    const wanted = names(40)
    const { prefix, made } = await filledBucket(t, { pictures, wanted })
    const pod = await startPod(t, { pictures, store: s3(moto, prefix), disk })
    const report = await pod.restore()
    assert.ok(report.restored > 0 && report.restored < wanted.length, JSON.stringify(report))
    for (const files of filesOn(disk).values()) for (const file of files) assert.ok(isWhole(file), file.name)
    const fetched = pictures.requests.length
    for (const name of wanted) assert.deepEqual((await pod.image(name)).body, made.get(name))
    assert.equal(pictures.requests.length, fetched)
  })
})
