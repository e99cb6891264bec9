// What withUnsharp() makes of a config, in every layout of folders that it looks at. No Next runs here.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { until } from './support/app.mjs'

const require = createRequire(import.meta.url)
const { withUnsharp } = require('../lib/next.js')
const OURS = path.resolve(import.meta.dirname, '../lib/cache-handler.js')

/** Makes files, by name and content, in a new folder and goes into the app in it. */
function layout(t, files, { app = '.', links = {} } = {}) {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'unsharp-layout-')))
  for (const [name, content] of Object.entries({ [path.join(app, 'package.json')]: {}, ...files })) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
    writeFileSync(path.join(dir, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
    symlinkSync(path.join(dir, target), path.join(dir, name))
  }
  const before = process.cwd()
  process.chdir(path.join(dir, app))
  t.after(() => {
    process.chdir(before)
    rmSync(dir, { recursive: true })
  })
  return dir
}

const next = (version, folder = '') => ({ [`${folder}node_modules/next/package.json`]: { version } })

beforeEach(() => {
  delete process.env.NEXT_PRIVATE_STANDALONE
})

/** What every config gets: an addon is no matter for a bundler. */
const UNBUNDLED = { serverExternalPackages: ['unsharp'] }

test('an ordinary server needs nothing in the config but that no bundler touches the addon', (t) => {
  layout(t, next('16.4.6'))
  const config = { images: { formats: ['image/avif'] } }
  assert.deepEqual(withUnsharp(config), { ...config, ...UNBUNDLED })
  assert.deepEqual(withUnsharp(), UNBUNDLED)
  const names = withUnsharp(withUnsharp({ serverExternalPackages: ['canvas'] })).serverExternalPackages
  assert.deepEqual(names, ['canvas', 'unsharp'])
})

test('Next 14 has its external packages among the experimental options', (t) => {
  layout(t, next('14.2.35'))
  const config = withUnsharp({ experimental: { typedRoutes: true, serverComponentsExternalPackages: ['canvas'] } })
  assert.deepEqual(config, {
    experimental: { typedRoutes: true, serverComponentsExternalPackages: ['canvas', 'unsharp'] },
  })
})

test('an object stays an object, a function a function and a promise a promise', async (t) => {
  layout(t, next('16.4.6'))
  const config = { output: 'standalone' }
  assert.equal(withUnsharp(config).cacheHandler, OURS)
  assert.equal((await withUnsharp(Promise.resolve(config))).cacheHandler, OURS)

  const seen = []
  const wrapped = withUnsharp((...args) => {
    seen.push(args)
    return config
  })
  const context = { defaultConfig: {} }
  assert.equal(wrapped('phase-production-build', context).cacheHandler, OURS)
  assert.deepEqual(seen, [['phase-production-build', context]])
  assert.equal((await withUnsharp(async () => config)()).cacheHandler, OURS)
})

test('the config that is passed in is not changed', (t) => {
  layout(t, next('16.4.6'))
  const config = Object.freeze({ output: 'standalone', outputFileTracingExcludes: Object.freeze({ '/a': ['b'] }) })
  assert.deepEqual(withUnsharp(config).outputFileTracingExcludes, {
    '/a': ['b'],
    '*': ['node_modules/sharp/**', 'node_modules/@img/**'],
  })
})

test('a standalone build asked for by environment gets the same', (t) => {
  layout(t, next('16.4.6'))
  process.env.NEXT_PRIVATE_STANDALONE = 'true'
  assert.equal(withUnsharp({}).cacheHandler, OURS)
  assert.equal(withUnsharp({ output: 'export' }).cacheHandler, undefined)
})

test('Next 14 has its excludes among the experimental options', (t) => {
  layout(t, next('14.2.35'))
  const config = withUnsharp({ output: 'standalone', experimental: { typedRoutes: true } })
  assert.equal(config.outputFileTracingExcludes, undefined)
  assert.equal(config.experimental.typedRoutes, true)
  assert.deepEqual(config.experimental.outputFileTracingExcludes['*'], [
    'node_modules/sharp/**',
    'node_modules/@img/**',
  ])
})

test('what is excluded already stays excluded', (t) => {
  layout(t, next('15.5.29'))
  const config = withUnsharp({ output: 'standalone', outputFileTracingExcludes: { '*': ['big/**'] } })
  assert.deepEqual(config.outputFileTracingExcludes['*'].slice(0, 2), ['big/**', 'node_modules/sharp/**'])
})

test('in a workspace sharp is left out where Next has it', (t) => {
  layout(t, next('16.4.6'), { app: 'apps/web' })
  const excludes = withUnsharp({ output: 'standalone' }).outputFileTracingExcludes['*']
  assert.deepEqual(excludes, ['../../node_modules/sharp/**', '../../node_modules/@img/**'])
})

test("in pnpm's layout sharp is left out of the store", (t) => {
  const store = 'node_modules/.pnpm/next@16.4.6/'
  layout(t, next('16.4.6', store), {
    app: 'apps/web',
    links: { 'apps/web/node_modules/next': `${store}node_modules/next` },
  })
  const excludes = withUnsharp({ output: 'standalone' }).outputFileTracingExcludes['*']
  assert.ok(excludes.includes('../../node_modules/.pnpm/sharp@*/**'), excludes.join())
  assert.ok(excludes.includes('../../node_modules/.pnpm/@img+*/**'), excludes.join())
  assert.ok(!excludes.some((pattern) => pattern.includes('../**')), 'which Turbopack can not read')
})

test('sharp stays in where the app itself depends on it, unless told otherwise', (t) => {
  layout(t, { ...next('16.4.6'), 'package.json': { dependencies: { sharp: '^0.35.0' } } })
  const excludes = (options) => withUnsharp({ output: 'standalone' }, options).outputFileTracingExcludes
  assert.equal(excludes(), undefined)
  assert.ok(excludes({ excludeSharp: true }))
  writeFileSync('package.json', '{}')
  assert.ok(excludes())
  assert.equal(excludes({ excludeSharp: false }), undefined)
})

test('cacheHandler: true keeps images', (t) => {
  layout(t, next('16.2.0'))
  const config = withUnsharp({ images: { qualities: [75] } }, { cacheHandler: true })
  const images = { qualities: [75], customCacheHandler: true }
  assert.deepEqual(config, { ...UNBUNDLED, cacheHandler: OURS, images })
})

test('cacheHandler: true does nothing before Next 16.2, and says so', (t) => {
  layout(t, next('16.1.9'))
  const warn = t.mock.method(console, 'warn', () => {})
  assert.deepEqual(withUnsharp({}, { cacheHandler: true }), UNBUNDLED)
  withUnsharp({}, { cacheHandler: true })
  assert.equal(warn.mock.callCount(), 1)
  assert.match(warn.mock.calls[0].arguments[0], /16\.2/)
})

test('Next 16.10 is later than 16.2', (t) => {
  layout(t, next('16.10.0'))
  assert.equal(withUnsharp({}, { cacheHandler: true }).images.customCacheHandler, true)
})

test("a cacheHandler of the user's own gets one file that names both", async (t) => {
  const own =
    "export default class Own { constructor(context) { this.context = context } get(...a) { return ['own', ...a] } }"
  const dir = layout(t, { ...next('16.4.6'), 'cache/own.mjs': own })
  const file = path.join(dir, 'cache/own.mjs')
  const config = { output: 'standalone', cacheHandler: file }
  const { cacheHandler } = withUnsharp(config)
  assert.equal(path.relative(dir, path.dirname(cacheHandler)), 'node_modules/.cache/unsharp')
  assert.ok(!readFileSync(cacheHandler, 'utf8').includes(dir), 'it may be moved with what it names')
  assert.equal(withUnsharp({ ...config, cacheHandler: pathToFileURL(file).href }).cacheHandler, cacheHandler)
  assert.equal(withUnsharp(withUnsharp(config)).cacheHandler, cacheHandler, 'wrapping twice is wrapping once')

  const Handler = require(cacheHandler)
  const handler = new Handler({ dev: false })
  handler.resetRequestCache()
  assert.deepEqual(await handler.get('key', { kind: 'PAGES' }), ['own', 'key', { kind: 'PAGES' }])
  assert.equal((await handler.get('key', { kind: 'IMAGE' }))[0], 'own', 'images too, unless ours are asked for')
  const kept = withUnsharp(config, { cacheHandler: true })
  assert.notEqual(kept.cacheHandler, cacheHandler)
  assert.equal(await new (require(kept.cacheHandler))({ flushToDisk: false }).get('key', { kind: 'IMAGE' }), null)
})

test("where that file can't be written, the user's own stays", (t) => {
  const dir = layout(t, { ...next('16.4.6'), 'own.js': '', 'node_modules/.cache': 'a file, no folder' })
  t.mock.method(console, 'warn', () => {})
  const config = { output: 'standalone', cacheHandler: path.join(dir, 'own.js') }
  assert.deepEqual(withUnsharp(config), { ...config, ...UNBUNDLED })
})

test('a bucket goes into a file that a standalone server loads, and keeps images by itself', async (t) => {
  const dir = layout(t, next('16.4.6'))
  const bucket = path.join(dir, 'bucket')
  const store = pathToFileURL(bucket).href
  const config = withUnsharp({}, { store })
  assert.equal(config.images.customCacheHandler, true)
  assert.equal(path.relative(dir, path.dirname(config.cacheHandler)), 'node_modules/.cache/unsharp')
  assert.equal(withUnsharp(config, { store }).cacheHandler, config.cacheHandler, 'wrapping twice is wrapping once')
  assert.equal(withUnsharp({}, { store, cacheHandler: false }).cacheHandler, undefined)

  // Two servers without a disk in common.
  const image = {
    kind: 'IMAGE',
    buffer: Buffer.from('body'),
    etag: 'e',
    upstreamEtag: 'u',
    extension: 'webp',
    revalidate: 60,
  }
  const key = 'A'.repeat(43)
  const Handler = require(config.cacheHandler)
  await new Handler({ serverDistDir: path.join(dir, 'one/server') }).set(key, image, {})
  await until(() => existsSync(path.join(bucket, key)), Boolean)
  const found = await new Handler({ serverDistDir: path.join(dir, 'two/server') }).get(key, { kind: 'IMAGE' })
  assert.deepEqual(found.value, image)
})

test("a bucket stands beside the user's own cacheHandler", async (t) => {
  const dir = layout(t, { ...next('16.4.6'), 'own.js': 'module.exports = class { get() { return "own" } }' })
  const { cacheHandler } = withUnsharp({ cacheHandler: path.join(dir, 'own.js') }, { store: false, cacheHandler: true })
  assert.match(readFileSync(cacheHandler, 'utf8'), /"store":false/)
  assert.equal(await new (require(cacheHandler))({}).get('key', { kind: 'PAGES' }), 'own')
})

test('what may not stand in a file is refused as a bucket', () => {
  for (const store of ['s3://key:secret@bucket', 's3://bucket?secret=x', 's3://bucket?token', 'bucket', '', 7, true]) {
    assert.throws(
      () => withUnsharp({}, { store }),
      (error) => error.code === 'ERR_UNSHARP_INVALID_OPTION' && !/key:secret/.test(error.message),
      String(store),
    )
  }
})

test('a bucket that can not be used costs images nothing but the bucket', (t) => {
  const dir = layout(t, {})
  const script = `
    const Handler = require(${JSON.stringify(OURS)}).delegateTo(undefined, { store: 'ftp://nowhere' })
    const handler = new Handler({ serverDistDir: ${JSON.stringify(path.join(dir, 'dist/server'))} })
    const image = { kind: 'IMAGE', buffer: Buffer.from('body'), etag: 'e', upstreamEtag: 'u', extension: 'webp', revalidate: 60 }
    handler.set('A'.repeat(43), image, {}).then(() => handler.get('A'.repeat(43), { kind: 'IMAGE' })).then(({ value }) => console.log(value.etag))`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  assert.equal(stdout, 'e\n', stderr)
  assert.match(stderr, /^unsharp: the bucket is not used: /)
  assert.equal(stderr.trim().split('\n').length, 1, 'it is said once')
})

test('an edge bundle has no cache handler but the one of the user', (t) => {
  const dir = layout(t, { ...next('16.4.6'), 'own.js': "module.exports = 'own'" })
  const { cacheHandler } = withUnsharp({ output: 'standalone', cacheHandler: path.join(dir, 'own.js') })
  process.env.NEXT_RUNTIME = 'edge'
  delete require.cache[OURS]
  delete require.cache[cacheHandler]
  t.after(() => {
    delete process.env.NEXT_RUNTIME
    delete require.cache[OURS]
  })
  assert.equal(require(OURS).default, undefined)
  assert.equal(require(cacheHandler), 'own')
})

test('a build says so when another wrapper has replaced what brings unsharp into its server', (t) => {
  const dir = layout(t, next('16.4.6'))
  const build = (cacheHandler) => {
    const script = `
      require(${JSON.stringify(path.resolve(OURS, '../next.js'))}).withUnsharp({ output: 'standalone' })
      require('node:fs').mkdirSync('.next', { recursive: true })
      require('node:fs').writeFileSync('.next/required-server-files.json', process.argv[2])`
    const record = JSON.stringify({ config: { cacheHandler } })
    return spawnSync(process.execPath, ['-e', script, 'build', record], { encoding: 'utf8' }).stderr
  }
  assert.equal(build(path.relative(path.join(dir, '.next'), OURS)), '')
  writeFileSync('other.js', '')
  for (const other of [undefined, '../other.js']) assert.match(build(other), /NOT optimize images.*outermost/s)
})

test('options that are not known and values of the wrong kind are refused', () => {
  const refused = { code: 'ERR_UNSHARP_INVALID_OPTION' }
  assert.throws(() => withUnsharp({}, { bucket: 's3://bucket' }), {
    ...refused,
    message: /bucket.*cacheHandler, excludeSharp, store/,
  })
  assert.throws(() => withUnsharp({}, { cacheHandler: 'yes' }), refused)
  assert.throws(() => withUnsharp(42), refused)
  assert.throws(() => withUnsharp({ output: 'standalone', cacheHandler: 42 }), refused)
})
