// allowedPrivateHosts: images from inside, while the rest of the inside stays closed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createImageHandler, createOptimizer, UnsharpError } from '../index.js'
import { allow, imagePath, publicFile, send, startUpstream, tempFolder, WEBP } from './support/app.mjs'
import { runService, startService } from './support/service.mjs'

const photo = publicFile('photo.jpg')
const always = () => ({ headers: { 'content-type': 'image/jpeg' }, body: photo })
const closed = { dangerouslyAllowLocalIP: false }

/** A handler in this process, and what it has logged. */
async function start(t, options) {
  const records = []
  const keep = (message, fields) => records.push({ message, ...fields })
  const logger = { error: keep, warn: keep, info: keep, debug: keep }
  const handler = await createImageHandler({ dir: tempFolder(t), logger, ...options })
  const server = createServer((req, res) => handler(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.close()
    await handler.close()
  })
  const image = (url) =>
    send({ port: server.address().port, path: imagePath({ url, w: 256 }), headers: { accept: WEBP } })
  return { image, records }
}

test('a private address is fetched once it is listed, by the handler', async (t) => {
  const upstream = await startUpstream(t, always)
  const nextConfig = { images: allow(upstream, closed) }
  const url = `${upstream.origin}/photo.jpg`
  const shut = await start(t, { nextConfig, allowedPrivateHosts: ['10.0.0.0/8', 'images.internal'] })
  assert.equal((await shut.image(url)).status, 400)
  assert.equal(upstream.requests.length, 0)
  assert.match(shut.records[0].message, /private address, and it is not among allowedPrivateHosts/)
  const open = await start(t, { nextConfig, allowedPrivateHosts: ['127.0.0.0/8'] })
  assert.equal((await open.image(url)).status, 200)
})

test('a listed address still needs a pattern', async (t) => {
  const upstream = await startUpstream(t, always)
  const { image } = await start(t, { nextConfig: { images: closed }, allowedPrivateHosts: ['127.0.0.1'] })
  const answer = await image(`${upstream.origin}/photo.jpg`)
  assert.deepEqual([answer.status, answer.text], [400, '"url" parameter is not allowed'])
  assert.equal(upstream.requests.length, 0)
})

test('a name is allowed as it is written, and not its address', async (t) => {
  const upstream = await startUpstream(t, always)
  const remotePatterns = [{ hostname: 'localhost' }, { hostname: '127.0.0.1' }]
  const options = { nextConfig: { images: { remotePatterns } }, allowedPrivateHosts: ['LOCALHOST'] }
  const { image } = await start(t, options)
  assert.equal((await image(`http://localhost:${upstream.port}/a.jpg`)).status, 200)
  assert.equal((await image(`http://127.0.0.1:${upstream.port}/b.jpg`)).status, 400)
})

test('the service takes the list from a flag, the environment and the file', async (t) => {
  const upstream = await startUpstream(t, always)
  const file = { images: allow(upstream, closed) }
  const ways = [
    [{ flags: ['--allowed-private-hosts', '10.0.0.0/8, 127.0.0.1'] }, 200],
    [{ env: { UNSHARP_ALLOWED_PRIVATE_HOSTS: '127.0.0.0/8' } }, 200],
    [{ file: { ...file, allowedPrivateHosts: ['127.0.0.1'] } }, 200],
    [{}, 400],
  ]
  for (const [way, status] of ways) {
    const service = await startService(t, { file, folder: tempFolder(t), ...way })
    const answer = await service.image({ url: `${upstream.origin}/photo.jpg`, w: 256 })
    assert.equal(answer.status, status, JSON.stringify(way))
  }
})

test('the optimizer takes the list, also where any source is allowed', async (t) => {
  const upstream = await startUpstream(t, always)
  const wanted = [`${upstream.origin}/photo.jpg`, { width: 100 }]
  for (const [allowedPrivateHosts, code] of [
    [['127.0.0.1'], undefined],
    [[], 'ERR_UNSHARP_NOT_ALLOWED'],
  ]) {
    const optimizer = await createOptimizer({ allowAnySource: true, nextConfig: {}, allowedPrivateHosts })
    const outcome = await optimizer.fetchAndOptimize(...wanted).then(
      () => undefined,
      (error) => error.code,
    )
    assert.equal(outcome, code)
    await optimizer.close()
  }
})

test('a list that can not be meant stops the start', async (t) => {
  for (const [list, message] of [
    ['10.0.0.0/8', /allowedPrivateHosts must be an array of strings/],
    [[7], /allowedPrivateHosts must be an array of strings/],
    [[''], /allowedPrivateHosts must be an array of strings/],
    [['ok.internal', 'http://minio:9000'], /allowedPrivateHosts\[1\]: "http:\/\/minio:9000" is no host name/],
    [['0.0.0.0/0'], /dangerouslyAllowLocalIP/],
    [['10.1.2.3/8'], /the range is 10\.0\.0\.0\/8/],
  ]) {
    const options = { dir: tempFolder(t), nextConfig: {}, allowedPrivateHosts: list }
    await assert.rejects(createImageHandler(options), (error) => {
      assert.ok(error instanceof UnsharpError)
      assert.equal(error.code, 'ERR_UNSHARP_INVALID_OPTION')
      assert.match(error.message, message)
      return true
    })
  }
  const { code, err } = await runService(['--allowed-private-hosts', '*.internal'])
  assert.equal(code, 2)
  assert.match(err, /^unsharp: invalid option: allowedPrivateHosts\[0\]: "\*\.internal" has a wildcard[^\n]*\n$/)
})
