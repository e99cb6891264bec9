/// <reference types="node" />
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What an image can be encoded to. */
export type OutputFormat = 'avif' | 'webp' | 'jpeg' | 'png' | 'gif' | 'tiff'

/**
 * What the bytes of an image can be recognised as. Beside the kinds that are decoded there are those that are
 * passed through untouched, as Next does.
 */
export type InputFormat = OutputFormat | 'svg' | 'ico' | 'icns' | 'bmp' | 'jxl' | 'heic' | 'jp2'

/** What one image may cost. Each limit is checked before the memory or the time is spent. */
export interface Limits {
  /**
   * Width × height that the input may claim, pixels; an integer from 1. Default 268402689, Next's
   * `imgOptMaxInputPixels`. Over it: `ERR_UNSHARP_TOO_MANY_PIXELS`.
   */
  maxPixels?: number
  /** Size of the input, bytes; an integer from 1. Default 256 MiB. Over it: `ERR_UNSHARP_TOO_LARGE`. */
  maxBytes?: number
  /**
   * Time from when the work starts to run, milliseconds; an integer from 0 (no limit) to 4294967295. Default 7000,
   * Next's `imgOptTimeoutInSeconds`. Time spent waiting for a free thread does not count. Over it:
   * `ERR_UNSHARP_TIMEOUT`.
   */
  timeoutMs?: number
}

export interface OptimizeOptions {
  /** Width of the result, px; an integer from 1 to 16383. The image is never enlarged. */
  width: number
  /**
   * Height of the result, px; an integer from 1 to 16383. With it the image covers the box of width × height, and
   * what sticks out is cropped evenly on both sides. Without it the height follows from the width.
   */
  height?: number
  /**
   * An integer from 1 to 100, default 75, on the scale of Next for every format: 75 looks alike in all of them.
   * PNG below 100 gets a palette.
   */
  quality?: number
  /**
   * Default: what Next chooses for a client that accepts nothing special, which is the format of the input, and
   * JPEG for an input in WebP or AVIF.
   */
  format?: OutputFormat
  /** What this image may cost. */
  limits?: Limits
  /**
   * Aborting rejects at once with the signal's reason. Work that waits is dropped, work that runs stops at its next
   * step and its result is discarded.
   */
  signal?: AbortSignal
  /**
   * Which encoder makes AVIF. An addon has one of them, which is the default: `libaom`, or, where it was built without
   * cmake, `ravif`, which is pure Rust and makes larger files. Asking for the other is `ERR_UNSHARP_INVALID_OPTION`.
   */
  avifEngine?: 'libaom' | 'ravif'
  /**
   * Default true: a JPEG is progressive with trellis quantisation, smaller at the same quality. False writes a
   * baseline JPEG faster, as Next does with `experimental.imgOptMozjpeg: false`.
   */
  mozjpeg?: boolean
}

export interface OptimizeResult {
  /** The encoded image. With the outcome `bypass` the bytes of the input. */
  data: Buffer
  /** What `data` is. */
  format: InputFormat
  /** The same as a media type, such as `image/avif`. */
  contentType: string
  /** Width of the result, px, after EXIF orientation was applied; 0 for a bypassed kind whose size is not read. */
  width: number
  /** Height of the result, px, after EXIF orientation was applied; 0 for a bypassed kind whose size is not read. */
  height: number
  /**
   * `bypass`: the input is of a kind that is served untouched (animated, SVG, ICO, ICNS, BMP, JPEG XL, HEIC), and
   * `data` is the input. Otherwise `optimized`.
   */
  outcome: 'optimized' | 'bypass'
}

/**
 * Resizes and encodes one image. Every decoder is written in Rust. The work runs on unsharp's own threads, never on
 * those of libuv, and keeps neither the event loop busy nor the process alive longer than the work takes.
 *
 * EXIF orientation is applied; colours are converted to 8-bit sRGB; metadata is dropped.
 *
 * @param input the image file. It is copied before the call returns, so it may be changed or transferred at once.
 *   Bytes in a SharedArrayBuffer are refused.
 * @throws {UnsharpError} as a rejection. `ERR_UNSHARP_INVALID_OPTION` for options that can't be used,
 *   `ERR_UNSHARP_NOT_AN_IMAGE`, `ERR_UNSHARP_DECODE` for a damaged image, `ERR_UNSHARP_TOO_LARGE`,
 *   `ERR_UNSHARP_TOO_MANY_PIXELS`, `ERR_UNSHARP_TIMEOUT`, `ERR_UNSHARP_OVERLOADED`, `ERR_UNSHARP_ENCODE`,
 *   `ERR_UNSHARP_PANIC`. With `signal`, the signal's reason as it is.
 */
export function optimize(input: Uint8Array, options: OptimizeOptions): Promise<OptimizeResult>

export interface MetadataOptions {
  /** What reading the header may cost. */
  limits?: Limits
}

export interface Metadata {
  /** What the bytes are, whatever the file's name. */
  format: InputFormat
  /** The same as a media type, such as `image/avif`. */
  contentType: string
  /** Width as stored, before orientation, px; 0 for a kind that is passed through without reading its size. */
  width: number
  /** Height as stored, before orientation, px; 0 for a kind that is passed through without reading its size. */
  height: number
  /** EXIF orientation, 1 to 8; from 5 on, width and height swap when it is applied. */
  orientation: number
  /** Whether the image has an alpha channel. It may still be opaque everywhere. */
  hasAlpha: boolean
  /** Whether it has more than one frame, and so is passed through. */
  animated: boolean
  /** Bits per sample as stored, 1 to 16. */
  depth: number
}

/**
 * Reads what the header says, without decoding pixels.
 *
 * @param input as for {@link optimize}
 * @throws {UnsharpError} as a rejection, with the codes of {@link optimize}
 */
export function metadata(input: Uint8Array, options?: MetadataOptions): Promise<Metadata>

/** A function that answers a request, such as what `app.getRequestHandler()` of Next returns. */
export type RequestHandler = (req: IncomingMessage, res: ServerResponse) => unknown

export interface ImageHandlerOptions {
  /** The folder of the Next app, where next.config and the build are. Default: the current folder. */
  dir?: string
  /**
   * The config object as next.config exports it (if that is a function: what it returns). Used are `images`,
   * `basePath`, `assetPrefix`, `trailingSlash`, `skipTrailingSlashRedirect`, `distDir`, `compress`, `output`, and of
   * `experimental`: `imgOptMaxInputPixels`, `imgOptTimeoutInSeconds`, `imgOptMozjpeg` and `isrFlushToDisk`. Default:
   * what the build in `dir` recorded. Where `images.customCacheHandler` asks for variants in a `cacheHandler` of the
   * app, that is a warning: this handler keeps them itself.
   */
  nextConfig?: object
  /**
   * Answers relative urls: `app.getRequestHandler()`. The Next app in this process is asked for the source, so that
   * its routing, `headers()`, rewrites and middleware apply. Needs `next` to be installed in `dir`.
   */
  handle?: RequestHandler
  /**
   * Where relative urls are fetched when `handle` is not given, such as `http://127.0.0.1:3000`; scheme, host and
   * port count. Default: the server that the request came in on, over loopback.
   */
  origin?: string
  /**
   * Private hosts that images may come from, while all others stay refused; in place of `images.dangerouslyAllowLocalIP`,
   * which lets everything in. `images.internal` lets this name, exactly, resolve to private addresses; `10.20.0.0/16`,
   * `fd12:3456::/32` or `10.1.2.3` lets these addresses be fetched. Addresses where clouds hand out credentials
   * (169.254.0.0/16, fd00:ec2::/32 and the like) count only where they are listed one by one. It is checked after the
   * name is resolved, `remotePatterns` have to match as well, and a host outside can't redirect to these. Default: none.
   */
  allowedPrivateHosts?: string[]
  /**
   * The bucket behind the cache, where variants outlive this server: `s3://bucket/prefix`, `gs://…`, `az://…`,
   * `file:///folder` or `memory:`; settings may follow, such as `?endpoint=https://minio:9000`. Credentials come from
   * the environment alone. What is made here is put there in the background; what is neither in memory nor on disk is
   * looked for there, for at most 500 ms, before it is made. A bucket that fails makes answers slower, and nothing else.
   * False: no bucket. Default: the environment's (`UNSHARP_STORE`, or `STORAGE_BUCKET` and what goes with it), if any.
   */
  store?: string | false
  /**
   * True: Next's own answer also where it is a defect and we know better. A malformed url or Accept header is a 500;
   * an image that can't be optimized is served and kept as if it were a success, without a header that says so; a POST
   * for a file that is not in the cache fails. Default false.
   */
  strict?: boolean
  /** True in `next dev`: adds the widths and the quality that the blur placeholder uses. Default false. */
  dev?: boolean
  /**
   * Memory for variants that are served without touching the disk, bytes; an integer from 0 (none). Default 64 MiB. An
   * eighth of it holds copies of those that are asked for most, ready to be sent.
   */
  memoryBytes?: number
  /**
   * Images that are worked on at once; an integer from 1 to 1024. Default: the CPUs that this process may use, by
   * affinity and by cgroup quota.
   */
  concurrency?: number
  /**
   * Memory that all running images may take together, bytes; an integer from 1. Default 512 MiB. An image that does not fit
   * waits. One that alone takes 64 MiB more than all of it is not optimized, and comes as it is. Sources that are being
   * fetched, or wait for their turn, may take as much again; more are answered 503.
   */
  memoryBudgetBytes?: number
  /**
   * Images that may wait for their turn; an integer from 0. More are answered 503 with Retry-After. Default 1000.
   */
  maxQueue?: number
  /**
   * True: a client that is to get AVIF, and takes WebP as well, does not wait until AVIF is made. It gets WebP, for at
   * most ten seconds (`Cache-Control`; a static import too), and AVIF is made behind that answer when a thread is idle;
   * whoever asks next gets it. Where AVIF can't be made, WebP stays, and AVIF is tried again after a minute. Of no effect
   * unless `images.formats` has both, nor where nothing is kept. Default false.
   */
  avifSoon?: boolean
  /**
   * Takes what is logged; `console` and winston fit as they are. Each method gets a text and an object: `event` (one
   * word, such as `fallback`), and what is known of `url` (without the values of its query), `width`, `quality`,
   * `code`, `status`, `source_format`, `source_bytes`, `fetch_ms`, `decode_ms`, `resize_ms`, `encode_ms`, `bytes`.
   * Default: standard error.
   */
  logger?: Logger
  /**
   * What is logged: `error` (a request got 5xx), `warn` (also refused sources, failed refreshes, images served as they
   * came, a cache that fails), `info`, `debug` (also every variant made and every request refused), or nothing.
   * Default `warn`.
   */
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug'
  /** How lines on standard error look; `json` is one object a line. Of no effect with `logger`. Default `text`. */
  logFormat?: 'text' | 'json'
}

/** What takes log records. */
export interface Logger {
  error(message: string, fields: Record<string, unknown>): void
  warn(message: string, fields: Record<string, unknown>): void
  info(message: string, fields: Record<string, unknown>): void
  debug(message: string, fields: Record<string, unknown>): void
}

/** Counts since the handler was created. */
export interface ImageHandlerStats {
  /** Answers from the cache, fresh. */
  hits: number
  /** Answers that had to be made. */
  misses: number
  /** Answers from the cache that were due for a refresh, which then ran behind them. */
  stale: number
  /** Requests that were answered with an error. */
  errors: number
  /** Bytes of the variants on disk. What was there at the start is counted in the background. */
  diskBytes: number
  /** Variants that were neither in memory nor on disk, and that the bucket had. Their requests count as `hits`. */
  bucketHits: number
  /** Looks into the bucket that found nothing of use. */
  bucketMisses: number
  /** Looks into the bucket that failed. */
  bucketErrors: number
  /** Variants put into the bucket by this process. */
  bucketPushes: number
  /** Variants that could not be put into the bucket. */
  bucketPushErrors: number
  /** Variants that wait to be put into the bucket. */
  bucketQueue: number
  /** With `avifSoon`: answers with WebP in place of AVIF. Each counts among `hits`, `misses` or `stale` too. */
  avifSoonAnswers: number
  /** With `avifSoon`: AVIF made behind such answers. */
  avifSoonMade: number
  /** With `avifSoon`: AVIF that could not be made behind such answers. */
  avifSoonFailed: number
  /** With `avifSoon`: AVIF not made because too much else waited or the process was ending; asked for again later. */
  avifSoonDropped: number
  /** Further counters; new ones are no breaking change. */
  [counter: string]: number
}

export interface ImageHandler {
  /**
   * Answers the request if it is for the image endpoint. It never rejects because of a request: what goes wrong is
   * an HTTP answer.
   *
   * @returns true if the request was for the image endpoint, and then it has been answered; false if it was not,
   *   and then nothing was touched
   */
  (req: IncomingMessage, res: ServerResponse): Promise<boolean>
  /**
   * Waits for all work that has begun, refreshes and what is taken from the bucket to the disk included, and then for at
   * most five seconds until what was made is in the bucket. Call it once the server takes no more requests. Without it
   * SIGTERM and the end of the process do the latter as well; see {@link CacheWatcher}.
   */
  close(): Promise<void>
  /** What happened so far. */
  stats(): ImageHandlerStats
}

/**
 * The image endpoint of Next, `/_next/image`, for a custom server:
 *
 * ```js
 * const images = await createImageHandler({ dir, nextConfig, handle: app.getRequestHandler() })
 * http.createServer(async (req, res) => (await images(req, res)) || handle(req, res))
 * ```
 *
 * Variants are kept in `<distDir>/cache/images` in the layout of Next, so that both can share the folder.
 *
 * @throws {UnsharpError} as a rejection: `ERR_UNSHARP_INVALID_OPTION` for options or a config that can't be used
 */
export function createImageHandler(options?: ImageHandlerOptions): Promise<ImageHandler>

/** What {@link cacheRestore}, {@link cacheWatch} and {@link startCacheSync} can be told. */
export interface CacheSyncOptions {
  /** The bucket, as for {@link ImageHandlerOptions.store}. Without one nothing is done, and the log says so once. */
  store?: string
  /** Next's image cache folder. Default: `IMAGE_CACHE_DIR`, else `.next/cache/images` in the current folder. */
  dir?: string
  /** Downloads at once; an integer from 1 to 1024. Default 256. Of no effect on a watch. */
  concurrency?: number
  /**
   * Bytes to restore at most; an integer from 0. Default: half of the disk space that is free. `maximumDiskCacheSize` of
   * the build that the folder belongs to holds as well. Of no effect on a watch.
   */
  maxBytes?: number
  /** How long a restore may take, milliseconds; an integer from 0 to 4294967295. Default: no limit. */
  deadlineMs?: number
  /**
   * Whether a variant that goes from the folder, purged or evicted, is removed from the bucket as well; a folder that goes
   * as a whole takes nothing along. Default false: the bucket is the long memory, and its lifecycle rule cleans it up.
   * Of no effect on a restore alone.
   */
  removeRemote?: boolean
  /** Ends the restore, and stops the watch. A restore then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Hears ten times a second at most how far the restore has come, and once at its end. */
  onProgress?(progress: RestoreProgress): void
  /** As for {@link ImageHandlerOptions.logger}. */
  logger?: Logger
  /** As for {@link ImageHandlerOptions.logLevel}. */
  logLevel?: ImageHandlerOptions['logLevel']
  /** As for {@link ImageHandlerOptions.logFormat}. */
  logFormat?: ImageHandlerOptions['logFormat']
}

/** How far a restore has come. */
export interface RestoreProgress {
  /** Variants found in the bucket so far. */
  found: number
  /** Whether these are all. */
  isFoundAll: boolean
  /** Variants written to the folder. */
  restored: number
  /** Variants that were there already, as new or newer. */
  skipped: number
  /** Variants that could not be had or written. */
  failed: number
  /** Bytes written. */
  bytes: number
}

/** What a restore came to. */
export interface RestoreReport {
  /** Variants written to the folder. */
  restored: number
  /** Variants that were there already, as new or newer. */
  skipped: number
  /** Variants that could not be had or written. */
  failed: number
  /** Bytes written. */
  bytes: number
  /** How long it took, milliseconds. */
  ms: number
  /**
   * Why it ended before everything was there: a limit, `disk` when the folder can not be written, `store` when the
   * bucket can not be read. Absent when everything is there that could be had. `cancelled` comes from `stop()`.
   */
  stopped?: 'maxBytes' | 'deadline' | 'cancelled' | 'disk' | 'store'
  /** The first failure, for people. */
  reason?: string
}

/**
 * Brings the bucket's variants into the folder, the hottest first. What the folder has as new stays. Every file appears
 * whole or not at all, also when the process is killed meanwhile.
 *
 * @returns what it came to. A bucket or a folder that fails is in there, and no rejection: it costs speed, and should
 *   stop no server from starting.
 * @throws {UnsharpError} as a rejection: `ERR_UNSHARP_INVALID_OPTION` for options or settings that can't be used. With
 *   `signal`, the signal's reason as it is.
 */
export function cacheRestore(options?: CacheSyncOptions): Promise<RestoreReport>

/** What has been put into the bucket by this process, for this folder. */
export interface CacheSyncStats {
  /** Variants that wait to be pushed. */
  queued: number
  /** Variants put into the bucket. */
  pushed: number
  /** Variants taken out of it. */
  removed: number
  /** Pushes that failed for good. */
  failed: number
  /**
   * Pushes that were dropped because too many waited, or because the hour's bytes were used up (`pushBytesPerHour` of the
   * store); a later look at the folder finds them again.
   */
  givenUp: number
  /** Bytes put into the bucket. */
  bytes: number
  /** Whether the system tells of changes in the folder. Otherwise it is looked at every ten seconds. */
  watching: boolean
  /** Looks at the whole folder. */
  rescans: number
  /** Files that were found to be new. */
  noticed: number
}

/**
 * A folder whose new variants go into the bucket. What is left is pushed for five seconds at most when SIGTERM comes or
 * the process exits. If nothing else in the process listens to SIGTERM, the signal is raised again afterwards and ends
 * the process as it would have; if something does, that decides.
 */
export interface CacheWatcher {
  /**
   * Pushes everything that is in the folder now, for at most so many milliseconds, 5000 by default.
   *
   * @returns whether nothing is left
   */
  flush(timeoutMs?: number): Promise<boolean>
  /** Flushes, and watches no longer. Further calls wait for the first one. */
  stop(timeoutMs?: number): Promise<boolean>
  /** What happened so far. */
  stats(): CacheSyncStats
}

/**
 * Puts what appears in the folder into the bucket, whoever writes it, and what is there already and the bucket lacks.
 * It keeps no process alive. {@link createImageHandler} needs none of it: it pushes what it makes.
 *
 * @returns once the folder is watched
 * @throws {UnsharpError} as a rejection: `ERR_UNSHARP_INVALID_OPTION` for options or settings that can't be used
 */
export function cacheWatch(options?: CacheSyncOptions): Promise<CacheWatcher>

export interface CacheSync extends CacheWatcher {
  /** What the restore came to, once it has ended; nobody has to look at it. */
  restored: Promise<RestoreReport>
}

/**
 * Watches the folder and restores it in the background, for a custom server or for instrumentation.ts:
 *
 * ```js
 * export async function register() {
 *   if (process.env.NEXT_RUNTIME === 'nodejs') await (await import('unsharp')).startCacheSync()
 * }
 * ```
 *
 * @returns once the folder is watched; the restore goes on behind. A further call returns what the first one did, until
 *   that was stopped.
 * @throws {UnsharpError} as a rejection: `ERR_UNSHARP_INVALID_OPTION` for options or settings that can't be used
 */
export function startCacheSync(options?: CacheSyncOptions): Promise<CacheSync>

/** What the service and the optimizer without a server have in common. `docs/SERVICE.md` has the whole table. */
export interface OptimizerOptions {
  /** The folder of a built Next app, whose config counts, and whose cache folder is used unless `cacheDir` is given. */
  nextDir?: string
  /**
   * A JSON file with further settings, and with `images` and what else of a Next config matters; or the
   * `required-server-files.json` of a build. Settings in it count least.
   */
  config?: string
  /** The config object as next.config exports it, in place of `nextDir` or of one in the file. */
  nextConfig?: object
  /** Where relative urls come from, such as `http://app:3000`. Default: nowhere, and they are refused. */
  fallback?: string
  /** The Host header of requests to it. Default: that of the url. */
  fallbackHostHeader?: string
  /** As for {@link ImageHandlerOptions.allowedPrivateHosts}. */
  allowedPrivateHosts?: string[]
  /**
   * What replicas share so that a variant is made once: `memory` (nothing), `filesystem:PATH`, `redis://…`, `rediss://…`
   * (TLS) or `valkey://…`, with the number of the database in the url. Default `memory`.
   */
  storage?: string
  /** What the keys in Redis begin with. Default `unsharp`. */
  storagePrefix?: string
  /** The bucket for variants: `s3://`, `gs://`, `az://`, `file://`. Default: from the environment, else none. */
  store?: string
  /** The folder for variants on this machine. Default: that of the app in `nextDir`, `images` in a `filesystem:` storage, else none. */
  cacheDir?: string
  /** Memory for hot variants, bytes; an integer from 0. Default 64 MiB. */
  memoryBytes?: number
  /** For one request, waiting and all attempts included, milliseconds. Default 30000; then 504. */
  timeout?: number
  /**
   * Attempts at one variant in all replicas together that may fail, an integer from 1. Default 3; then 502. Those whose process
   * died count apart: after five deaths the answer is 500.
   */
  maxAttempts?: number
  /** How long a result waits in the storage for other replicas, milliseconds. Default 3600000. */
  ttl?: number
  /** Images in work at once, for the whole process; an integer from 1 to 1024. Default: the CPUs, by cgroup quota. */
  concurrency?: number
  /** Images that may wait for their turn; an integer from 0. Default 1000; then 503. */
  maxQueue?: number
  /** As {@link ImageHandlerOptions.memoryBudgetBytes}. */
  memoryBudget?: number
  /** How long `close()` may take, milliseconds. Default 25000. */
  shutdownGrace?: number
  /** As for {@link createImageHandler}. */
  logger?: Logger
  /** As for {@link createImageHandler}. */
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug'
  /** As for {@link createImageHandler}. */
  logFormat?: 'text' | 'json'
}

export interface ServeOptions extends OptimizerOptions {
  /** A name or an address. Default `0.0.0.0`. */
  host?: string
  /** An integer from 0 (any free one) to 65535. Default 3000. */
  port?: number
  /** Connections that are open at once; more wait in line. Default 10000. */
  maxConnections?: number
  /**
   * For the head of a connection's next request, and for a client that takes nothing of its answer, milliseconds.
   * Default 75000, longer than proxies keep a connection idle.
   */
  idleTimeout?: number
  /** As for {@link createImageHandler}. Default false. */
  avifSoon?: boolean
  /** Writes a line of JSON for every request to standard output. Default false. */
  accessLog?: boolean
  /** Sends `Server-Timing` with every image. Default false. */
  serverTiming?: boolean
}

/** Counts since the start, and the present state; new ones are no breaking change. */
export interface ServiceStats extends ImageHandlerStats {
  /** Images in work. */
  running: number
  /** Images that wait for a thread. */
  waiting: number
  /** Variants that wait for their turn with the coordinator. */
  coordinatorWaiting: number
  /** 1 while the shared storage answers, else 0; always 1 for `memory`. */
  coordinatorIsConnected: number
}

export interface Service {
  /** The address that it listens on. */
  host: string
  /** Its port, also where any free one was asked for. */
  port: number
  /** Both as `http://host:port`. */
  url: string
  /**
   * Accepts no more connections, answers the requests that are there, finishes what has begun, pushes what is not in
   * the bucket yet. Takes no longer than `shutdownGrace`; says whether all of it was done.
   */
  close(): Promise<boolean>
  /** What happened so far. */
  stats(): ServiceStats
}

/**
 * The dedicated optimizer, as `npx unsharp serve` starts it: answers `/_next/image`, `/healthz`, `/readyz` and
 * `/metrics`, on the addon's own threads. Takes no signals; what is not among the options comes from the environment
 * (`UNSHARP_PORT`, …) and the JSON file.
 *
 * @throws {UnsharpError} as a rejection: `ERR_UNSHARP_INVALID_OPTION` for options that can't be used, an address that
 *   can't be had included
 */
export function serve(options?: ServeOptions): Promise<Service>

export interface FetchAndOptimizeOptions {
  /** px, an integer from 1 to 16383; any, not only those of the config. The image is never enlarged. */
  width: number
  /** An integer from 1 to 100, default 75; any, not only those of the config. */
  quality?: number
  /** What to encode to. Default: what `accept` leads to. */
  format?: 'avif' | 'webp' | 'jpeg' | 'png'
  /** An Accept header; the formats of the config count. Default: a client that accepts nothing special. */
  accept?: string
}

export interface FetchedVariant {
  /** The encoded image. */
  data: Buffer
  /** Its media type. */
  contentType: string
  /** Without quotes. */
  etag: string
  /** Seconds that a client may keep it. */
  maxAge: number
  /** `HIT`: it was there; `STALE`: there and due for a refresh, which runs now; `MISS`: it was made. */
  cache: 'HIT' | 'MISS' | 'STALE'
  /** Where optimizing failed and `data` is the source as it came: the error's code. */
  fallback?: string
}

export interface Optimizer {
  /**
   * One variant, through the same queue, storage and cache as the service's.
   *
   * @param url absolute, or a path that `fallback` serves; `remotePatterns` and `localPatterns` bind it
   * @throws {UnsharpError} as a rejection: the codes of an upstream that fails, `ERR_UNSHARP_NOT_ALLOWED`,
   *   `ERR_UNSHARP_OVERLOADED`, `ERR_UNSHARP_TIMEOUT`
   */
  fetchAndOptimize(url: string, options: FetchAndOptimizeOptions): Promise<FetchedVariant>
  /** Finishes what has begun, within `shutdownGrace`; says whether all of it was done. */
  close(): Promise<boolean>
  /** What happened so far. */
  stats(): ServiceStats
}

/**
 * The service without HTTP.
 *
 * @param options `allowAnySource`: true lets urls pass that no pattern of the config allows. Private addresses stay
 *   refused unless `allowedPrivateHosts` or `images.dangerouslyAllowLocalIP` allows them. Default false.
 * @throws {UnsharpError} as a rejection: `ERR_UNSHARP_INVALID_OPTION` for options that can't be used
 */
export function createOptimizer(options?: OptimizerOptions & { allowAnySource?: boolean }): Promise<Optimizer>

/** The stable names of everything that can go wrong. */
export type UnsharpErrorCode =
  /** 400: a request breaks a rule of `/_next/image`. */
  | 'ERR_UNSHARP_INVALID_REQUEST'
  /** 400: a pattern, the private-address guard or the SVG rule refuses the source. */
  | 'ERR_UNSHARP_NOT_ALLOWED'
  /** 400: the bytes are no image that is recognised. */
  | 'ERR_UNSHARP_NOT_AN_IMAGE'
  /** The status of the upstream from 400 up, else 500: the upstream did not answer 2xx. */
  | 'ERR_UNSHARP_UPSTREAM_STATUS'
  /** 504: the upstream did not answer in time. */
  | 'ERR_UNSHARP_UPSTREAM_TIMEOUT'
  /** 500, or 502 in the service once all attempts are used up: the upstream could not be reached or read. */
  | 'ERR_UNSHARP_UPSTREAM'
  /** 413: more bytes than allowed, or more memory needed than there may be. */
  | 'ERR_UNSHARP_TOO_LARGE'
  /** 413: more pixels than allowed. */
  | 'ERR_UNSHARP_TOO_MANY_PIXELS'
  /** 400: an image of a known kind that is damaged or of an unsupported variety. */
  | 'ERR_UNSHARP_DECODE'
  /** 500: an encoder failed. */
  | 'ERR_UNSHARP_ENCODE'
  /** 503: too much work is waiting already. */
  | 'ERR_UNSHARP_OVERLOADED'
  /** 503: the work took longer than `timeoutMs`. 504 in the service: the request took longer than `timeout`. */
  | 'ERR_UNSHARP_TIMEOUT'
  /** 499: the caller gave up. */
  | 'ERR_UNSHARP_ABORTED'
  /** 500: a codec panicked; the process lives on. */
  | 'ERR_UNSHARP_PANIC'
  /** 500: the cache folder or the bucket failed; the handler logs it and goes on as after a miss. */
  | 'ERR_UNSHARP_STORE'
  /** 400: options or a config that can't be used. */
  | 'ERR_UNSHARP_INVALID_OPTION'
  /** 500: a call of sharp that `unsharp/sharp` does not have. */
  | 'ERR_UNSHARP_NOT_SUPPORTED'

/** Every failure of unsharp. Its stack shows where unsharp was called. */
export class UnsharpError extends Error {
  constructor(message: string, details: { code: UnsharpErrorCode; status: number; cause?: unknown })
  readonly name: 'UnsharpError'
  /** Stable and safe to compare. */
  readonly code: UnsharpErrorCode
  /** The HTTP status that goes with it. */
  readonly status: number
}
