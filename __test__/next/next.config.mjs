// A test may add to the config by the environment, as JSON: `next start` reads it like `next build` does. What shapes
// the build itself (basePath, trailingSlash, i18n) needs a build of its own, in a distDir of its own.
const added = JSON.parse(process.env.TEST_CONFIG ?? '{}')

/** @type {import('next').NextConfig} */
export default {
  turbopack: { root: import.meta.dirname },
  outputFileTracingRoot: import.meta.dirname,
  headers: async () => [
    { source: '/cached.jpg', headers: [{ key: 'Cache-Control', value: 'public, max-age=86400' }] },
    { source: '/brief.jpg', headers: [{ key: 'Cache-Control', value: 'public, max-age=1, s-maxage=30000' }] },
  ],
  rewrites: async () => [{ source: '/renamed.jpg', destination: '/photo.jpg' }],
  redirects: async () => [{ source: '/moved.jpg', destination: '/photo.jpg', permanent: false }],
  ...added,
  images: { formats: ['image/avif', 'image/webp'], ...added.images },
  // A busy machine must not turn a test about answers into one about time.
  experimental: { imgOptTimeoutInSeconds: 600, ...added.experimental },
}
