// Measures the dedicated service against `next start` with sharp and, where it can be installed, against Platformatic's
// optimizer. See README.md. Needs wrk and taskset.
import os from 'node:os'
import { parseArgs } from 'node:util'
import { publicFile } from '../__test__/support/app.mjs'
import { has, stop } from '../scripts/shell.mjs'
import { documentOf, machineLine, startRun, writeResults } from './lib/machine.mjs'
import { platformatic } from './lib/platformatic.mjs'
import {
  ACCEPT,
  cpuSeconds,
  expectImage,
  imagesFrom,
  prepareApp,
  rssMb,
  startNext,
  startServer,
  startService,
  startUpstream,
} from './lib/servers.mjs'
import { median } from './lib/stats.mjs'
import { table } from './lib/table.mjs'
import { wrk } from './lib/wrk.mjs'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    width: { type: 'string', default: '1080' },
    json: { type: 'string' },
    'no-platformatic': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`Usage: npm run bench:service [-- OPTIONS]

  --seconds N        of each measurement with wrk, default 5
  --rounds N         default 3
  --width PX         of the warm and the distinct variants, default 1080
  --no-platformatic  leaves Platformatic's optimizer out
  --json FILE        every number`)
  process.exit(0)
}
const seconds = Number(options.seconds)
if (!(seconds >= 1 && seconds <= 600)) stop('--seconds takes a number from 1 to 600')
const rounds = Number(options.rounds)
if (!(rounds >= 1 && rounds <= 100)) stop('--rounds takes a number from 1 to 100')
const missing = ['wrk', 'taskset'].filter((program) => !has(program))
if (missing.length > 0) stop(`Missing: ${missing.join(', ')}. Install: sudo apt-get install wrk util-linux`)
const cpus = os.availableParallelism()
if (cpus < 2) stop('One CPU is too few: the load must not run on the CPU that is measured.')

const WARM = { w: Number(options.width), q: 75 }

prepareApp()
const started = startRun()
const upstream = await startUpstream(publicFile('photo.jpg'))
const images = imagesFrom(upstream)
const peers = {
  unsharp: { start: (limits) => startService({ images, ...limits }), about: 'npx unsharp serve' },
  next: { start: (limits) => startNext({ images, ...limits }), about: 'next start with sharp' },
  ...(!options['no-platformatic'] && {
    platformatic: { start: startPlatformatic, about: "Platformatic's optimizer" },
  }),
}

const found = { peers: {} }
if (started.load > 0.5) say(`the load average is ${started.load.toFixed(1)}: trust the ratios, not the absolutes`)
const target = `${upstream.origin}/warm.jpg`

const warm = await inTurns('warm hits on one CPU', '0', async (server) => {
  const before = cpuSeconds(server.pid)
  const load = { connections: 100, threads: Math.min(3, cpus - 1), on: `1-${cpus - 1}`, seconds, accept: ACCEPT }
  const hits = await wrk(server.urlOf(target, WARM), load)
  return { ...hits, perCpuSecond: hits.requests / (cpuSeconds(server.pid) - before) }
})
let asked = 0
const cold = await inTurns('distinct variants, 16 at once, on all CPUs', undefined, coldRate)
for (const name of Object.keys(peers)) found.peers[name] = { warm: warm[name], cold: cold[name] }
say('unsharp: latency of warm hits, idle and while all permits encode AVIF')
found.latency = await latencies()
say('unsharp: memory after 10,000 and after 100,000 requests')
found.memory = await memory()
report()
if (options.json) writeResults(options.json, documentOf({ started, options, ...found }))
process.exit(0)

/**
 * Starts every peer and measures one after the other, several times: a machine that gets busy meanwhile is so for all.
 *
 * @returns {Promise<Record<string, object[]>>} what each round gave, by peer
 */
async function inTurns(what, on, measure) {
  const servers = {}
  for (const [name, peer] of Object.entries(peers)) {
    const server = await peer.start({ on }).catch((error) => leaveOut(name, error))
    if (!server) continue
    expectImage(await server.get(target, WARM), name)
    servers[name] = server
  }
  const results = Object.fromEntries(Object.keys(servers).map((name) => [name, []]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, server] of Object.entries(servers)) {
      say(`[${round}/${rounds}] ${peers[name].about}: ${what}`)
      results[name].push(await measure(server, name))
    }
  }
  for (const server of Object.values(servers)) await server.stop()
  return results
}

/** A peer may be missing; what is compared may not. */
function leaveOut(name, error) {
  if (name !== 'platformatic') throw error
  say(`left out: ${error.message}`)
  delete peers[name]
}

function say(text) {
  console.error(text)
}

async function startPlatformatic({ on }) {
  const { command, cwd, env, port } = await platformatic(upstream)
  return startServer(command, { on, port, env, cwd })
}

/** Images made in a second, each asked for once. */
async function coldRate(server, name) {
  let made = 0
  const began = performance.now()
  const until = began + seconds * 1000
  const before = cpuSeconds(server.pid)
  const work = async () => {
    while (performance.now() < until) {
      asked += 1
      expectImage(await server.get(`${upstream.origin}/cold-${asked}.jpg`, WARM), name)
      made += 1
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  return {
    perSecond: made / ((performance.now() - began) / 1000),
    perCpuSecond: made / (cpuSeconds(server.pid) - before),
  }
}

/** Four connections, so that the load leaves the machine to the server. */
async function latencies() {
  const avif = await startService({ images: imagesFrom(upstream, ['image/avif', 'image/webp']) })
  const webp = 'image/webp'
  expectImage(await avif.get(target, WARM, webp), 'unsharp')
  const beside = { connections: 4, threads: 1, on: `${cpus - 1}`, seconds, accept: webp }
  const idle = await wrk(avif.urlOf(target, WARM), beside)
  let stopped = false
  let made = 0
  const encode = async (_, worker) => {
    for (let n = 0; !stopped; n += 1) {
      expectImage(
        await avif.get(`${upstream.origin}/${worker}-${n}.jpg`, { ...WARM, w: 3840 }, 'image/avif'),
        'unsharp',
      )
      made += 1
    }
  }
  const load = Array.from({ length: 2 * cpus }, encode)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const busy = await wrk(avif.urlOf(target, WARM), beside)
  stopped = true
  const avifMade = made
  await Promise.all(load)
  await avif.stop()
  return { idle, busy: { ...busy, avifMade } }
}

/** A fresh process; the resident set after so many requests over 200 variants. */
async function memory() {
  const server = await startService({ images })
  let sent = 0
  const upTo = async (count) => {
    const work = async () => {
      while (sent < count) {
        const n = sent % 200
        sent += 1
        const answer = await server.get(`${upstream.origin}/${n >> 2}.jpg`, { q: 75, w: [64, 256, 640, 1080][n % 4] })
        if (answer.status !== 200) throw new Error(`unsharp answers ${answer.status}`)
      }
    }
    await Promise.all(Array.from({ length: 100 }, work))
    return rssMb(server.pid)
  }
  const start = rssMb(server.pid)
  const after10k = await upTo(10_000)
  const after100k = await upTo(100_000)
  await server.stop()
  return { startMb: start, after10kMb: after10k, after100kMb: after100k }
}

function report() {
  /** The median, and that of the ratios to next start in the same round. */
  const cell = (name, part, field, digits) => {
    const own = found.peers[name][part].map((round) => round[field])
    const base = found.peers.next[part].map((round) => round[field])
    return `${median(own).toFixed(digits)} (${median(own.map((value, round) => value / base[round])).toFixed(1)}×)`
  }
  const rows = Object.keys(found.peers).map((name) => [
    peers[name].about,
    ...[cell(name, 'warm', 'perSecond', 0), cell(name, 'warm', 'perCpuSecond', 0)],
    median(found.peers[name].warm.map(({ p99Ms }) => p99Ms)).toFixed(1),
    ...[cell(name, 'cold', 'perSecond', 1), cell(name, 'cold', 'perCpuSecond', 1)],
  ])
  const head = ['', 'warm hits/s, one CPU', 'per s of CPU', 'p99 ms', 'distinct variants/s', 'per s of CPU']
  console.log(`${machineLine(started)}\n`)
  console.log(table([head, ...rows]))
  const { idle, busy } = found.latency
  console.log(
    `\np99 of warm hits: ${idle.p99Ms} ms idle, ${busy.p99Ms} ms while all permits encode AVIF (${busy.avifMade} made)`,
  )
  const { startMb, after10kMb, after100kMb } = found.memory
  const growth = ((after100kMb / after10kMb - 1) * 100).toFixed(1)
  console.log(
    `memory: ${startMb.toFixed(0)} MB at the start, ${after10kMb.toFixed(0)} after 10,000 requests, ${after100kMb.toFixed(0)} after 100,000 (${growth} %)`,
  )
}
