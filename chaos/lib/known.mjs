// What every variant has to be: made here, by optimize(), from the same source.
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'

const { optimize } = createRequire(import.meta.url)('../../index.js')

/** The ETag of a body that was made. */
export const hashOf = (body) => createHash('sha256').update(body).digest('base64url')

/** Accept as browsers and others send it for a picture, and what Next then chooses where AVIF and WebP are on. */
export const ACCEPTS = {
  chrome: ['image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8', 'avif'],
  firefox: ['image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5', 'avif'],
  safari: [
    'image/webp,image/avif,image/jxl,image/heic,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
    'avif',
  ],
  oldSafari: ['image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5', 'webp'],
  bot: ['*/*', 'source'],
}

/**
 * The hashes of all variants, by picture, width and type.
 *
 * @param {import('./pictures.mjs').Picture[]} pictures
 * @param {number[]} widths
 * @returns {Promise<{ (name: string, width: number, type: string): string, hashes: () => Iterable<string> }>}
 */
export async function knowVariants(pictures, widths) {
  const known = new Map()
  await Promise.all(
    pictures.flatMap(({ name, body, unchanged }) =>
      widths.flatMap((width) =>
        ['avif', 'webp', 'source'].map(async (type) => {
          const made = unchanged
            ? { data: body }
            : await optimize(body, {
                width,
                quality: 75,
                limits: { timeoutMs: 0 },
                ...(type !== 'source' && { format: type }),
              })
          known.set(`${name} ${width} ${type}`, hashOf(made.data))
        }),
      ),
    ),
  )
  const find = (name, width, type) => known.get(`${name} ${width} ${type}`)
  find.hashes = () => known.values()
  return find
}
