/** What Next asks of a `cacheHandler`. */
interface CacheHandler {
  get(key: string, context: any): Promise<any>
  set(key: string, data: any, context: any): Promise<any>
  revalidateTag(tags: any, ...more: any[]): Promise<any>
  resetRequestCache(): void
}

interface CacheHandlerClass {
  new (context: any): CacheHandler
  readonly default: CacheHandlerClass
  /**
   * The same in front of another cache handler than Next's own.
   *
   * @param load gives the other's module or class, or a promise of it: `() => import('./my-handler.mjs')`. Default:
   *   Next's own
   */
  delegateTo(load?: () => unknown, options?: DelegateOptions): CacheHandlerClass
}

interface DelegateOptions {
  /** False leaves images to the other handler too, so that all this one does is to hook unsharp in. Default true. */
  images?: boolean
  /** The bucket behind the cache, or false for none. Default: the environment's, if any. */
  store?: string | false
}

/**
 * The `cacheHandler` of next.config, which `withUnsharp` sets where it is needed. With `images.customCacheHandler: true`
 * (Next 16.2 and later) images are kept by unsharp; everything else goes to Next's own handler.
 */
declare const UnsharpCacheHandler: CacheHandlerClass
export = UnsharpCacheHandler
