// cacheRestore, cacheWatch and startCacheSync between a folder and a bucket in another folder, and what becomes of
// unpushed variants when the process ends.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { cacheRestore, cacheWatch, startCacheSync, UnsharpError } from '../index.js'
import { bucketAndCache, environment, keyOf, variantsIn, writeVariant } from './support/variants.mjs'

const INDEX = pathToFileURL(path.resolve(import.meta.dirname, '../index.js')).href

/** What would stop the tests elsewhere is said by a test of its own. */
for (const name of Object.keys(process.env)) if (!(name in environment())) delete process.env[name]

/** Runs a module in a process of its own, with `index` for the package and `argv` for its arguments. */
function run(source, ...argv) {
  const code = `import * as index from ${JSON.stringify(INDEX)}\n${source}`
  const args = ['--input-type=module', '-e', code, ...argv.map((arg) => JSON.stringify(arg))]
  return { args, options: { env: environment(), encoding: 'utf8' } }
}

test('a restore brings what the folder lacks and leaves what it has', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const files = [1, 2, 3].map((n) => writeVariant(bucket, n))
  writeVariant(dir, 1, { body: 'older', expiresAtMs: Date.now() - 1000 })

  const report = await cacheRestore({ store, dir })
  assert.deepEqual({ ...report, ms: 0 }, { restored: 3, skipped: 0, failed: 0, bytes: 18, ms: 0 })
  assert.deepEqual(variantsIn(dir), files.sort())
  for (const file of files) {
    assert.equal(readFileSync(path.join(dir, file), 'utf8'), readFileSync(path.join(bucket, file), 'utf8'))
  }

  const again = await cacheRestore({ store, dir })
  assert.equal(again.restored, 0)
  assert.equal(again.skipped, 3)
})

test('progress is told, and its last word is the report', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  for (let n = 0; n < 50; n++) writeVariant(bucket, n)
  const heard = []
  const report = await cacheRestore({ store, dir, onProgress: (progress) => heard.push(progress) })
  assert.equal(report.restored, 50)
  assert.ok(heard.every(({ restored }, at) => at === 0 || restored >= heard[at - 1].restored))
  const { found, isFoundAll, ...last } = heard.at(-1)
  assert.deepEqual({ found, isFoundAll }, { found: 50, isFoundAll: true })
  assert.deepEqual({ ...last, ms: report.ms }, { ...report })
})

test('what onProgress throws does not end the process', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  writeVariant(bucket, 1)
  const told = t.mock.method(console, 'error', () => {})
  const onProgress = () => {
    throw new Error('mine')
  }
  assert.equal((await cacheRestore({ store, dir, onProgress })).restored, 1)
  assert.equal(told.mock.calls.at(-1).arguments[0], 'unsharp: onProgress failed')
})

test('a limit ends a restore, and the report says which', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  for (let n = 0; n < 10; n++) writeVariant(bucket, n, { body: 'x'.repeat(1000 + n) })
  const few = await cacheRestore({ store, dir, maxBytes: 3500, concurrency: 1 })
  assert.equal(few.stopped, 'maxBytes')
  assert.equal(few.restored, 3)
  assert.ok(few.bytes <= 3500)
  const none = await cacheRestore({ store, dir, deadlineMs: 0 })
  assert.equal(none.stopped, 'deadline')
})

test('a signal rejects with its own reason', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  for (let n = 0; n < 200; n++) writeVariant(bucket, n)
  const reason = new Error('enough')
  await assert.rejects(cacheRestore({ store, dir, signal: AbortSignal.abort(reason) }), reason)
  assert.equal(existsSync(dir), false)

  const controller = new AbortController()
  const running = cacheRestore({ store, dir, concurrency: 1, signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(running, reason)
  const there = variantsIn(dir).length
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(variantsIn(dir).length, there, 'nothing is written any more')
})

test('a bucket or a folder that fails is in the report', async (t) => {
  const { folder, bucket, store, dir } = bucketAndCache(t)
  for (let n = 0; n < 10; n++) writeVariant(bucket, n)
  writeFileSync(dir, 'not a folder')
  const report = await cacheRestore({ store, dir, logLevel: 'silent' })
  assert.equal(report.restored, 0)
  assert.equal(report.stopped, 'disk')
  assert.match(report.reason, /images/)
  assert.equal(existsSync(path.join(folder, 'images', keyOf(1))), false)
})

test('options that can not be used are refused by name, with the stack of the caller', async (t) => {
  const { store, dir } = bucketAndCache(t)
  const cases = [
    [{ store: 'ftp://host/x' }, /store/],
    [{ store: 's3://key:secret@bucket' }, /credentials/],
    [{ store, dir, bucket: 'x' }, /has no option "bucket"/],
    [{ store, dir: '' }, /dir must be a string that is not empty/],
    [{ store, dir, concurrency: 0 }, /concurrency must be an integer from 1 to 1024, not 0/],
    [{ store, dir, maxBytes: -1 }, /maxBytes/],
    [{ store, dir, deadlineMs: 1.5 }, /deadlineMs/],
    [{ store, dir, onProgress: 'tell' }, /onProgress must be a function/],
    [{ store, dir, signal: {} }, /signal must be an AbortSignal/],
    [{ store, dir, logger: {} }, /logger must have a method error/],
  ]
  for (const call of [cacheRestore, cacheWatch, startCacheSync]) {
    for (const [options, message] of cases) {
      await assert.rejects(call(options), (error) => {
        assert.ok(error instanceof UnsharpError, String(error))
        assert.equal(error.code, 'ERR_UNSHARP_INVALID_OPTION')
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/)
        assert.match(error.stack, /cache-sync\.test\.mjs/)
        return true
      })
    }
  }
})

test('a watch pushes what was there and what comes', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const before = writeVariant(dir, 1)
  const watcher = await cacheWatch({ store, dir })
  const after = writeVariant(dir, 2)
  assert.equal(await watcher.stop(60_000), true)
  assert.ok(variantsIn(bucket).includes(after))
  const { queued, failed } = watcher.stats()
  assert.deepEqual({ queued, failed }, { queued: 0, failed: 0 })
  // What was there already is pushed once it is known that the bucket lacks it, which a stop does not wait for.
  const next = await startCacheSync({ store, dir })
  await next.restored
  assert.equal(await next.flush(60_000), true)
  assert.deepEqual(variantsIn(bucket), [before, after].sort())
  await next.stop()
})

test('twenty variants written just before the stop are all pushed', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const watcher = await cacheWatch({ store, dir })
  const files = Array.from({ length: 20 }, (_, n) => writeVariant(dir, n))
  assert.equal(await watcher.stop(60_000), true)
  assert.deepEqual(variantsIn(bucket), files.sort())
  assert.equal(watcher.stats().pushed, 20)
})

test('one sync runs per process, until it is stopped', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const file = writeVariant(bucket, 1)
  const first = startCacheSync({ store, dir })
  assert.equal(startCacheSync({ store, dir: `${dir}-other` }), first)
  const sync = await first
  assert.equal((await sync.restored).restored, 1)
  assert.deepEqual(variantsIn(dir), [file])
  const made = writeVariant(dir, 2)
  assert.equal(await sync.stop(60_000), true)
  assert.deepEqual(variantsIn(bucket), [file, made].sort(), 'what was restored is not pushed again')

  const second = startCacheSync({ store, dir })
  assert.notEqual(second, first)
  await (await second).stop()
})

test('a failed start does not stand in the way of the next', async (t) => {
  const { store, dir } = bucketAndCache(t)
  await assert.rejects(startCacheSync({ store: 'nonsense' }), UnsharpError)
  const sync = await startCacheSync({ store, dir })
  await sync.stop()
})

test('the environment names the bucket and the folder', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const file = writeVariant(bucket, 1)
  const { args, options } = run('console.log(JSON.stringify(await index.cacheRestore()))')
  const env = environment({ UNSHARP_STORE: store, IMAGE_CACHE_DIR: dir })
  const { stdout, stderr } = spawnSync(process.execPath, args, { ...options, env })
  assert.equal(stderr, '')
  assert.equal(JSON.parse(stdout).restored, 1)
  assert.deepEqual(variantsIn(dir), [file])
})

test('without a bucket nothing is done, and one line says so', (t) => {
  const { dir } = bucketAndCache(t)
  const { args, options } = run(
    `const [dir] = process.argv.slice(1).map((arg) => JSON.parse(arg))
     const reports = [await index.cacheRestore({ dir }), await index.cacheRestore({ dir })]
     const watcher = await index.cacheWatch({ dir })
     const sync = await index.startCacheSync({ dir })
     reports.push(await sync.restored)
     console.log(JSON.stringify([reports, await watcher.flush(), await sync.stop(), watcher.stats().pushed]))`,
    dir,
  )
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  assert.equal(status, 0, stderr)
  const nothing = { restored: 0, skipped: 0, failed: 0, bytes: 0, ms: 0 }
  assert.deepEqual(JSON.parse(stdout), [[nothing, nothing, nothing], true, true, 0])
  assert.equal(stderr.trim().split('\n').length, 1, stderr)
  assert.match(stderr, /no bucket is configured.*UNSHARP_STORE/)
})

/** Watches, writes twenty variants, says so, and then does what `more` says. */
const WRITE_TWENTY = `
  const [store, dir, support] = process.argv.slice(1).map((arg) => JSON.parse(arg))
  const { writeVariant } = await import(support)
  await index.cacheWatch({ store, dir })
  for (let n = 0; n < 20; n++) writeVariant(dir, n)
`
const SUPPORT = pathToFileURL(path.resolve(import.meta.dirname, 'support/variants.mjs')).href

/** How a process ended that was sent SIGTERM once it had said that it was ready. */
async function terminated(source, ...argv) {
  const { args, options } = run(source, ...argv)
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  const [code, signal] = await exited
  return { code, signal }
}

test('SIGTERM right after twenty writes: all are pushed, and the signal ends the process as ever', async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const source = `${WRITE_TWENTY}; setInterval(() => {}, 1000); console.log('ready')`
  assert.deepEqual(await terminated(source, store, dir, SUPPORT), { code: null, signal: 'SIGTERM' })
  assert.equal(variantsIn(bucket).length, 20)
})

test("an app's own listener decides when to go, and nothing is lost when it goes at once", async (t) => {
  for (const listen of ['on', 'once']) {
    const { bucket, store, dir } = bucketAndCache(t)
    const source = `process.${listen}('SIGTERM', () => process.exit(7)); ${WRITE_TWENTY}; setInterval(() => {}, 1000); console.log('ready')`
    assert.deepEqual(await terminated(source, store, dir, SUPPORT), { code: 7, signal: null }, listen)
    assert.equal(variantsIn(bucket).length, 20, listen)
  }
})

test('an app that takes its time to go is not cut short', async (t) => {
  for (const listen of ['on', 'once']) {
    const { bucket, store, dir } = bucketAndCache(t)
    // It goes once all is in the bucket, and a while after: by then a signal raised again would have ended it.
    const source = `
      process.${listen}('SIGTERM', async () => {
        while ((await import('node:fs')).existsSync(dir) && watcher.stats().pushed < 20) await new Promise(setImmediate)
        for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate)
        process.exit(7)
      })
      const [store, dir, support] = process.argv.slice(1).map((arg) => JSON.parse(arg))
      const { writeVariant } = await import(support)
      const watcher = await index.cacheWatch({ store, dir })
      for (let n = 0; n < 20; n++) writeVariant(dir, n)
      setInterval(() => {}, 1000)
      console.log('ready')`
    assert.deepEqual(await terminated(source, store, dir, SUPPORT), { code: 7, signal: null }, listen)
    assert.equal(variantsIn(bucket).length, 20, listen)
  }
})

test('a watch keeps no process alive, and its end pushes what is left', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const { args, options } = run(WRITE_TWENTY, store, dir, SUPPORT)
  const { status, stderr } = spawnSync(process.execPath, args, options)
  assert.equal(status, 0, stderr)
  assert.equal(variantsIn(bucket).length, 20)
})

test('a stopped watch leaves no listener behind', async (t) => {
  const { store, dir } = bucketAndCache(t)
  const count = () => [process.listenerCount('SIGTERM'), process.listenerCount('exit')]
  const before = count()
  const controller = new AbortController()
  const first = await cacheWatch({ store, dir, signal: controller.signal })
  const second = await cacheWatch({ store, dir })
  assert.deepEqual(
    count(),
    before.map((n) => n + 1),
    'one for all',
  )
  controller.abort()
  await Promise.all([first.stop(), second.stop()])
  assert.deepEqual(count(), before)
})

test("the user's logger takes what is to be said", async (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  mkdirSync(path.join(bucket, '.unsharp'), { recursive: true })
  writeFileSync(dir, 'not a folder')
  writeVariant(bucket, 1)
  const records = []
  const take = (message, fields) => records.push({ message, ...fields })
  await cacheRestore({ store, dir, logger: { error: take, warn: take, info: take, debug: take } })
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(records.some(({ event }) => event === 'restore'))
})
