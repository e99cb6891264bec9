// What every test of a whole Next server asks of it, whichever version it is.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { until } from './app.mjs'
import { filesIn } from './next-app.mjs'

/** What create-next-app writes. */
export const FRESH = `/** @type {import('next').NextConfig} */
export const nextConfig = {
  /* config options here */
}

export default nextConfig
`
/** The second of the two edits that the README asks for; the first is \`npm install unsharp\`. */
export const wrap = (config) =>
  `import { withUnsharp } from 'unsharp/next'\n${config.replace(/export default (\w+)/, 'export default withUnsharp($1)')}`

export const OURS = ['unsharp.linux-x64-gnu.node']
/** Next takes this for `output: 'standalone'`. */
export const STANDALONE = { env: { NEXT_PRIVATE_STANDALONE: 'true' } }

export async function assertOptimized(server, type = 'image/webp') {
  const answer = await server.image()
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, type], server.log())
  // Next's answer to a sharp that fails is the original, which is a JPEG of 91565 bytes.
  assert.ok(answer.body.length < 60_000, String(answer.body.length))
  return answer
}

export async function assertPictureOfText(server) {
  const answer = await server.get('/og')
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'image/png'])
  assert.equal(answer.body.subarray(1, 4).toString(), 'PNG')
}

/**
 * ISR and the data cache with its tags, both of which go through a cacheHandler where there is one.
 *
 * @param {object} server
 * @param {string} [dir] where Next's own handler writes pages, when that is the one
 */
export async function assertCachesWork(server, dir) {
  const number = await server.json('/tagged')
  assert.equal(await server.json('/tagged'), number, 'cached')
  await server.get('/revalidate')
  assert.notEqual(await server.json('/tagged'), number, 'revalidated by tag')

  for (const page of ['/isr', '/old']) {
    const made = async () => /made at[^0-9]*(\d+)/.exec((await server.get(page)).text)[1]
    const first = await made()
    const second = await until(made, (now) => now !== first)
    const isWritten = ({ name }) =>
      name.endsWith('.html') && readFileSync(path.join(dir, '.next/server', name), 'utf8').includes(second)
    if (dir) assert.ok(filesIn(path.join(dir, '.next/server')).some(isWritten), `${page} is on disk`)
  }
}

export function assertWithoutSharp({ dir }, app) {
  const files = filesIn(dir)
  const foreign = files.filter(({ name }) => /node_modules\/(sharp|@img)\/|vips/.test(name))
  assert.deepEqual(foreign, [])
  assert.ok(files.some(({ name }) => name.endsWith(`/${OURS}`)))

  const sum = (list) => list.reduce((bytes, file) => bytes + file.bytes, 0)
  const modules = path.join(app.dir, 'node_modules')
  const sharps = ['sharp', '@img'].map((name) => path.join(modules, name)).filter(existsSync)
  const addon = sum(files.filter(({ name }) => name.endsWith('.node')))
  return { bytes: sum(files) - addon, sharpBytes: sum(sharps.flatMap(filesIn)) }
}
