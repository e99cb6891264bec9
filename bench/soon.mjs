// How long the first client of an AVIF waits with `avifSoon`, against what sharp takes for that AVIF: `npm run bench:soon`.
//
//   node bench/soon.mjs [--images DIR] [--widths LIST] [--quality N] [--rounds N] [--json FILE]
//
// sharp is timed as a call, with Next's settings; unsharp as a request to its service that fetches the picture, so HTTP
// on both sides counts against it. They take turns, and AVIF behind an answer is waited for before the next turn.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { allow, imagePath } from '../__test__/support/app.mjs'
import { serve } from '../index.js'
import { loadPeer } from './lib/peers.mjs'
import { drawnPictures, picturesIn } from './lib/pictures.mjs'
import { median, pairedRatio } from './lib/stats.mjs'

const ACCEPT = 'image/avif,image/webp,image/*,*/*;q=0.8'
/** The first answer against sharp's AVIF. */
const GOAL = 0.15

const options = readOptions()
const folder = mkdtempSync(path.join(os.tmpdir(), 'unsharp-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const pictures = options.images ? await picturesIn(options.images) : await drawnPictures(folder)
const files = new Map(pictures.map(({ name, file }) => [name, readFileSync(file)]))

const sharp = loadPeer('sharp')
const upstream = await startUpstream()
const images = allow(upstream, {
  ...{ formats: ['image/avif', 'image/webp'], qualities: [options.quality], maximumResponseBody: 200_000_000 },
  deviceSizes: options.widths,
})
const nextConfig = { images, experimental: { imgOptTimeoutInSeconds: 0 } }
const service = await serve({ host: '127.0.0.1', port: 0, nextConfig, avifSoon: true, timeout: 600_000 })

let asked = 0
const rows = []
for (const picture of pictures) {
  for (const width of options.widths) {
    const job = { width, sourceWidth: picture.width, format: 'avif', quality: options.quality }
    const times = { sharp: [], first: [], second: [] }
    // The first round warms up and is not counted.
    for (let round = 0; round <= options.rounds; round += 1) {
      const measured = {
        sharp: await timed(() => sharp(files.get(picture.name), job)),
        ...(await ours(picture, width)),
      }
      if (round === 0) continue
      for (const [name, ms] of Object.entries(measured)) times[name].push(ms)
    }
    rows.push({ picture: picture.name, width, times, ratio: pairedRatio(times.first, times.sharp) })
    console.error(`${picture.name} ${width} px: ${rows.at(-1).ratio.toFixed(3)}`)
  }
}
await service.close()
report()
process.exit(0)

/** The first answer, which must be WebP, and once AVIF is made the second, which must be that. */
async function ours({ name }, width) {
  asked += 1
  const url = `${service.url}${imagePath({ url: `${upstream.origin}/${asked}/${name}`, w: width, q: options.quality })}`
  const first = await timed(() => get(url, 'image/webp'))
  for (let made = 0; made < asked; made = service.stats().avifSoonMade) {
    if (service.stats().avifSoonFailed > 0) throw new Error(`AVIF of ${name} at ${width} px could not be made`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { first, second: await timed(() => get(url, 'image/avif')) }
}

async function get(url, type) {
  const answer = await fetch(url, { headers: { accept: ACCEPT } })
  const body = await answer.arrayBuffer()
  const found = answer.headers.get('content-type')
  if (answer.status !== 200 || found !== type || body.byteLength < 100) {
    throw new Error(`${answer.status} ${found} in place of ${type}, ${body.byteLength} bytes`)
  }
}

async function timed(work) {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** The last part of a path names the picture, so that every path is a source of its own. */
async function startUpstream() {
  const server = createServer(({ url }, res) => res.end(files.get(decodeURIComponent(path.posix.basename(url)))))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  return { port, origin: `http://127.0.0.1:${port}` }
}

function report() {
  const machine = { cpus: os.availableParallelism(), cpu: os.cpus()[0]?.model, load: os.loadavg()[0] }
  const ms = (times) => median(times).toFixed(0).padStart(8)
  console.log(`${machine.cpus} × ${machine.cpu}, Node ${process.version}, load ${machine.load.toFixed(1)}`)
  console.log(`${'picture'.padEnd(28)}${'width'.padStart(6)}   sharp's   first  second   first to sharp's AVIF`)
  for (const { picture, width, times, ratio } of rows) {
    const cells = `${ms(times.sharp)}${ms(times.first)}${ms(times.second)}`
    console.log(`${picture.padEnd(28)}${String(width).padStart(6)}${cells}   ${ratio.toFixed(3)}`)
  }
  const ratios = rows.map(({ ratio }) => ratio)
  const verdict = median(ratios) <= GOAL ? 'met' : 'MISSED'
  console.log(
    `median ${median(ratios).toFixed(3)}, worst ${Math.max(...ratios).toFixed(3)}; goal ${GOAL}: ${verdict}. Times in ms.`,
  )
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine, options, rows }, null, 2)}\n`)
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      images: { type: 'string' },
      widths: { type: 'string', default: '640,1080,1920' },
      quality: { type: 'string', default: '75' },
      rounds: { type: 'string', default: '7' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(`Usage: npm run bench:soon [-- OPTIONS]

  --images DIR     default: pictures that are drawn
  --widths N,N     default 640,1080,1920
  --quality N      default 75
  --rounds N       default 7
  --json FILE      every number`)
    process.exit(0)
  }
  const number = (name, text, max) => {
    const value = Number(text)
    if (!(Number.isInteger(value) && value >= 1 && value <= max)) throw new Error(`--${name} takes 1 to ${max}`)
    return value
  }
  return {
    ...{ images: values.images, json: values.json, quality: number('quality', values.quality, 100) },
    rounds: number('rounds', values.rounds, 1000),
    widths: values.widths.split(',').map((width) => number('widths', width, 3840)),
  }
}
