// optimize() and metadata(): what they answer, refuse, and leave alone.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import sharp from 'sharp-reference'
import { createImageHandler, metadata, optimize, UnsharpError } from '../index.js'
import { until } from './support/app.mjs'
import { photoFile } from './support/images.mjs'

const photo = photoFile('dunes.jpg')
const root = path.resolve(import.meta.dirname, '..')

/** For work that a busy machine may take long for, in tests that are about something else. */
const limits = { timeoutMs: 0 }

/** Runs a program of its own and returns what it printed; it has to end by itself. */
async function child(source, { env = {} } = {}) {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', source], {
    cwd: root,
    env: { ...process.env, ...env },
  })
  return stdout.trim()
}

/** The check for a rejection with this code and status, that also knows the line it was called from. */
function failsWith(code, status, message = /./) {
  return (error) => {
    assert.ok(error instanceof UnsharpError)
    assert.deepEqual([error.code, error.status, error.name], [code, status, 'UnsharpError'])
    assert.match(error.message, message)
    assert.match(error.stack, /^UnsharpError: .*\n(?:.*\n)*.*optimize\.test\.mjs/)
    return true
  }
}

const invalid = (message) => failsWith('ERR_UNSHARP_INVALID_OPTION', 400, message)

test('every format can be asked for', async () => {
  for (const format of ['avif', 'webp', 'jpeg', 'png', 'gif', 'tiff']) {
    const result = await optimize(photo, { width: 320, format, limits })
    assert.equal(result.format, format)
    assert.equal(result.contentType, `image/${format}`)
    assert.equal(result.outcome, 'optimized')
    const { width, height, format: found } = await sharp(result.data).metadata()
    assert.deepEqual([width, height], [result.width, result.height])
    assert.equal(width, 320)
    assert.equal(found, format === 'avif' ? 'heif' : format)
  }
})

test('without a format the result is what Next gives a client that accepts nothing special', async () => {
  const rows = [
    ['alps.jpg', 'jpeg'],
    ['bubble.png', 'png'],
    ['islands.webp', 'jpeg'],
    ['canyon.avif', 'jpeg'],
  ]
  for (const [name, format] of rows) {
    assert.equal((await optimize(photoFile(name), { width: 128, limits })).format, format, name)
  }
})

test('an image is never enlarged', async () => {
  const { height, width } = await optimize(photo, { width: 16383, format: 'webp', limits })
  assert.deepEqual([width, height], [2400, 1600])
})

test('an addon has one AVIF engine, which can be named, and refuses the other', async () => {
  const made = ['libaom', 'ravif'].map((avifEngine) =>
    optimize(photo, { width: 200, format: 'avif', avifEngine, limits }),
  )
  const [failed, ...others] = (await Promise.allSettled(made)).sort((a, b) => (a.status < b.status ? 1 : -1))
  assert.equal(failed.reason.code, 'ERR_UNSHARP_INVALID_OPTION')
  for (const { value } of others) assert.equal((await sharp(value.data).metadata()).format, 'heif')
})

test('without mozjpeg a JPEG is baseline', async () => {
  const progressive = async (mozjpeg) => {
    const { data } = await optimize(photo, { width: 200, format: 'jpeg', mozjpeg })
    return (await sharp(data).metadata()).isProgressive
  }
  assert.equal(await progressive(undefined), true)
  assert.equal(await progressive(false), false)
})

test('what is passed through comes back as it was', async () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')
  const bmp = Buffer.concat([Buffer.from('BM'), Buffer.alloc(64)])
  for (const [input, format] of [
    [svg, 'svg'],
    [bmp, 'bmp'],
  ]) {
    const result = await optimize(input, { width: 64 })
    assert.equal(result.outcome, 'bypass')
    assert.equal(result.format, format)
    assert.deepEqual(result.data, input)
    assert.equal((await metadata(input)).format, format)
  }
})

test('metadata() reads the header as it is stored', async () => {
  const input = await sharp(photo).resize(300, 200).withMetadata({ orientation: 6 }).jpeg().toBuffer()
  assert.deepEqual(await metadata(input), {
    format: 'jpeg',
    contentType: 'image/jpeg',
    width: 300,
    height: 200,
    orientation: 6,
    hasAlpha: false,
    animated: false,
    depth: 8,
  })
})

test('options that can not be used are refused by name', async () => {
  const rows = [
    [undefined, /width is required/],
    [null, /options must be an object/],
    [{ width: 0 }, /width must be an integer from 1 to 16383, not 0/],
    [{ width: 16384 }, /width/],
    [{ width: 1.5 }, /width/],
    [{ width: Number.NaN }, /width/],
    [{ width: '640' }, /width must be .*, not "640"/],
    [{ width: 64n }, /width must be .*, not 64n/],
    [{ width: 64, height: 0 }, /height/],
    [{ width: 64, quality: 101 }, /quality must be an integer from 1 to 100, not 101/],
    [{ width: 64, format: 'bmp' }, /format must be one of avif, .*, not "bmp"/],
    [{ width: 64, avifEngine: 'svt' }, /avifEngine must be one of libaom, ravif/],
    [{ width: 64, mozjpeg: 1 }, /mozjpeg must be true or false/],
    [{ width: 64, limits: { maxPixels: 0 } }, /limits.maxPixels must be an integer of at least 1, not 0/],
    [{ width: 64, limits: { pixels: 1 } }, /limits has no option "pixels"/],
    [{ width: 64, signal: {} }, /signal must be an AbortSignal/],
    [{ width: 64, fit: 'cover' }, /optimize\(\) has no option "fit"/],
  ]
  for (const [options, message] of rows) await assert.rejects(optimize(photo, options), invalid(message))
  for (const input of [undefined, 'photo.jpg', [1], new ArrayBuffer(8), new Uint16Array(8)]) {
    await assert.rejects(optimize(input, { width: 64 }), invalid(/input must be a Uint8Array/))
    await assert.rejects(metadata(input), invalid(/input must be a Uint8Array/))
  }
  const shared = new Uint8Array(new SharedArrayBuffer(8))
  await assert.rejects(optimize(shared, { width: 64 }), invalid(/SharedArrayBuffer/))
})

test('an image that can not be made has its code, its status and the stack of the caller', async () => {
  const decode = failsWith('ERR_UNSHARP_DECODE', 400)
  await assert.rejects(optimize(Buffer.from('no picture'), { width: 64 }), failsWith('ERR_UNSHARP_NOT_AN_IMAGE', 400))
  await assert.rejects(optimize(Buffer.alloc(0), { width: 64 }), failsWith('ERR_UNSHARP_NOT_AN_IMAGE', 400))
  await assert.rejects(optimize(photo.subarray(0, 5000), { width: 64 }), decode)
  await assert.rejects(
    optimize(photo, { width: 64, limits: { maxPixels: 2400 * 1600 - 1 } }),
    failsWith('ERR_UNSHARP_TOO_MANY_PIXELS', 413, /2400x1600/),
  )
  await assert.rejects(
    optimize(photo, { width: 64, limits: { maxBytes: photo.length - 1 } }),
    failsWith('ERR_UNSHARP_TOO_LARGE', 413),
  )
  await assert.rejects(
    optimize(photo, { width: 2400, format: 'avif', limits: { timeoutMs: 1 } }),
    failsWith('ERR_UNSHARP_TIMEOUT', 503),
  )
})

test('limits let pass what is exactly as large', async () => {
  const exact = { maxPixels: 2400 * 1600, maxBytes: photo.length, ...limits }
  assert.equal((await optimize(photo, { width: 64, limits: exact })).width, 64)
})

test('the input may be changed as soon as the call has returned', async () => {
  const expected = (await optimize(photo, { width: 64 })).data
  const scratch = Buffer.from(photo)
  const pending = optimize(scratch, { width: 64 })
  scratch.fill(0)
  assert.deepEqual((await pending).data, expected)
})

test('a view into a larger buffer is read as the view', async () => {
  const padded = Buffer.concat([Buffer.alloc(100, 1), photo, Buffer.alloc(100, 1)])
  const view = new Uint8Array(padded.buffer, padded.byteOffset + 100, photo.length)
  assert.equal((await optimize(view, { width: 64 })).width, 64)
})

test('a signal that was aborted before rejects with its reason, untouched', async () => {
  const reason = { why: 'not needed' }
  await assert.rejects(optimize(photo, { width: 64, signal: AbortSignal.abort(reason) }), (error) => error === reason)
})

test('aborting rejects at once, and the calls after it work', async () => {
  const controller = new AbortController()
  // Its counters are those of the pool, which the whole process shares.
  const { stats } = await createImageHandler({ dir: path.join(root, '__test__/next'), nextConfig: {} })
  // More than there are threads, so that some run and some wait.
  const pending = Array.from({ length: 24 }, () =>
    optimize(photo, { width: 2400, format: 'avif', signal: controller.signal }),
  )
  assert.ok(stats().waiting > 0)
  controller.abort()
  assert.equal(stats().waiting, 0, 'what waits is dropped')
  for (const { reason, status } of await Promise.allSettled(pending)) {
    assert.equal(status, 'rejected')
    assert.equal(reason, controller.signal.reason)
  }
  const { budgetUsedBytes } = await until(stats, ({ running }) => running === 0)
  assert.equal(budgetUsedBytes, 0, 'what ran has given its memory back')
  assert.equal((await optimize(photo, { width: 64 })).width, 64)
})

test('a signal that lives on keeps no listeners', async () => {
  const { signal } = new AbortController()
  await optimize(photo, { width: 64, signal })
  await assert.rejects(optimize(Buffer.alloc(9), { width: 64, signal }))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('hostile inputs between good ones harm nobody', async () => {
  const calls = Array.from({ length: 32 }, (_, i) => {
    if (i % 2 === 0) return optimize(photo, { width: 64, format: 'webp' })
    const damaged = Buffer.from(photo)
    for (let at = 600 + i; at < damaged.length; at += 97) damaged[at] ^= 0xff
    return optimize(damaged, { width: 64 })
  })
  const outcomes = await Promise.allSettled(calls)
  for (const [i, { status, value, reason }] of outcomes.entries()) {
    if (i % 2 === 0) assert.equal(value.width, 64)
    else if (status === 'rejected') assert.equal(reason.code, 'ERR_UNSHARP_DECODE')
  }
})

/** A worker that runs this source with `optimize`, a picture as `input`, and a port to report to. */
function startWorker(source) {
  const head = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { optimize } = require(workerData.entry)
    const input = Buffer.from(workerData.photo)
  `
  return new Worker(head + source, { eval: true, workerData: { entry: path.join(root, 'index.js'), photo } })
}

test('it works in worker threads, also in several at once', async () => {
  const source = `optimize(input, { width: 64 }).then(({ width }) => parentPort.postMessage(width))`
  const workers = Array.from({ length: 3 }, () => startWorker(source))
  const widths = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))
  assert.deepEqual(widths, [64, 64, 64])
  await Promise.all(workers.map((worker) => worker.terminate()))
})

test('a worker that is terminated in the middle of a call takes nothing down', async () => {
  const worker = startWorker(`
    for (let i = 0; i < 8; i += 1) optimize(input, { width: 1200, format: 'webp' }).catch(() => {})
    parentPort.postMessage('started')
  `)
  await once(worker, 'message')
  await worker.terminate()
  assert.equal((await optimize(photo, { width: 64 })).width, 64)
})

test('a process ends by itself when its images are done, and waits for those that are not', async () => {
  const printed = await child(`
    const { optimize } = require('./index.js')
    const input = require('node:fs').readFileSync('examples/next/public/photos/dunes.jpg')
    optimize(input, { width: 640, format: 'avif', limits: { timeoutMs: 0 } }).then(({ width }) => console.log(width))
  `)
  assert.equal(printed, '640')
})

test('a process can leave in the middle of a call', async () => {
  const printed = await child(`
    const { optimize } = require('./index.js')
    const input = require('node:fs').readFileSync('examples/next/public/photos/dunes.jpg')
    // The first is made; of the others some run and some wait.
    optimize(input, { width: 8 }).then(() => {
      console.log('leaving')
      process.exit(0)
    })
    for (let i = 0; i < 8; i += 1) optimize(input, { width: 2400, format: 'avif' })
  `)
  assert.equal(printed, 'leaving')
})

test('a process that has loaded unsharp and does nothing ends', async () => {
  assert.equal(await child(`require('./index.js'); console.log('loaded')`), 'loaded')
})

test('an open handler keeps no process alive', async () => {
  const printed = await child(`
    const { createImageHandler } = require('./index.js')
    createImageHandler({ dir: '__test__/next', nextConfig: {}, handle() {} }).then(({ stats }) => console.log(stats().hits))
  `)
  assert.equal(printed, '0')
})

test('images are made while all threads of libuv are taken', async () => {
  // The one thread of libuv's pool waits for somebody who writes into the pipe, which happens after the image only.
  const printed = await child(
    `
    const { execFileSync } = require('node:child_process')
    const { mkdtempSync, open, openSync, readFileSync, writeSync } = require('node:fs')
    const { optimize } = require('./index.js')
    const input = readFileSync('examples/next/public/photos/dunes.jpg')
    const pipe = mkdtempSync(require('node:os').tmpdir() + '/unsharp-') + '/pipe'
    execFileSync('mkfifo', [pipe])
    let released = false
    open(pipe, 'r', () => console.log(released ? 'the pool was taken' : 'the pool was free'))
    optimize(input, { width: 64 }).then(() => {
      released = true
      openSync(pipe, 'w')
    })
    `,
    { env: { UV_THREADPOOL_SIZE: '1' } },
  )
  assert.equal(printed, 'the pool was taken')
})

test('ESM and CommonJS give the same functions', async () => {
  const printed = await child(`
    const required = require('./index.js')
    import(${JSON.stringify(path.join(root, 'index.js'))}).then((imported) => {
      console.log(Object.keys(required).every((name) => imported[name] === required[name]), Object.keys(required).sort().join())
    })
  `)
  const names =
    'UnsharpError,cacheRestore,cacheWatch,createImageHandler,createOptimizer,metadata,optimize,serve,startCacheSync'
  assert.equal(printed, `true ${names}`)
})
