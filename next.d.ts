/** What {@link withUnsharp} can be told. */
export interface WithUnsharpOptions {
  /**
   * True keeps image variants through `unsharp/cache-handler`: in the same folder and layout as Next does, with the hot
   * ones in memory. Sets `images.customCacheHandler`; your own `cacheHandler` stays in charge of everything that is not
   * an image. Needs Next 16.2 or later; before, it is a warning and does nothing. Default: whether there is a `store`.
   */
  cacheHandler?: boolean
  /**
   * The bucket behind that cache, such as `s3://bucket/prefix?endpoint=https://minio:9000`. It is written into the
   * build, so that a standalone server knows it too, and therefore holds no credentials: those come from the server's
   * environment. False: no bucket. Default: what the server's environment names (`UNSHARP_STORE`, or `STORAGE_BUCKET`
   * and what goes with it), if any.
   */
  store?: string | false
  /**
   * Whether `output: 'standalone'` leaves sharp and libvips out. Default: unless the app's own package.json depends on
   * sharp. Say false when something else in the app needs sharp, such as a CMS that brings it along.
   */
  excludeSharp?: boolean
}

/**
 * Makes unsharp the sharp of Next, in `next dev`, `next build`, `next start` and a standalone server:
 *
 * ```js
 * import { withUnsharp } from 'unsharp/next'
 *
 * export default withUnsharp({ images: { formats: ['image/avif', 'image/webp'] } })
 * ```
 *
 * What your own code imports as `sharp` stays what it is. When the server starts, it is checked that Next's sharp is
 * unsharp and that its addon loads; if not, that is said on standard error.
 *
 * @param nextConfig what next.config exports: an object, a promise of one, or a function. The result is of the same
 *   kind, so that it composes with other wrappers. Where one of those sets `cacheHandler`, let withUnsharp be outermost.
 * @throws {UnsharpError} `ERR_UNSHARP_INVALID_OPTION` for options that are not known, and for a `store` with more in it than
 *   may stand in a file
 */
export function withUnsharp<Config = object>(nextConfig?: Config, options?: WithUnsharpOptions): Config
