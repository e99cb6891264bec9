// Checked by `tsc --strict` and never run: the declarations say what the package does.
import { createServer } from 'node:http'
import CacheHandler from 'unsharp/cache-handler'
import { withUnsharp } from 'unsharp/next'
import sharp from 'unsharp/sharp'
import {
  type CacheSync,
  type CacheWatcher,
  cacheRestore,
  cacheWatch,
  createImageHandler,
  createOptimizer,
  type FetchedVariant,
  type ImageHandler,
  type ImageHandlerStats,
  type Metadata,
  metadata,
  type OptimizeResult,
  optimize,
  type RestoreProgress,
  type RestoreReport,
  type Service,
  serve,
  startCacheSync,
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
  avifSoon: true,
  store: 'gs://bucket/prefix',
})
await createImageHandler({ store: false })
// @ts-expect-error a config function has to be called first
await createImageHandler({ nextConfig: 'next.config.js' })

const stats: ImageHandlerStats = handler.stats()
const served: number = stats.hits + stats.misses + stats.stale + stats.errors + stats.bucketHits
createServer(async (req, res) => {
  const answered: boolean = await handler(req, res)
  if (!answered) res.end(String([served, size, outcome]))
})
await handler.close()

const report: RestoreReport = await cacheRestore({
  store: 's3://bucket/prefix',
  dir: '.next/cache/images',
  concurrency: 64,
  maxBytes: 1,
  deadlineMs: 1,
  signal: AbortSignal.timeout(1000),
  onProgress: ({ restored, found, isFoundAll }: RestoreProgress) => [restored / found, isFoundAll],
  logger: console,
  logLevel: 'info',
})
const why: 'maxBytes' | 'deadline' | 'cancelled' | 'disk' | 'store' | undefined = report.stopped
await cacheRestore()
// @ts-expect-error no such option
await cacheRestore({ bucket: 'bucket' })
const watcher: CacheWatcher = await cacheWatch({ store: 'file:///srv/variants' })
const isDone: boolean = await watcher.flush(1000)
const pushed: number = watcher.stats().pushed
await watcher.stop()
const sync: CacheSync = await startCacheSync()
const restored: RestoreReport = await sync.restored
await sync.stop(pushed + restored.bytes + Number(isDone) + Number(why === undefined))

const error: unknown = undefined
if (error instanceof UnsharpError && error.code === 'ERR_UNSHARP_DECODE') {
  const status: number = error.status
  error.message.at(status)
}
// @ts-expect-error no such code
if (error instanceof UnsharpError && error.code === 'ERR_UNSHARP_NOPE') throw error

interface NextConfig {
  images?: { formats?: string[] }
  cacheHandler?: string
}
const config: NextConfig = { images: { formats: ['image/avif'] } }
const wrapped: NextConfig = withUnsharp(config, { cacheHandler: true, excludeSharp: false })
const configFunction: (phase: string) => Promise<NextConfig> = withUnsharp(async (_phase: string) => wrapped)
await configFunction('phase-production-build')
withUnsharp()
withUnsharp(config, { store: 's3://bucket' })
withUnsharp(config, { store: false })
// @ts-expect-error no such option
withUnsharp(config, { bucket: 's3://bucket' })

const Composed = CacheHandler.delegateTo(() => import('../index.js'), { images: false })
await new Composed({}).get('key', { kind: 'PAGES' })
const image: sharp.Sharp = sharp(input, { limitInputPixels: false, sequentialRead: true, failOn: 'warning' })
const made: Buffer = await image
  .timeout({ seconds: 7 })
  .rotate()
  .resize(640, undefined, { withoutEnlargement: true })
  .avif({ quality: 47, effort: 3 })
  .toBuffer()
const { format, width }: sharp.Metadata = await sharp(made).metadata()
sharp.block({ operation: ['VipsForeignLoad'] })
const threads: number = sharp.concurrency(2)
const named: typeof sharp = sharp.default
named(made)
  .resize(threads + width)
  .png()
  .webp({ quality: 75 })
  .jpeg({ quality: 75, mozjpeg: true, progressive: true })
format.at(0)

// @ts-expect-error not a call of Next
image.blur(3)
// @ts-expect-error nor is this option
image.webp({ lossless: true })
// @ts-expect-error a path is not an input
sharp('photo.jpg')

const service: Service = await serve({ port: 0, host: '127.0.0.1', nextDir: '.', accessLog: true, avifSoon: true })
const listening: string = `${service.url} ${service.port + 1}`
const closed: boolean = await service.close()
const depth: number = service.stats().coordinatorWaiting
// @ts-expect-error a port is a number
await serve({ port: '80' })
// @ts-expect-error no such option
await serve({ colour: 'red' })

const optimizer = await createOptimizer({ nextConfig: {}, allowAnySource: true, logLevel: 'silent' })
const variant: FetchedVariant = await optimizer.fetchAndOptimize('/a.jpg', { width: 640, format: 'avif' })
const state: 'HIT' | 'MISS' | 'STALE' = variant.cache
// @ts-expect-error a server's option
await createOptimizer({ port: 80 })
// @ts-expect-error width is required
await optimizer.fetchAndOptimize('/a.jpg', {})
// @ts-expect-error GIF is not made from a url
await optimizer.fetchAndOptimize('/a.jpg', { width: 640, format: 'gif' })
console.log(listening, closed, depth, state)
