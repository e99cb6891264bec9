/** @type {import('next').NextConfig} */
export default {
  images: { formats: ['image/avif', 'image/webp'] },
  // A busy machine must not turn a test about answers into one about time.
  experimental: { imgOptTimeoutInSeconds: 600 },
  turbopack: { root: import.meta.dirname },
  outputFileTracingRoot: import.meta.dirname,
  headers: async () => [
    { source: '/cached.jpg', headers: [{ key: 'Cache-Control', value: 'public, max-age=86400' }] },
    { source: '/brief.jpg', headers: [{ key: 'Cache-Control', value: 'public, max-age=1, s-maxage=30000' }] },
  ],
  rewrites: async () => [{ source: '/renamed.jpg', destination: '/photo.jpg' }],
  redirects: async () => [{ source: '/moved.jpg', destination: '/photo.jpg', permanent: false }],
}
