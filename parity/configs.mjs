// The configs that the rows run under. `next` is merged into the test app's next.config when a server starts; `build`
// is for what shapes the build, which then is made anew; `handler` are options of createImageHandler,
// `service` settings of the service.

const sources = { remotePatterns: [{ protocol: 'http', hostname: '127.0.0.1' }], dangerouslyAllowLocalIP: true }
const plain = { ...sources, formats: ['image/webp'] }

export const CONFIGS = {
  plain: { next: { images: plain } },
  /** What can be turned on, turned on. */
  rich: {
    next: {
      images: {
        ...sources,
        formats: ['image/webp', 'image/avif'],
        qualities: [1, 50, 75, 100],
        dangerouslyAllowSVG: true,
        contentDispositionType: 'inline',
        contentSecurityPolicy: "default-src 'self'; sandbox;",
        minimumCacheTTL: 60,
      },
    },
  },
  formatless: { next: { images: { ...sources, formats: [] } } },
  brief: { next: { images: { ...plain, minimumCacheTTL: 1 } } },
  limited: {
    next: {
      images: { ...plain, maximumResponseBody: 30_000, maximumRedirects: 1, minimumCacheTTL: 0 },
      experimental: { imgOptMaxInputPixels: 100_000, imgOptMozjpeg: false, imgOptTimeoutInSeconds: 600 },
      compress: false,
      generateEtags: false,
    },
  },
  guarded: {
    next: {
      images: {
        formats: ['image/webp'],
        domains: ['domain.test'],
        remotePatterns: [
          { protocol: 'https', hostname: 'exact.test', port: '', pathname: '/images/**', search: '' },
          { protocol: 'http', hostname: '**.any.test' },
          { hostname: '*.one.test' },
          { hostname: 'search.test', search: '?v=1' },
          { protocol: 'http', hostname: 'port.test', port: '8080' },
          { protocol: 'http', hostname: '127.0.0.1', pathname: '/S20/**' },
          { protocol: 'http', hostname: 'localhost' },
          { protocol: 'http', hostname: '10.0.0.1' },
          { protocol: 'http', hostname: '0.0.0.0' },
          { protocol: 'http', hostname: '169.254.169.254' },
          { protocol: 'http', hostname: '\\[::1\\]' },
          { protocol: 'http', hostname: '\\[::ffff:7f00:1\\]' },
          { protocol: 'http', hostname: '\\[fd00::1\\]' },
        ],
        localPatterns: [
          { pathname: '/photo.jpg', search: '' },
          { pathname: '/api/**', search: '?v=1' },
          { pathname: '/deep/*/*.jpg' },
        ],
      },
    },
  },
  diskless: { next: { images: { ...plain, maximumDiskCacheSize: 0 } } },
  flushless: { next: { images: plain, experimental: { isrFlushToDisk: false } } },
  tight: {
    next: { images: { ...plain, maximumDiskCacheSize: 20_000 } },
    handler: { memoryBytes: 0 },
    service: { memoryBytes: 0 },
  },
  unoptimized: { next: { images: { ...plain, unoptimized: true } } },
  loader: { next: { images: { ...plain, loader: 'imgix', path: 'https://images.test/' } } },
  hurried: { next: { images: plain, experimental: { imgOptTimeoutInSeconds: 1 } } },
  /** `next dev`, and the handler's option of that name. */
  dev: { dev: true, next: { images: plain } },
  docs: {
    build: { name: 'docs', config: { basePath: '/docs', assetPrefix: 'https://cdn.test/assets' } },
    next: { images: plain },
  },
  slash: {
    build: { name: 'slash', config: { trailingSlash: true } },
    next: { images: plain },
  },
  /** The App Router builds nothing for it, but the server routes by it. */
  languages: { next: { images: plain, i18n: { locales: ['en', 'de'], defaultLocale: 'en' } } },
  /** Next's own answer wherever that is possible. */
  strict: { next: { images: plain }, handler: { strict: true } },
}
