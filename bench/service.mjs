// Measures the dedicated service against `next start` with sharp and, where it can be installed, against Platformatic's
// optimizer. See README.md. Needs wrk and taskset.
//
//   node bench/service.mjs [--seconds N] [--rounds N] [--width PX] [--json FILE] [--no-platformatic]
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { APP, allow, imagePath, publicFile } from '../__test__/support/app.mjs'
import { canConnect, freePort } from '../__test__/support/ports.mjs'
import { buildFor, copyOf } from '../parity/lib/sides.mjs'
import { has, root, stop } from '../scripts/shell.mjs'
import { platformatic } from './lib/platformatic.mjs'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    width: { type: 'string', default: '1080' },
    json: { type: 'string' },
    'no-platformatic': { type: 'boolean', default: false },
  },
})
const seconds = Number(options.seconds)
if (!(seconds >= 1 && seconds <= 600)) stop('--seconds takes a number from 1 to 600')
const rounds = Number(options.rounds)
if (!(rounds >= 1 && rounds <= 100)) stop('--rounds takes a number from 1 to 100')
const missing = ['wrk', 'taskset'].filter((program) => !has(program))
if (missing.length > 0) stop(`Missing: ${missing.join(', ')}. Install: sudo apt-get install wrk util-linux`)
const cpus = os.availableParallelism()
if (cpus < 2) stop('One CPU is too few: the load must not run on the CPU that is measured.')

const SHARP_HOOK = path.join(root, 'parity/lib/sharp-hook.cjs')
const CLI = path.join(root, 'lib/cli.js')
const ACCEPT = 'image/avif,image/webp,image/*,*/*;q=0.8'
const WARM = { w: Number(options.width), q: 75 }
const photo = publicFile('photo.jpg')

const folder = mkdtempSync(path.join(os.tmpdir(), 'unsharp-bench-'))
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const upstream = await startUpstream()
const images = allow(upstream, { formats: ['image/webp'], qualities: [75] })
const peers = {
  unsharp: { start: startUnsharp, about: 'npx unsharp serve' },
  next: { start: startNext, about: 'next start with sharp' },
  ...(!options['no-platformatic'] && {
    platformatic: { start: startPlatformaticPeer, about: "Platformatic's optimizer" },
  }),
}

const found = { machine: { cpus, cpu: os.cpus()[0]?.model, load: os.loadavg()[0], node: process.version }, peers: {} }
if (found.machine.load > 0.5)
  say(`the load average is ${found.machine.load.toFixed(1)}: trust the ratios, not the absolutes`)
const target = `${upstream.origin}/warm.jpg`

const warm = await inTurns('warm hits on one CPU', '0', async (server) => {
  const before = cpuSeconds(server.pid)
  const load = { connections: 100, threads: Math.min(3, cpus - 1), on: `1-${cpus - 1}` }
  const hits = wrk(server.urlOf(target, WARM), load)
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
if (options.json) writeFileSync(options.json, `${JSON.stringify(found, null, 2)}\n`)
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
    await expectImage(await server.get(target, WARM), name)
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

/** Any path is the same photo, so that every url is an image of its own. */
async function startUpstream() {
  const server = createServer((_, res) => {
    res.writeHead(200, { 'content-type': 'image/jpeg', 'cache-control': 'max-age=86400' }).end(photo)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  return { port, origin: `http://127.0.0.1:${port}` }
}

/** A program that listens, pinned to CPUs. */
async function start(command, { on, port, env, cwd, urlOf }) {
  const pinned = on === undefined ? command : ['taskset', '-c', on, ...command]
  const child = spawn(pinned[0], pinned.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  running.add(child)
  let log = ''
  child.stderr.on('data', (chunk) => (log = (log + chunk).slice(-4000)))
  const exited = once(child, 'exit').then(() => running.delete(child))
  for (let attempt = 0; !(await canConnect(port)); attempt += 1) {
    if (attempt === 3000 || child.exitCode !== null) throw new Error(`${command.join(' ')} does not listen: ${log}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  return {
    ...{ pid: child.pid, port, urlOf },
    get: (url, query, accept = ACCEPT) => get(agent, urlOf(url, query), accept),
    stop: async () => {
      agent.destroy()
      child.kill('SIGTERM')
      await exited
    },
  }
}

function endpoint(port) {
  return (url, query) => `http://127.0.0.1:${port}${imagePath({ url, ...query })}`
}

async function startUnsharp({ on, formats = images.formats }) {
  const port = await freePort()
  const file = path.join(folder, 'service.json')
  writeFileSync(file, JSON.stringify({ host: '127.0.0.1', port, images: { ...images, formats } }))
  return start([process.execPath, CLI, 'serve', '--config', file], { on, port, urlOf: endpoint(port) })
}

async function startNext({ on }) {
  const port = await freePort()
  const dist = copyOf(buildFor({}))
  const env = {
    ...{ NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
    TEST_CONFIG: JSON.stringify({ images, distDir: dist.distDir }),
    TEST_SHARP: createRequire(import.meta.url).resolve('sharp-reference'),
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require "${SHARP_HOOK}"`,
  }
  const next = path.join(APP, 'node_modules/next/dist/bin/next')
  const command = [process.execPath, next, 'start', '-p', String(port), '-H', '127.0.0.1']
  const server = await start(command, { on, port, env, cwd: APP, urlOf: endpoint(port) })
  return { ...server, stop: () => server.stop().finally(() => rmSync(dist.folder, { recursive: true, force: true })) }
}

async function startPlatformaticPeer({ on }) {
  const { command, cwd, env, port } = await platformatic(upstream)
  return start(command, { on, port, env, cwd, urlOf: endpoint(port) })
}

function get(agent, url, accept) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { accept } }, (answer) => {
      let bytes = 0
      answer.on('data', (chunk) => (bytes += chunk.length))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], bytes }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** An answer that is no image of the wanted kind would look fast. */
async function expectImage({ status, type, bytes }, name) {
  if (status !== 200 || !/^image\//.test(type) || bytes < 1000)
    throw new Error(`${name} answers ${status} ${type}, ${bytes} bytes`)
}

function wrk(url, { connections, threads, on }) {
  const flags = [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Accept: ${ACCEPT}`, url]
  const text = execFileSync('taskset', ['-c', on, 'wrk', ...flags], { encoding: 'utf8' })
  const number = (pattern) => Number(pattern.exec(text)?.[1] ?? Number.NaN)
  const errors = /Socket errors: (.*)/.exec(text)?.[1] ?? ''
  const bad = number(/Non-2xx or 3xx responses: (\d+)/)
  if (bad > 0) throw new Error(`${bad} answers were no success`)
  return {
    requests: number(/(\d+) requests in/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: latency(text, '50%'),
    p99Ms: latency(text, '99%'),
    errors,
  }
}

/** Time on CPUs of the process, all of its threads together; on a busy machine it says more than the clock does. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // User and system time in ticks, of which every Linux counts 100 a second.
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** wrk writes us, ms or s. */
function latency(text, percentile) {
  const [, value, unit] = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
  return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit]
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
      await expectImage(await server.get(`${upstream.origin}/cold-${asked}.jpg`, WARM), name)
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
  const avif = await startUnsharp({ formats: ['image/avif', 'image/webp'] })
  const webp = 'image/webp'
  await expectImage(await avif.get(target, WARM, webp), 'unsharp')
  const idle = await wrkBeside(avif.urlOf(target, WARM), webp)
  let stopped = false
  let made = 0
  const encode = async (_, worker) => {
    for (let n = 0; !stopped; n += 1) {
      await expectImage(
        await avif.get(`${upstream.origin}/${worker}-${n}.jpg`, { ...WARM, w: 3840 }, 'image/avif'),
        'unsharp',
      )
      made += 1
    }
  }
  const load = Array.from({ length: 2 * cpus }, encode)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const busy = await wrkBeside(avif.urlOf(target, WARM), webp)
  stopped = true
  const avifMade = made
  await Promise.all(load)
  await avif.stop()
  return { idle, busy: { ...busy, avifMade } }
}

/** wrk while this process goes on with its own requests. */
async function wrkBeside(url, accept) {
  const flags = ['-t1', '-c4', `-d${seconds}s`, '--latency', '-H', `Accept: ${accept}`, url]
  const child = spawn('taskset', ['-c', `${cpus - 1}`, 'wrk', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  await once(child, 'close')
  return { p50Ms: latency(text, '50%'), p99Ms: latency(text, '99%') }
}

/** A fresh process; the resident set after so many requests over 200 variants. */
async function memory() {
  const server = await startUnsharp({})
  const rssMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024
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
    return rssMb()
  }
  const start = rssMb()
  const after10k = await upTo(10_000)
  const after100k = await upTo(100_000)
  await server.stop()
  return { startMb: start, after10kMb: after10k, after100kMb: after100k }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
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
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)))
  for (const row of [head, ...rows]) console.log(row.map((text, column) => text.padEnd(widths[column])).join('  '))
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
