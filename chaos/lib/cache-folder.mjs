// A look into a cache folder from outside.
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { hashOf } from './known.mjs'

const TEMPORARY = '.unsharp-tmp'

function namesIn(folder) {
  try {
    return readdirSync(folder)
  } catch {
    // It may have gone, or not be there yet.
    return []
  }
}

/** The files of all keys, as paths. */
export function variantFiles(cache) {
  const keys = namesIn(cache).filter((name) => name !== TEMPORARY)
  return keys.flatMap((key) => namesIn(path.join(cache, key)).map((name) => path.join(cache, key, name)))
}

/** Bytes of all variants. */
export function bytesIn(cache) {
  return variantFiles(cache).reduce((sum, file) => {
    const found = lstatSync(file, { throwIfNoEntry: false })
    return sum + (found?.isFile() ? found.size : 0)
  }, 0)
}

/** What is being written, or was when its process died. */
export const temporariesIn = (cache) => namesIn(path.join(cache, TEMPORARY, 'writes'))

/**
 * Variants whose bytes are none of `known`.
 *
 * @param {string} cache
 * @param {Set<string>} known hashes
 */
export function damagedIn(cache, known) {
  return variantFiles(cache).filter((file) => {
    try {
      return !known.has(hashOf(readFileSync(file)))
    } catch {
      // Replaced meanwhile.
      return false
    }
  })
}
