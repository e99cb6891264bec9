// `npm run bench NAME [-- OPTIONS]` runs one benchmark; without a name it lists them.
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const BENCHMARKS = {
  image: 'one image: CPU, bytes, scores, memory and rate against sharp and @napi-rs/image',
  quality: 'the whole range of qualities against sharp: bytes and CPU at equal looks, with curves',
  ssr: 'a server-rendered page while its server makes images, with and without a CPU quota',
  http: 'warm hits per second with the server on one CPU',
  memory: 'peaks with many images in flight, and the resident set over thousands of encodes',
  start: 'the time of require, and what is installed',
  steps: 'decode, resize and encode, each on its own (criterion)',
  store: 'what a bucket costs and saves',
  soon: "the first answer with avifSoon against sharp's AVIF",
  transparency: "the transparency of a lossy WebP: our encoder for it against libwebp's",
  builds: 'two builds of unsharp in turns: CPU, bytes, and which results are the same',
  bombs: 'files made to cost as much as they can: time, memory, and the next request',
  service: 'the service against next start with sharp',
  publish: 'all that the README and docs/PERFORMANCE.md quote, into bench/results',
}

const [name, ...args] = process.argv.slice(2)
if (Object.hasOwn(BENCHMARKS, name ?? '')) {
  const script = path.join(import.meta.dirname, `${name}.mjs`)
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' })
  process.exit(status ?? 1)
}
const width = Math.max(...Object.keys(BENCHMARKS).map(({ length }) => length))
const list = Object.entries(BENCHMARKS).map(([known, about]) => `  bench:${known.padEnd(width)}  ${about}`)
const listing = `Benchmarks; \`npm run bench:NAME -- --help\` has the options of each.\n\n${list.join('\n')}`
if (name === undefined || name === '--help') console.log(listing)
else {
  console.error(`There is no benchmark ${JSON.stringify(name)}.\n\n${listing}`)
  process.exit(1)
}
