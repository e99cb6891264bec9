// The custom server that the handler's tests start as a process of their own. What it is made of comes from the
// environment as JSON; it reports its port, and its counters when asked, over the IPC channel where there is one.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import next from 'next'
import appConfig from './next.config.mjs'

const { createImageHandler } = createRequire(import.meta.url)('../../index.js')
const dir = import.meta.dirname
const { handler: wanted, config, images: imagesConfig, port = 0 } = JSON.parse(process.env.TEST_SERVER)

const app = next({ dir, port: 0, quiet: true })
await app.prepare()
const handle = app.getRequestHandler()

// `handle: false` in the options leaves the app's request handler out.
const images = await createImageHandler({
  dir,
  nextConfig: { ...appConfig, ...config, images: { ...appConfig.images, ...imagesConfig } },
  ...wanted,
  handle: wanted?.handle === false ? undefined : handle,
})
const server = createServer(async (req, res) => {
  if (await images(req, res)) return
  await handle(req, res)
})

process.on('message', async (message) => {
  if (message === 'stats') process.send({ stats: images.stats() })
  if (message === 'stop') {
    server.close()
    server.closeAllConnections()
    await images.close()
    process.exit(0)
  }
})
process.on('disconnect', () => process.exit(0))
server.listen(port, '127.0.0.1', () => process.send?.({ port: server.address().port, dir: path.resolve(dir) }))
