// unsharp in unmodified servers of Next 15 and 14.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ask } from '../parity/lib/session.mjs'
import { imagePath } from './support/app.mjs'
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
