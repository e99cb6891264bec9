import { createServer } from 'node:http'
import next from 'next'
import { createImageHandler } from 'unsharp'
import nextConfig from './next.config.mjs'
import { requireNoSharp } from './scripts/no-sharp.mjs'

const dir = import.meta.dirname
const port = Number(process.env.PORT || 3000)

requireNoSharp(dir)

const app = next({ dir, port })
await app.prepare()
const handle = app.getRequestHandler()
const images = await createImageHandler({ dir, nextConfig, handle })

const server = createServer(async (req, res) => {
  // Two lines that only this demo needs: the switch between formats, and numbers for the page to show.
  imitateBrowser(req)
  reportTiming(res)

  if (await images(req, res)) return
  await handle(req, res)
})

server.on('error', (error) => {
  const taken = error.code === 'EADDRINUSE'
  console.error(taken ? `Port ${port} is taken. Choose another one: PORT=${port + 1} npm run demo` : error)
  process.exit(1)
})
server.listen(port, () => console.log(`\n  The demo is at http://localhost:${server.address().port}\n`))

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close()
    server.closeAllConnections()
    await images.close()
    await app.close()
    process.exit(0)
  })
}

/** `&as=webp` on an image url stands for a browser that knows WebP and nothing better. */
function imitateBrowser(req) {
  const accept = {
    avif: 'image/avif,image/webp,*/*',
    webp: 'image/webp,*/*',
    none: '*/*',
  }
  const wanted = new URLSearchParams(req.url.split('?')[1]).get('as')
  if (wanted !== null && Object.hasOwn(accept, wanted)) req.headers.accept = accept[wanted]
}

/** Lets the page read, for each image it shows, what the server answered and how long that took. */
function reportTiming(res) {
  const start = performance.now()
  const writeHead = res.writeHead
  res.writeHead = function (...args) {
    const cache = this.getHeader('X-Nextjs-Cache')
    if (cache) {
      const type = this.getHeader('Content-Type')
      const ms = (performance.now() - start).toFixed(1)
      this.setHeader('Server-Timing', `cache;desc="${cache}", type;desc="${type}", server;dur=${ms}`)
    }
    return writeHead.apply(this, args)
  }
}
