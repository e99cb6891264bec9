const standalone = { output: 'standalone', outputFileTracingRoot: import.meta.dirname }

export default {
  images: { formats: ['image/avif', 'image/webp'] },
  ...(process.env.TEST_STANDALONE && standalone),
}
