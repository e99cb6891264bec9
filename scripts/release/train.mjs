// What an addon that records its profile is made to do: every kind of picture that is decoded, every kind that is made, at the
// sizes and qualities that Next asks for, and requests to the handler and the service.
//
//   node scripts/release/train.mjs PACKAGE PICTURES      folders of a package with that addon, and of pictures

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import sharp from 'sharp-reference'
import { inputs } from '../../__test__/support/images.mjs'
import { cutOut, graphic, photoLike } from '../../bench/lib/drawn.mjs'
import { root } from '../shell.mjs'

const [folder, pictures] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const { createImageHandler, optimize, serve } = require(path.resolve(folder))
const alias = require(path.resolve(folder, 'lib/sharp.js'))
const FORMATS = ['avif', 'webp', 'jpeg', 'png']
const WIDTHS = [256, 640, 828, 1080]
/** What counts makes everything slower. */
const limits = { timeoutMs: 0 }

/** So that what is quick to make counts as much as what takes long. */
const TIMES = { avif: 1, webp: 2, jpeg: 2, png: 2 }

/** The pictures that are made into everything: those of the folder, a screenshot and a cut-out. */
async function sources() {
  const files = readdirSync(pictures, { withFileTypes: true }).filter((entry) => entry.isFile())
  const drawn = [graphic(2000, 1250, 2), await cutOut(1200, 900, 3), await photoLike(1600, 1200, 1)]
  const encoded = drawn.map(({ pixels, raw }) => sharp(pixels, { raw }).png().toBuffer())
  const found = files.map(({ name }) => readFileSync(path.join(pictures, name)))
  const read = await Promise.all(
    found.map((bytes) =>
      sharp(bytes)
        .metadata()
        .catch(() => null),
    ),
  )
  return [...found.filter((_, at) => read[at]), ...(await Promise.all(encoded))]
}

/** What pictures are uploaded as. */
function uploads(source) {
  const image = () => sharp(source).rotate().resize(2560, undefined, { withoutEnlargement: true })
  return Promise.all(
    [
      image().jpeg({ quality: 85 }),
      image().jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).withIccProfile('p3'),
      image().jpeg({ quality: 85, progressive: true }),
      image().png(),
      image().webp({ quality: 80 }),
      image().resize(1200).webp({ lossless: true, effort: 2 }),
      image().avif({ quality: 60, effort: 2 }),
      image().avif({ quality: 60, effort: 2, chromaSubsampling: '4:2:0' }),
    ].map((made) => made.toBuffer()),
  )
}

async function encodeEverything(bytes) {
  for (const width of WIDTHS) {
    for (const format of FORMATS) {
      for (let time = 0; time < TIMES[format]; time += 1) await optimize(bytes, { width, format, limits })
    }
  }
  for (const quality of [40, 60, 90]) {
    for (const format of FORMATS) await optimize(bytes, { width: 640, format, quality, limits })
  }
}

async function decodeEverything(bytes) {
  for (const upload of await uploads(bytes)) {
    for (const width of [128, 256, 640, 1920]) await optimize(upload, { width, format: 'webp', limits })
  }
}

/** Kinds that are rare, each a few times: so that they are not taken for what never runs. */
async function rareKinds() {
  const fixtures = path.join(root, 'tests/fixtures/avif')
  // A sequence is no picture for Next.
  const avif = readdirSync(fixtures).filter((name) => name.endsWith('.avif') && name !== 'sequence.avif')
  const rare = [...Object.values(await inputs()), ...avif.map((name) => readFileSync(path.join(fixtures, name)))]
  for (const input of rare) {
    for (const options of [
      { width: 384, format: 'webp' },
      { width: 1080, format: 'jpeg', mozjpeg: false },
      { width: 200, height: 200, format: 'png', quality: 100 },
      { width: 64, format: 'gif' },
      { width: 64, format: 'tiff' },
    ]) {
      await optimize(input, { ...options, limits })
    }
  }
  const plots = path.join(root, 'bench/results')
  for (const name of readdirSync(plots).filter((name) => name.endsWith('.svg'))) {
    await alias(readFileSync(path.join(plots, name)))
      .png()
      .toBuffer()
  }
}

const listening = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))

/** Requests like those of a page with some pictures, most of them for what is there already. */
async function ask(port, source) {
  for (let request = 0; request < 5000; request += 1) {
    const query = new URLSearchParams({ url: `${source}/${request % 20}.jpg`, w: request % 2 ? '640' : '256', q: '75' })
    const accept = request % 3 ? 'image/avif,image/webp,*/*' : 'image/webp,*/*'
    const answer = await fetch(`http://127.0.0.1:${port}/_next/image?${query}`, { headers: { accept } })
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
    const etag = answer.headers.get('etag')
    await answer.arrayBuffer()
    if (request % 10 === 0) {
      const again = { accept, 'if-none-match': etag }
      await (await fetch(`http://127.0.0.1:${port}/_next/image?${query}`, { headers: again })).arrayBuffer()
    }
  }
}

async function answerRequests(bytes) {
  const image = await sharp(bytes).resize(900).jpeg().toBuffer()
  const upstream = createServer((_, res) =>
    res.writeHead(200, { 'content-type': 'image/jpeg', 'cache-control': 'max-age=3600' }).end(image),
  )
  const source = `http://127.0.0.1:${await listening(upstream)}`
  const images = {
    remotePatterns: [{ protocol: 'http', hostname: '127.0.0.1', pathname: '/**' }],
    dangerouslyAllowLocalIP: true,
    formats: ['image/avif', 'image/webp'],
  }
  const dir = mkdtempSync(path.join(tmpdir(), 'unsharp-train-'))
  const handler = await createImageHandler({ dir, nextConfig: { images } })
  const server = createServer((req, res) => handler(req, res))
  await ask(await listening(server), source)
  const service = await serve({
    nextConfig: { images },
    host: '127.0.0.1',
    port: 0,
    cacheDir: path.join(dir, 'service'),
  })
  await ask(service.port, source)
  await service.close()
  await handler.close()
  for (const each of [server, upstream]) {
    each.closeAllConnections()
    each.close()
  }
  rmSync(dir, { recursive: true, force: true })
}

const all = await sources()
for (const [at, bytes] of all.entries()) {
  console.log(`picture ${at + 1} of ${all.length}`)
  await encodeEverything(bytes)
  await decodeEverything(bytes)
}
await rareKinds()
await answerRequests(all[0])
