// Checked by `tsc --strict` and never run: the declarations say what the package does.
import { createServer } from 'node:http'
import {
  createImageHandler,
  type ImageHandler,
  type ImageHandlerStats,
  type Metadata,
  metadata,
  type OptimizeResult,
  optimize,
  UnsharpError,
} from '../index.js'

const input = new Uint8Array(8)

const result: OptimizeResult = await optimize(input, { width: 640 })
const data: Buffer = result.data
const outcome: 'optimized' | 'bypass' = result.outcome
await optimize(Buffer.from(data), {
  width: 640,
  height: 480,
  quality: 75,
  format: 'avif',
  limits: { maxPixels: 1, maxBytes: 1, timeoutMs: 0 },
  signal: AbortSignal.timeout(1000),
  avifEngine: 'ravif',
  mozjpeg: false,
})

// @ts-expect-error width is required
await optimize(input, {})
// @ts-expect-error options are required
await optimize(input)
// @ts-expect-error a path is not an input
await optimize('photo.jpg', { width: 640 })
// @ts-expect-error no such format
await optimize(input, { width: 640, format: 'bmp' })
// @ts-expect-error no such option
await optimize(input, { width: 640, fit: 'cover' })

const header: Metadata = await metadata(input, { limits: { maxBytes: 1 } })
const size: number = header.width * header.height
await metadata(input)

const handler: ImageHandler = await createImageHandler()
await createImageHandler({
  dir: '/srv/app',
  nextConfig: { images: { remotePatterns: [new URL('https://example.com/**')] } },
  handle: async (_req, res) => res.end(),
  origin: 'http://127.0.0.1:3000',
  dev: false,
  memoryBytes: 0,
  concurrency: 4,
  memoryBudgetBytes: 1,
  maxQueue: 0,
})
// @ts-expect-error a config function has to be called first
await createImageHandler({ nextConfig: 'next.config.js' })

const stats: ImageHandlerStats = handler.stats()
const served: number = stats.hits + stats.misses + stats.stale + stats.errors
createServer(async (req, res) => {
  const answered: boolean = await handler(req, res)
  if (!answered) res.end(String([served, size, outcome]))
})
await handler.close()

const error: unknown = undefined
if (error instanceof UnsharpError && error.code === 'ERR_UNSHARP_DECODE') {
  const status: number = error.status
  error.message.at(status)
}
// @ts-expect-error no such code
if (error instanceof UnsharpError && error.code === 'ERR_UNSHARP_NOPE') throw error
