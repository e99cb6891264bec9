// The two servers that the traffic goes to, each with a cache folder of its own that is gone afterwards.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { allow, freshDist, startApp } from '../../__test__/support/app.mjs'
import { startService } from '../../__test__/support/service.mjs'

/** Small enough to be full soon: what grows once they are is a leak. */
export const MEMORY_BYTES = 16 << 20
export const DISK_BYTES = 32 << 20

/** A folder that is gone afterwards. */
export function folderFor(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-chaos-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The images config over these sources. */
export const imagesOver = (sources, more) =>
  allow(sources, {
    ...{ formats: ['image/avif', 'image/webp'], minimumCacheTTL: 1, maximumDiskCacheSize: DISK_BYTES },
    ...more,
  })

/** A custom server of real Next with the handler in it. */
export async function startHandler(t, sources) {
  const dist = freshDist()
  const app = await startApp(t, {
    dist,
    handler: { memoryBytes: MEMORY_BYTES, logLevel: 'silent' },
    images: imagesOver(sources),
  })
  return { port: app.port, pid: app.pid, cache: dist.cache, log: app.log, stop: app.stop }
}

/**
 * `npx unsharp serve`.
 *
 * @param {object} [options]
 * @param {string} [options.cache] its folder; default: a new one
 * @param {string[]} [options.flags]
 * @param {object} [options.images]
 * @param {Record<string, string>} [options.env]
 * @param {string[]} [options.wrapper] a command that runs another one
 */
export async function startServe(t, sources, { cache, flags = [], images, env, wrapper } = {}) {
  const folder = folderFor(t)
  const file = {
    ...{ fallback: sources.origin, memoryBytes: MEMORY_BYTES, timeout: 600_000 },
    cacheDir: cache ?? path.join(folder, 'images'),
    images: imagesOver(sources, images),
    experimental: { imgOptTimeoutInSeconds: 600 },
  }
  const service = await startService(t, { file, folder, flags: ['--log-level', 'silent', ...flags], env, wrapper })
  return { ...service, pid: service.child.pid, cache: file.cacheDir, log: () => service.output.err }
}
