// Folders of variants as Next and the bucket keep them, made without making an image.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const HOUR_MS = 3_600_000

/** The n-th key. */
export const keyOf = (n) => createHash('sha256').update(`variant ${n}`).digest('base64url')

/**
 * Writes a variant into a folder.
 *
 * @param {string} folder
 * @param {number | string} n which one; a text is a key itself
 * @param {object} [options]
 * @param {string} [options.body]
 * @param {number} [options.expiresAtMs]
 */
export function writeVariant(folder, n, { body = `body ${n}`, expiresAtMs = Date.now() + HOUR_MS } = {}) {
  const etag = createHash('sha256').update(body).digest('base64url')
  const key = typeof n === 'string' ? n : keyOf(n)
  const dir = path.join(folder, key)
  mkdirSync(dir, { recursive: true })
  const name = `3600.${expiresAtMs}.${etag}.VyJ1cCI.webp`
  writeFileSync(path.join(dir, name), body)
  return path.join(key, name)
}

/** The variants in a folder, as paths below it. */
export function variantsIn(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((key) => readdirSync(path.join(folder, key)).map((name) => path.join(key, name)))
    .sort()
}

/** A bucket in a folder and a cache folder, removed after the test. */
export function bucketAndCache(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-sync-'))
  t.after(() => removeBusy(folder))
  const bucket = path.join(folder, 'bucket')
  return { folder, bucket, store: pathToFileURL(bucket).href, dir: path.join(folder, 'images') }
}

/** Removes a folder in which something behind a test may still make files; `maxRetries` of Node does not see new ones. */
function removeBusy(folder) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      rmSync(folder, { recursive: true, force: true })
      return
    } catch (cause) {
      if (attempt === 10) throw cause
    }
  }
}

/** The environment without anything that names a bucket. */
export function environment(more = {}) {
  const named = /^(UNSHARP_|STORAGE_|GCS_|S3_|MINIO_|IMAGE_CACHE_|KN_)/
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !named.test(name))), ...more }
}
