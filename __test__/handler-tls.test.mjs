// Sources over HTTPS: whose certificates are trusted.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { createImageHandler } from '../index.js'
import { publicFile, startApp, startUpstream, tempFolder } from './support/app.mjs'
import { localhostCertificate } from './support/certificates.mjs'

const { ca, ...certificate } = localhostCertificate()

/** An HTTPS source named localhost, and the images config that allows it. */
async function startHttps(t) {
  const upstream = await startUpstream(
    t,
    () => ({ body: publicFile('photo.jpg') }),
    (answer) => createServer(certificate, answer),
  )
  const remotePatterns = [{ protocol: 'https', hostname: 'localhost', port: String(upstream.port) }]
  return {
    ...upstream,
    url: `https://localhost:${upstream.port}/photo.jpg`,
    images: { remotePatterns, dangerouslyAllowLocalIP: true },
  }
}

test('the authorities in NODE_EXTRA_CA_CERTS are trusted', async (t) => {
  const folder = tempFolder(t)
  const file = path.join(folder, 'ca.pem')
  writeFileSync(file, ca)
  const { images, url } = await startHttps(t)
  const app = await startApp(t, { images, env: { NODE_EXTRA_CA_CERTS: file } })
  const answer = await app.image({ url, w: 256 })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'image/avif')
})

test('a source with a certificate from an unknown authority is not asked', async (t) => {
  const { images, requests, url } = await startHttps(t)
  const app = await startApp(t, { images, env: { NODE_EXTRA_CA_CERTS: '' } })
  const answer = await app.image({ url, w: 256 })
  assert.deepEqual([answer.status, answer.text], [500, 'Internal Server Error'])
  assert.equal(requests.length, 0)
  assert.match(app.log(), /UnknownIssuer/)
})

test('the authorities that Node brings along are handed to the addon', async (t) => {
  const native = createRequire(import.meta.url)('../lib/native.js')
  const { NativeHandler } = native
  t.after(() => Object.assign(native, { NativeHandler }))
  let given
  native.NativeHandler = class extends NativeHandler {
    constructor(options, ...rest) {
      super(options, ...rest)
      given = options
    }
  }
  await createImageHandler({ dir: path.resolve(import.meta.dirname, 'next'), nextConfig: {} })
  for (const one of rootCertificates) assert.ok(given.caCerts.includes(one))
  assert.ok(rootCertificates.length > 0)
})
