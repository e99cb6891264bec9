// One pod: a server of images alone, without a Next app, in a process that a test may kill. What it is made of comes from
// the environment as JSON; it reports over the IPC channel, and ends as its `ending` says.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

const unsharp = createRequire(import.meta.url)('../../index.js')
const { dir, images: imagesConfig, handler, ending } = JSON.parse(process.env.TEST_POD)

const images = await unsharp.createImageHandler({ dir, nextConfig: { images: imagesConfig }, ...handler })
const server = createServer((req, res) => images(req, res))

const answers = {
  stats: () => images.stats(),
  close: () => images.close(),
  restore: (options) => unsharp.cacheRestore(options),
}
process.on('message', async ({ id, ask, options }) => {
  try {
    process.send({ id, answer: await answers[ask](options) })
  } catch ({ message, code }) {
    process.send({ id, failure: { message, code } })
  }
})
// How servers end at SIGTERM: on their own terms, at once, or not at all unless the runtime ends them.
if (ending === 'graceful') process.on('SIGTERM', () => server.close(() => process.exit(0)))
if (ending === 'at once') process.on('SIGTERM', () => process.exit(0))
// The channel to the test must not keep alive a process that has nothing else to do.
process.channel.unref()
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
