// The same images as for the other peers.
export default {
  images: {
    remotePatterns: [{ protocol: 'http', hostname: '127.0.0.1', pathname: '/**' }],
    dangerouslyAllowLocalIP: true,
    qualities: [75],
    formats: ['image/webp'],
  },
}
