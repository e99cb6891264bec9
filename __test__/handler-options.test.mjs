// What createImageHandler() is given.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { createImageHandler, UnsharpError } from '../index.js'
import { send } from './support/app.mjs'

const dir = path.resolve(import.meta.dirname, 'next')
const nextConfig = { images: {} }

const refused = {
  'an option that does not exist': [{ dir, folder: '.' }, /no option "folder"/],
  'a dir that is no string': [{ dir: 7 }, /dir must be a string/],
  'a config function': [{ dir, nextConfig: () => ({}) }, /call the function/],
  'a config that is no object': [{ dir, nextConfig: 'next.config.js' }, /nextConfig must be an object/],
  'a cycle in the images config': [{ dir, nextConfig: cyclic() }, /can not be written as JSON/],
  'a handle that is no function': [{ dir, handle: {} }, /handle must be a function/],
  'an origin that is no url': [{ dir, origin: 'localhost:3000' }, /origin must be an http or https url/],
  'a store that is no url': [{ dir, nextConfig, store: 'bucket' }, /store/],
  'a store with credentials': [{ dir, nextConfig, store: 's3://key:secret@bucket' }, /leave credentials out/],
  'a store that is true': [{ dir, nextConfig, store: true }, /store must be a string/],
  'a concurrency of 0': [{ dir, nextConfig, concurrency: 0 }, /concurrency must be an integer from 1 to 1024, not 0/],
  'a fraction of a byte': [{ dir, nextConfig, memoryBytes: 1.5 }, /memoryBytes must be an integer/],
  'a negative queue': [{ dir, nextConfig, maxQueue: -1 }, /maxQueue must be an integer/],
  'a dev that is no boolean': [{ dir, nextConfig, dev: 'yes' }, /dev must be true or false/],
  'an avifSoon that is no boolean': [{ dir, nextConfig, avifSoon: 'yes' }, /avifSoon must be true or false/],
  'an images config that Next would refuse': [{ dir, nextConfig: { images: { deviceSizes: 'all' } } }, /deviceSizes/],
  'a dir without a build and no config': [{ dir: '/nonexistent' }, /nonexistent/],
  'a handle with no Next in dir': [{ dir: '/', nextConfig, handle() {} }, /is dir the folder of the app/],
}

function cyclic() {
  const images = {}
  images.self = images
  return { images }
}

for (const [name, [options, message]] of Object.entries(refused)) {
  test(`${name} is refused`, async () => {
    await assert.rejects(createImageHandler(options), (error) => {
      assert.ok(error instanceof UnsharpError)
      assert.equal(error.code, 'ERR_UNSHARP_INVALID_OPTION')
      assert.equal(error.status, 400)
      assert.match(error.message, message)
      return true
    })
  })
}

test('a cacheHandler that asks for images is told that it gets none', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {})
  const open = async (cacheHandler, customCacheHandler) => {
    const handler = await createImageHandler({ dir, nextConfig: { cacheHandler, images: { customCacheHandler } } })
    await handler.close()
    const warned = warn.mock.calls.map((call) => call.arguments[0])
    warn.mock.resetCalls()
    return warned
  }
  const warned = await open('/app/own-handler.js', true)
  assert.equal(warned.length, 1)
  assert.match(warned[0], /own-handler\.js.*cache\/images instead/)
  assert.deepEqual(await open('/app/own-handler.js', false), [])
  const ours = path
    .resolve(import.meta.dirname, '../lib/cache-handler.js')
    .replace(/^.*(?=\/lib\/)/, '/node_modules/unsharp')
  assert.deepEqual(await open(ours, true), [], 'unsharp/cache-handler keeps them in the same place')
})

test('functions, undefined and URLs in the config are understood', async () => {
  const handler = await createImageHandler({
    dir,
    nextConfig: {
      webpack: (config) => config,
      rewrites: async () => [],
      images: { remotePatterns: [new URL('https://example.com/photos/**')], loaderFile: undefined },
      experimental: { imgOptConcurrency: undefined, turbo: cyclic() },
    },
  })
  await handler.close()
})

test('the config of the build is used when none is given', async () => {
  const handler = await createImageHandler({ dir })
  assert.equal(await handler({ url: '/' }, {}), false)
  await handler.close()
})

for (const [name, config, served, left] of [
  ['nothing', {}, ['/_next/image'], ['/_next/image/', '/docs/_next/image', '/_next/images']],
  ['a basePath', { basePath: '/docs' }, ['/docs/_next/image'], ['/_next/image', '/docs']],
  ['a trailingSlash', { trailingSlash: true }, ['/_next/image/'], ['/_next/image']],
  [
    'a trailingSlash whose redirect is skipped',
    { trailingSlash: true, skipTrailingSlashRedirect: true },
    ['/_next/image', '/_next/image/'],
    [],
  ],
  ['another loader', { images: { loader: 'custom' } }, [], ['/_next/image']],
  ['unoptimized', { images: { unoptimized: true } }, [], ['/_next/image']],
]) {
  test(`with ${name} in the config the endpoint is where Next has it`, async (t) => {
    const handler = await createImageHandler({ dir, nextConfig: config })
    const server = createServer(async (req, res) => {
      if (!(await handler(req, res))) res.writeHead(404).end()
    })
    server.listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address()
    for (const target of served) assert.equal((await send({ port, path: target })).status, 400, target)
    for (const target of left) assert.equal((await send({ port, path: target })).status, 404, target)
  })
}
