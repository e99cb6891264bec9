// Where the settings of the service come from, and what stops its start.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { createOptimizer, serve, UnsharpError } from '../index.js'
import { allow, freshDist, publicFile, startUpstream, tempFolder } from './support/app.mjs'
import { runService, startService } from './support/service.mjs'

const require = createRequire(import.meta.url)
const { SETTINGS, flagOf, variableOf } = require('../lib/service-settings.js')
const photo = publicFile('photo.jpg')
const always = () => ({ headers: { 'content-type': 'image/jpeg' }, body: photo })

test('a wrong command line, variable or file stops the start with one line', async (t) => {
  const folder = tempFolder(t)
  const file = (name, text) => {
    writeFileSync(path.join(folder, name), text)
    return ['--config', path.join(folder, name)]
  }
  for (const [flags, env, line] of [
    [['--colour', 'red'], {}, /Unknown option '--colour'/],
    [['extra'], {}, /Unexpected argument 'extra'/],
    [['--port', '70000'], {}, /--port must be an integer from 0 to 65535, not 70000/],
    [['--port', '80a'], {}, /--port must be an integer from 0 to 65535, not "80a"/],
    [['--max-attempts', '0'], {}, /--max-attempts must be an integer from 1 to 100, not 0/],
    [['--log-level', 'loud'], {}, /--log-level must be one of silent, error, warn, info, debug, not "loud"/],
    [['--fallback', 'app:3000'], {}, /fallback must be an http or https url/],
    [['--fallback', 'http://app/prefix'], {}, /fallback is scheme, host and port; \/prefix would not be used/],
    [['--storage', 'mysql://db'], {}, /storage: one of memory/],
    [['--next-dir', folder], {}, /no required-server-files\.json/],
    [['--host', '203.0.113.1'], {}, /203\.0\.113\.1:3000 can't be listened on/],
    [[], { UNSHARP_TIMEOUT: '30s' }, /UNSHARP_TIMEOUT must be an integer/],
    [[], { UNSHARP_ACCESS_LOG: 'yes' }, /UNSHARP_ACCESS_LOG must be true or false, not "yes"/],
    [file('colour.json', '{"colour":1}'), {}, /has no setting "colour"/],
    [file('port.json', '{"port":"80"}'), {}, /port in config .* must be an integer from 0 to 65535, not "80"/],
    [file('broken.json', '{'), {}, /is no JSON object/],
    [file('images.json', '{"images":{"qualities":[0]}}'), {}, /images\.qualities/],
    [file('manifest.json', '{"version":1,"images":{}}'), {}, /give required-server-files\.json/],
    [['--config', path.join(folder, 'none.json')], {}, /can't be read/],
  ]) {
    const { code, out, err } = await runService(flags, env)
    assert.match(err, line)
    assert.match(err, /^unsharp: [^\n]+\n$/, 'one line')
    assert.deepEqual([code, out], [2, ''], err)
  }
})

test('a flag counts before the environment, and that before the file', async (t) => {
  const folder = tempFolder(t)
  const file = { port: 1, maxQueue: 0, timeout: 1, images: {} }
  const service = await startService(t, {
    ...{ file, folder, env: { UNSHARP_PORT: '2', UNSHARP_MAX_QUEUE: '7', UNSHARP_TIMEOUT: '' } },
    flags: ['--timeout', '20000'],
  })
  assert.ok(service.port > 2)
  assert.equal((await service.get('/readyz')).status, 200)
})

test('a build is read with --next-dir, or its manifest with --config', async (t) => {
  const upstream = await startUpstream(t, always)
  const dist = freshDist()
  t.after(() => rmSync(dist.folder, { recursive: true, force: true }))
  const more = ['--fallback', upstream.origin, '--cache-dir', path.join(tempFolder(t), 'images')]
  for (const source of [
    ['--next-dir', dist.folder],
    ['--config', path.join(dist.folder, 'required-server-files.json')],
  ]) {
    const service = await startService(t, { flags: [...source, ...more] })
    const answer = await service.image({ url: '/photo.jpg', w: 256 })
    assert.equal(answer.status, 200, source[0])
  }
})

test('the help and the documentation name every setting', async () => {
  const { code, out } = await runService(['--help'])
  assert.equal(code, 0)
  const docs = readFileSync(path.resolve(import.meta.dirname, '../docs/SERVICE.md'), 'utf8')
  const types = readFileSync(path.resolve(import.meta.dirname, '../index.d.ts'), 'utf8')
  for (const { name, fallback } of SETTINGS) {
    assert.ok(out.includes(`  ${flagOf(name)} `) || out.includes(`  ${flagOf(name)}\n`), `${name} in the help`)
    assert.match(types, new RegExp(`^  ${name}\\?: `, 'm'))
    const row = docs.split('\n').find((line) => line.startsWith(`| \`${flagOf(name)}`))
    assert.ok(row, `${name} in docs/SERVICE.md`)
    assert.ok(row.includes(variableOf(name)) && row.includes(`\`${name}\``) && row.includes(fallback), row)
  }
})

test('serve() serves from this process until it is closed', async (t) => {
  const upstream = await startUpstream(t, always)
  const nextConfig = { images: allow(upstream) }
  const service = await serve({ host: '127.0.0.1', port: 0, nextConfig, fallback: upstream.origin })
  const url = `${service.url}/_next/image?url=%2Fphoto.jpg&w=256&q=75`
  const answer = await fetch(url, { headers: { accept: 'image/webp' } })
  assert.equal(answer.status, 200)
  await answer.arrayBuffer()
  assert.equal(service.stats().misses, 1)
  assert.equal(service.stats().coordinatorIsConnected, 1)
  assert.equal(await service.close(), true)
  assert.equal(await service.close(), true, 'twice is as good as once')
  await assert.rejects(fetch(url))
})

test('serve() rejects what it can not use', async () => {
  for (const [options, text] of [
    [{ colour: 1 }, /serve\(\) has no option "colour"/],
    [{ port: '80' }, /port must be an integer/],
    [{ nextConfig: {}, nextDir: '.' }, /more than one Next config/],
    [{ storage: 'redis-cluster://127.0.0.1' }, /Redis Cluster is not supported/],
  ]) {
    await assert.rejects(serve(options), (error) => {
      assert.ok(error instanceof UnsharpError)
      assert.equal(error.code, 'ERR_UNSHARP_INVALID_OPTION')
      assert.match(error.message, text)
      return true
    })
  }
})

test('a port that is taken is an error that names it', async (t) => {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address()
  await assert.rejects(serve({ host: '127.0.0.1', port }), (error) => {
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} can't be listened on`))
    return true
  })
})

test('createOptimizer() makes variants without a server', async (t) => {
  const upstream = await startUpstream(t, always)
  const nextConfig = { images: allow(upstream) }
  const optimizer = await createOptimizer({ nextConfig, fallback: upstream.origin })
  t.after(() => optimizer.close())
  const url = `${upstream.origin}/photo.jpg`

  const [first, second] = await Promise.all([
    optimizer.fetchAndOptimize(url, { width: 123, quality: 61, format: 'avif' }),
    optimizer.fetchAndOptimize(url, { width: 123, quality: 61, format: 'avif' }),
  ])
  assert.deepEqual([first.contentType, first.cache], ['image/avif', 'MISS'])
  assert.deepEqual(second.data, first.data)
  assert.equal(upstream.requests.length, 1)
  const again = await optimizer.fetchAndOptimize(url, { width: 123, quality: 61, format: 'avif' })
  assert.deepEqual([again.cache, again.etag], ['HIT', first.etag])

  const negotiated = await optimizer.fetchAndOptimize('/photo.jpg', { width: 64, accept: 'image/webp,*/*' })
  assert.equal(negotiated.contentType, 'image/webp')
  const plain = await optimizer.fetchAndOptimize('/photo.jpg', { width: 64 })
  assert.equal(plain.contentType, 'image/jpeg')

  for (const [source, options, code] of [
    ['https://example.com/a.jpg', { width: 64 }, 'ERR_UNSHARP_NOT_ALLOWED'],
    [url, {}, 'ERR_UNSHARP_INVALID_OPTION'],
    [url, { width: 64, format: 'webp', accept: '*/*' }, 'ERR_UNSHARP_INVALID_OPTION'],
    ['nonsense', { width: 64 }, 'ERR_UNSHARP_INVALID_REQUEST'],
  ]) {
    await assert.rejects(optimizer.fetchAndOptimize(source, options), (error) => {
      assert.equal(error.code, code)
      assert.match(error.stack, /service-options\.test/, 'the stack shows the caller')
      return true
    })
  }
})

test('allowAnySource lifts the patterns and not the guard against private addresses', async (t) => {
  const upstream = await startUpstream(t, always)
  const guarded = await createOptimizer({ allowAnySource: true })
  t.after(() => guarded.close())
  await assert.rejects(guarded.fetchAndOptimize(`${upstream.origin}/photo.jpg`, { width: 64 }), {
    code: 'ERR_UNSHARP_NOT_ALLOWED',
  })
  assert.equal(upstream.requests.length, 0)
  const nextConfig = { images: { dangerouslyAllowLocalIP: true } }
  const open = await createOptimizer({ allowAnySource: true, nextConfig })
  t.after(() => open.close())
  assert.equal((await open.fetchAndOptimize(`${upstream.origin}/photo.jpg`, { width: 64 })).cache, 'MISS')
})
