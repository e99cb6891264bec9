// unsharp in an unmodified Next 16: `next start`, `next dev` and standalone.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cachedFiles, cacheKey, until } from './support/app.mjs'
import { nextApp, skip } from './support/next-app.mjs'
import {
  assertCachesWork,
  assertOptimized,
  assertPictureOfText,
  assertWithoutSharp,
  FRESH,
  OURS,
  STANDALONE,
  wrap,
} from './support/ways.mjs'

/** Next's limit of 7 s per image would make a test about answers one about time. */
const PATIENT = 'experimental: { imgOptTimeoutInSeconds: 600 }'
const AVIF = `images: { formats: ['image/avif'] }, ${PATIENT}`

describe('Next 16', { skip }, () => {
  let app
  const configs = ['next.config.mjs', 'next.config.js', 'next.config.ts']
  /** One build serves every config, which `next start` reads again. */
  const configure = (text, name = 'next.config.mjs') => {
    for (const other of configs) app.remove(other)
    app.write(name, text)
  }
  const config = (inner, options = '') =>
    `import { withUnsharp } from 'unsharp/next'\nexport default withUnsharp({ ${inner} }${options && `, ${options}`})\n`

  before(() => {
    app = nextApp(16)
    configure(wrap(FRESH))
    const printed = app.build(STANDALONE)
    assert.doesNotMatch(printed, /unsharp|Unrecognized/)
  })
  after(() => app.delete())

  test('a fresh app needs two edits', async (t) => {
    configure(wrap(FRESH))
    const server = await app.start(t)
    await assertOptimized(server)
    await assertPictureOfText(server)
    assert.deepEqual(await server.imageLibraries(), OURS)
    assert.doesNotMatch(server.log(), /unsharp/)
  })

  test("what the app's own code imports as sharp is the real one", async (t) => {
    const server = await app.start(t)
    assert.match((await server.json('/own')).vips, /^\d+\./)
    await assertOptimized(server)
    assert.ok((await server.imageLibraries()).length > 1, 'both are loaded')
  })

  const shapes = {
    'a function': `import { withUnsharp } from 'unsharp/next'
      export default withUnsharp((phase, { defaultConfig }) => {
        if (phase !== 'phase-production-server' || !defaultConfig) throw new Error(phase)
        return { ${AVIF} }
      })`,
    'an async function': `import { withUnsharp } from 'unsharp/next'
      export default withUnsharp(async () => ({ ${AVIF} }))`,
    'a promise': `import { withUnsharp } from 'unsharp/next'
      export default withUnsharp(Promise.resolve({ ${AVIF} }))`,
    'inside and around other wrappers': `import { withUnsharp } from 'unsharp/next'
      const spreading = (config) => ({ ...config, env: { A: '1' } })
      const calling = (config) => async (...args) => ({ ...(await config(...args)), env: { B: '1' } })
      export default calling(withUnsharp(async () => spreading(withUnsharp(spreading({ ${AVIF} })))))`,
  }
  for (const [shape, text] of Object.entries(shapes)) {
    test(`next.config.mjs may export ${shape}`, async (t) => {
      configure(text)
      await assertOptimized(await app.start(t), 'image/avif')
    })
  }

  test('next.config.js may be CommonJS', async (t) => {
    configure(`const { withUnsharp } = require('unsharp/next')\nmodule.exports = withUnsharp({ ${AVIF} })`, configs[1])
    await assertOptimized(await app.start(t), 'image/avif')
  })

  test('next.config.ts works', async (t) => {
    const text = `import type { NextConfig } from 'next'
      import { withUnsharp } from 'unsharp/next'
      const config: NextConfig = { ${AVIF} }
      export default withUnsharp(config)`
    configure(text, configs[2])
    await assertOptimized(await app.start(t), 'image/avif')
  })

  test('a server whose sharp is not ours says so when it starts', async (t) => {
    const text = `import Module from 'node:module'
      import { withUnsharp } from 'unsharp/next'
      const before = Module._resolveFilename
      export default withUnsharp({})
      Module._resolveFilename = before`
    configure(text)
    const server = await app.start(t)
    const log = await until(server.log, (text) => text.includes('unsharp:'))
    assert.match(log, /images are NOT optimized by unsharp.*node_modules\/sharp\/.*Fix:/s)
    await server.image()
    assert.equal(server.log().split('unsharp:').length, 2, 'once')
  })

  test('a standalone server has no sharp and needs none', async (t) => {
    const standalone = app.standalone()
    t.after(standalone.delete)
    const { bytes, sharpBytes } = assertWithoutSharp(standalone, app)
    t.diagnostic(`${bytes} bytes without the addon, and sharp would add ${sharpBytes}`)
    assert.ok(sharpBytes > 15_000_000, 'what is left out is not little')
    assert.ok(bytes < 30_000_000)

    const server = await standalone.start(t)
    // The very first request is for an image: unsharp has to be hooked in by then.
    await assertOptimized(server)
    await assertPictureOfText(server)
    assert.deepEqual(await server.imageLibraries(), OURS)
    assert.deepEqual(await server.json('/edge'), 'from the edge')
    await assertCachesWork(server, standalone.dir)
    assert.doesNotMatch(server.log(), /unsharp/)
    assert.ok(existsSync(path.join(standalone.dir, '.next/cache/images')), "Next's own image cache stays in use")
  })

  test('unsharp/register does for a standalone server that was built without withUnsharp()', async (t) => {
    const standalone = app.standalone()
    t.after(standalone.delete)
    for (const name of ['server.js', '.next/required-server-files.json']) {
      const file = path.join(standalone.dir, name)
      const text = readFileSync(file, 'utf8')
      assert.match(text, /"cacheHandler": ?"[^"]+",/)
      writeFileSync(file, text.replace(/"cacheHandler": ?"[^"]+",/, ''))
    }
    const plain = await standalone.start(t)
    assert.equal((await plain.image()).headers['content-type'], 'image/jpeg', 'nothing hooks unsharp in')
    await plain.stop()

    rmSync(path.join(standalone.dir, '.next/cache'), { recursive: true })
    const server = await standalone.start(t, { args: ['-r', 'unsharp/register'] })
    await assertOptimized(server)
    await server.stop()
    const second = await standalone.start(t, { env: { NODE_OPTIONS: '--import unsharp/register' } })
    await assertOptimized(second)
    await assertPictureOfText(second)
  })

  test('a server without the addon says how to get it', async (t) => {
    const standalone = app.standalone()
    t.after(standalone.delete)
    rmSync(path.join(standalone.dir, 'node_modules/unsharp-linux-x64-gnu'), { recursive: true })
    const server = await standalone.start(t)
    assert.equal((await server.image()).headers['content-type'], 'image/jpeg', 'which is what Next does in silence')
    const log = await until(server.log, (text) => text.includes('unsharp:'))
    assert.match(
      log,
      /images are NOT optimized by unsharp.*Fix: npm install --os=linux --cpu=x64 --libc=glibc unsharp/s,
    )
  })

  describe('with cacheHandler: true', () => {
    const cache = () => path.join(app.dir, '.next/cache/images')
    const key = cacheKey({ href: '/photo.jpg', width: 640, type: 'image/avif' })

    test('images lie where and how Next keeps them, and are found after a restart', async (t) => {
      rmSync(cache(), { recursive: true, force: true })
      configure(config(AVIF, '{ cacheHandler: true }'))
      const server = await app.start(t)
      const made = await assertOptimized(server, 'image/avif')
      assert.equal(made.headers['x-nextjs-cache'], 'MISS')
      await until(() => existsSync(path.join(cache(), key)), Boolean)
      const [file] = cachedFiles(cache(), key)
      assert.deepEqual([file.etag, file.extension, file.maxAge], [made.headers.etag, 'avif', 14_400])
      assert.deepEqual(readFileSync(file.file), made.body)
      await server.stop()

      const restarted = await app.start(t)
      const found = await restarted.image()
      assert.equal(found.headers['x-nextjs-cache'], 'HIT')
      assert.equal(found.headers.etag, made.headers.etag)
      assert.deepEqual(found.body, made.body)
      await restarted.stop()

      configure(config(AVIF))
      const nexts = await (await app.start(t)).image()
      assert.equal(nexts.headers['x-nextjs-cache'], 'HIT', "Next's own cache reads what ours wrote")
    })

    test("what Next's own cache wrote is used, fresh or stale as its name says", async (t) => {
      rmSync(cache(), { recursive: true, force: true })
      configure(config(AVIF))
      const nexts = await app.start(t)
      await assertOptimized(nexts, 'image/avif')
      await until(() => existsSync(path.join(cache(), key)), Boolean)
      await nexts.stop()

      configure(config(AVIF, '{ cacheHandler: true }'))
      const ours = await app.start(t)
      assert.equal((await ours.image()).headers['x-nextjs-cache'], 'HIT')
      await ours.stop()

      const [file] = cachedFiles(cache(), key)
      const { maxAge, etag, upstreamEtag } = file
      const expired = [maxAge, Date.now() - 1000, etag, upstreamEtag, 'avif'].join('.')
      writeFileSync(path.join(cache(), key, expired), readFileSync(file.file))
      rmSync(file.file)
      const later = await app.start(t)
      assert.equal((await later.image()).headers['x-nextjs-cache'], 'STALE')
      await until(
        () => later.image(),
        ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
      )
    })

    test("a cacheHandler of the user's own keeps all that is no image", async (t) => {
      rmSync(cache(), { recursive: true, force: true })
      configure(config(`${AVIF}, cacheHandler: import.meta.dirname + '/cache/handler.mjs'`, '{ cacheHandler: true }'))
      const seen = path.join(app.dir, 'seen.txt')
      const server = await app.start(t, { env: { SEEN: seen } })
      await assertOptimized(server, 'image/avif')
      await until(() => existsSync(path.join(cache(), key)), Boolean)
      assert.equal((await server.image()).headers['x-nextjs-cache'], 'HIT')
      await assertCachesWork(server)
      const kinds = new Set(readFileSync(seen, 'utf8').trim().split('\n'))
      assert.deepEqual([...kinds].sort(), [
        'get APP_PAGE',
        'get FETCH',
        'get PAGES',
        'set APP_PAGE',
        'set FETCH',
        'set PAGES',
        'tags number',
      ])
    })

    test("without the option the user's own keeps images too, if it is told to", async (t) => {
      rmSync(cache(), { recursive: true, force: true })
      configure(`import { withUnsharp } from 'unsharp/next'
        const cacheHandler = import.meta.dirname + '/cache/handler.mjs'
        export default withUnsharp({ output: 'standalone', cacheHandler, ${PATIENT},
          images: { formats: ['image/avif'], customCacheHandler: true } })`)
      const seen = path.join(app.dir, 'seen-images.txt')
      const server = await app.start(t, { env: { SEEN: seen } })
      const made = await assertOptimized(server, 'image/avif')
      const found = await until(
        () => server.image(),
        ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
      )
      assert.deepEqual(found.body, made.body)
      assert.match(readFileSync(seen, 'utf8'), /get IMAGE\nset IMAGE\n/)
      assert.equal(existsSync(path.join(cache(), key)), false)
    })
  })

  test('next dev works', async (t) => {
    configure(config(AVIF))
    const server = await app.start(t, { command: 'dev' })
    await assertOptimized(server, 'image/avif')
    await assertPictureOfText(server)
    assert.deepEqual(await server.imageLibraries(), OURS)
    assert.doesNotMatch(server.log(), /unsharp/)
  })

  test("webpack's standalone build takes the user's own cacheHandler along", async (t) => {
    configure(config("output: 'standalone', cacheHandler: import.meta.dirname + '/cache/handler.mjs'"))
    app.build({ args: ['--webpack'] })
    const standalone = app.standalone()
    t.after(standalone.delete)
    assertWithoutSharp(standalone, app)
    const seen = path.join(standalone.dir, 'seen.txt')
    const server = await standalone.start(t, { env: { SEEN: seen } })
    await assertOptimized(server)
    await assertPictureOfText(server)
    assert.deepEqual(await server.json('/edge'), 'from the edge')
    await assertCachesWork(server)
    assert.match(readFileSync(seen, 'utf8'), /set APP_PAGE/)
    assert.doesNotMatch(server.log(), /unsharp/)
  })
})
