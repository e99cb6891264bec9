// unsharp in unmodified Next servers: `next start`, `next dev` and standalone, on the three versions of Next.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ask } from '../parity/lib/session.mjs'
import { cachedFiles, cacheKey, imagePath, until } from './support/app.mjs'
import { filesIn, nextApp, skip } from './support/next-app.mjs'

/** What create-next-app writes. */
const FRESH = `/** @type {import('next').NextConfig} */
const nextConfig = {
  /* config options here */
}

export default nextConfig
`
/** The second of the two edits that the README asks for; the first is \`npm install unsharp\`. */
const wrap = (config) =>
  `import { withUnsharp } from 'unsharp/next'\n${config.replace(/export default (\w+)/, 'export default withUnsharp($1)')}`

/** Next's limit of 7 s per image would make a test about answers one about time. */
const PATIENT = 'experimental: { imgOptTimeoutInSeconds: 600 }'
const AVIF = `images: { formats: ['image/avif'] }, ${PATIENT}`
const OURS = ['unsharp.linux-x64-gnu.node']
/** The custom server of the README. */
const CUSTOM_SERVER = `import { createServer } from 'node:http'
import next from 'next'
import { createImageHandler } from 'unsharp'
const dir = import.meta.dirname
const app = next({ dir })
await app.prepare()
const handle = app.getRequestHandler()
const images = await createImageHandler({ dir, nextConfig: {}, handle })
const server = createServer(async (req, res) => (await images(req, res)) || handle(req, res))
server.listen(Number(process.env.PORT), '127.0.0.1')
`
/** Next takes this for `output: 'standalone'`. */
const STANDALONE = { env: { NEXT_PRIVATE_STANDALONE: 'true' } }

async function assertOptimized(server, type = 'image/webp') {
  const answer = await server.image()
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, type], server.log())
  // Next's answer to a sharp that fails is the original, which is a JPEG of 91565 bytes.
  assert.ok(answer.body.length < 60_000, String(answer.body.length))
  return answer
}

async function assertPictureOfText(server) {
  const answer = await server.get('/og')
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'image/png'])
  assert.equal(answer.body.subarray(1, 4).toString(), 'PNG')
}

/**
 * ISR and the data cache with its tags, both of which go through a cacheHandler where there is one.
 *
 * @param {object} server
 * @param {string} [dir] where Next's own handler writes pages, when that is the one
 */
async function assertCachesWork(server, dir) {
  const number = await server.json('/tagged')
  assert.equal(await server.json('/tagged'), number, 'cached')
  await server.get('/revalidate')
  assert.notEqual(await server.json('/tagged'), number, 'revalidated by tag')

  for (const page of ['/isr', '/old']) {
    const made = async () => /made at[^0-9]*(\d+)/.exec((await server.get(page)).text)[1]
    const first = await made()
    const second = await until(made, (now) => now !== first)
    const isWritten = ({ name }) =>
      name.endsWith('.html') && readFileSync(path.join(dir, '.next/server', name), 'utf8').includes(second)
    if (dir) assert.ok(filesIn(path.join(dir, '.next/server')).some(isWritten), `${page} is on disk`)
  }
}

function assertWithoutSharp({ dir }, app) {
  const files = filesIn(dir)
  const foreign = files.filter(({ name }) => /node_modules\/(sharp|@img)\/|vips/.test(name))
  assert.deepEqual(foreign, [])
  assert.ok(files.some(({ name }) => name.endsWith(`/${OURS}`)))

  const sum = (list) => list.reduce((bytes, file) => bytes + file.bytes, 0)
  const modules = path.join(app.dir, 'node_modules')
  const sharps = ['sharp', '@img'].map((name) => path.join(modules, name)).filter(existsSync)
  const addon = sum(files.filter(({ name }) => name.endsWith('.node')))
  return { bytes: sum(files) - addon, sharpBytes: sum(sharps.flatMap(filesIn)) }
}

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

for (const major of [15, 14]) {
  describe(`Next ${major}`, { skip }, () => {
    let app
    before(() => {
      // Next 14 comes without sharp, which that route imports; 15 loads what routes import when it starts.
      app = nextApp(major, { leaveOut: ['app/own'] })
      app.write('next.config.mjs', wrap(FRESH))
      app.build(STANDALONE)
    })
    after(() => app.delete())

    test('next start optimizes by unsharp', async (t) => {
      const server = await app.start(t)
      await assertOptimized(server)
      await assertPictureOfText(server)
      assert.deepEqual(await server.imageLibraries(), OURS)
      assert.deepEqual(await server.json('/edge'), 'from the edge')
      assert.doesNotMatch(server.log(), /unsharp/)
    })

    test('so does a standalone server, which has no sharp', async (t) => {
      const standalone = app.standalone()
      t.after(standalone.delete)
      assertWithoutSharp(standalone, app)
      const server = await standalone.start(t)
      await assertOptimized(server)
      await assertPictureOfText(server)
      assert.deepEqual(await server.imageLibraries(), OURS)
      assert.deepEqual(await server.json('/edge'), 'from the edge')
      await assertCachesWork(server, standalone.dir)
      assert.doesNotMatch(server.log(), /unsharp/)
    })

    test('behind createImageHandler() a client that leaves does not spoil the image for others', async (t) => {
      app.write('server.mjs', CUSTOM_SERVER)
      // Long enough on its way for clients to leave in the middle; what follows the picture is ignored.
      const photo = readFileSync(path.join(app.dir, 'public/photo.jpg'))
      writeFileSync(path.join(app.dir, 'public/large.jpg'), Buffer.concat([photo, Buffer.alloc(40_000_000)]))
      const server = await app.serve(t, 'server.mjs')
      const widths = [640, 750, 828, 1080]
      for (const [at, w] of widths.entries()) {
        const target = imagePath({ url: '/large.jpg', w })
        await ask(server.port, target, { leave: (drop) => setTimeout(drop, 5 * (at + 1)) })
      }
      for (const w of widths) {
        const { status, failed } = await ask(server.port, imagePath({ url: '/large.jpg', w }))
        assert.deepEqual([status, failed], [200, undefined], `${w} px: ${server.log()}`)
      }
    })

    test('a cacheHandler of the app keeps working behind ours', async (t) => {
      const config = `const nextConfig = { output: 'standalone', cacheHandler: import.meta.dirname + '/cache/handler.mjs' }`
      app.write('next.config.mjs', wrap(`${config}\nexport default nextConfig\n`))
      const seen = path.join(app.dir, 'seen.txt')
      const server = await app.start(t, { env: { SEEN: seen } })
      await assertOptimized(server)
      await assertCachesWork(server)
      assert.match(readFileSync(seen, 'utf8'), /set FETCH/)
      assert.doesNotMatch(readFileSync(seen, 'utf8'), /IMAGE/)
    })
  })
}
