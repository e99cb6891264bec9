// Warm hits per second with the whole server on one CPU: `npm run bench:http`. See README.md. Needs wrk and taskset.
import os from 'node:os'
import { has, stop } from '../scripts/shell.mjs'
import { namesOf, readArgs, wholeNumber } from './lib/args.mjs'
import { documentOf, machineLine, startRun, writeResults } from './lib/machine.mjs'
import { barCharts } from './lib/plot.mjs'
import { comeFirst } from './lib/quota.mjs'
import { median } from './lib/stats.mjs'
import { table } from './lib/table.mjs'

const USAGE = `Usage: npm run bench:http [-- OPTIONS]

  --width N          of the variant that is asked for, px, default 1080
  --connections N    default 100
  --seconds N        of each measurement, default 8
  --rounds N         how often each server gets its turn, default 3
  --peers LIST       default next,handler,service,node; next is always measured
  --first           come before whatever else runs on this machine (needs cgroups)
  --json FILE        also write every number to FILE
  --svg FILE         also draw the rates
  --help`

const NAMES = ['next', 'handler', 'service', 'node']
const options = readOptions()
if (options.first) comeFirst()
const missing = ['wrk', 'taskset'].filter((program) => !has(program))
if (missing.length > 0) stop(`Missing: ${missing.join(', ')}. Install: sudo apt-get install wrk util-linux`)
const cpus = os.availableParallelism()
if (cpus < 2) stop('One CPU is too few: the load must not run on the CPU that is measured.')

const servers = await import('./lib/servers.mjs')
const { drawnPhoto } = await import('./lib/pictures.mjs')
const { wrk } = await import('./lib/wrk.mjs')

const PEERS = {
  next: { about: 'next start with sharp', start: servers.startNext },
  handler: { about: 'custom server with createImageHandler', start: servers.startHandler },
  service: { about: 'npx unsharp serve', start: servers.startService },
  node: {
    about: 'node:http with the bytes at hand',
    start: (given) => servers.startBare({ ...given, body: Buffer.alloc(bytes, 'x') }),
  },
}

servers.prepareApp()
const upstream = await servers.startUpstream(await drawnPhoto())
const images = servers.imagesFrom(upstream)
const target = `${upstream.origin}/warm.jpg`
const query = { w: options.width, q: 75 }
/** Of the variant: of an answer's cost, its size is a part. */
let bytes = 0
const started = startRun()
const results = await measure()
upstream.stop()
report()
process.exit(0)

async function measure() {
  const running = {}
  const found = {}
  for (const name of options.peers) {
    const server = await PEERS[name].start({ images, on: '0' })
    const answer = await server.get(target, query)
    servers.expectImage(answer, name)
    running[name] = server
    found[name] = []
    bytes ||= answer.bytes
  }
  for (let round = 0; round < options.rounds; round += 1) {
    for (let i = 0; i < options.peers.length; i += 1) {
      const name = options.peers[(i + round) % options.peers.length]
      process.stderr.write(`round ${round + 1} of ${options.rounds}: ${PEERS[name].about}\n`)
      found[name].push(await turn(running[name]))
    }
  }
  for (const server of Object.values(running)) await server.stop()
  return found
}

async function turn(server) {
  const before = servers.cpuSeconds(server.pid)
  const hits = await wrk(server.urlOf(target, query), {
    ...{ connections: options.connections, seconds: options.seconds, accept: servers.ACCEPT },
    ...{ threads: Math.min(3, cpus - 1), on: `1-${cpus - 1}` },
  })
  return { ...hits, perCpuSecond: hits.requests / (servers.cpuSeconds(server.pid) - before) }
}

function report() {
  const rows = options.peers.map((name) => {
    const of = (field) => results[name].map((round) => round[field])
    const toNext = (field) => median(of(field).map((value, round) => value / results.next[round][field]))
    return [
      PEERS[name].about,
      ...[median(of('perSecond')).toFixed(0), toNext('perSecond').toFixed(1)],
      ...[median(of('perCpuSecond')).toFixed(0), toNext('perCpuSecond').toFixed(1)],
      ...[median(of('p50Ms')).toFixed(1), median(of('p99Ms')).toFixed(1)],
    ]
  })
  const head = ['', 'hits/s', 'to next', 'per s of CPU', 'to next', 'p50 ms', 'p99 ms']
  console.log(machineLine(started))
  console.log(`warm hits of ${(bytes / 1000).toFixed(1)} kB, ${options.connections} connections, server on one CPU\n`)
  console.log(table([head, ...rows]))
  if (options.json) writeResults(options.json, documentOf({ started, options, bytes, results }))
  if (!options.svg) return
  const bars = options.peers.map((name) => ({
    label: PEERS[name].about,
    value: median(results[name].map(({ perSecond }) => perSecond)),
  }))
  const charts = [{ title: 'server on one CPU', groups: [{ label: '', bars }] }]
  writeResults(options.svg, barCharts({ title: 'Warm hits', unit: 'per second', charts }))
}

function readOptions() {
  const text = (value) => ({ type: 'string', default: value })
  const given = {
    ...{ width: text('1080'), connections: text('100'), seconds: text('8'), rounds: text('3') },
    ...{ peers: text(NAMES.join(',')), json: { type: 'string' }, svg: { type: 'string' } },
    first: { type: 'boolean', default: false },
  }
  return readArgs(USAGE, given, (values) => {
    const asked = namesOf('peers', values.peers, NAMES)
    return {
      ...values,
      width: wholeNumber('width', values.width, [16, 3840]),
      connections: wholeNumber('connections', values.connections, [1, 10_000]),
      seconds: wholeNumber('seconds', values.seconds, [1, 600]),
      rounds: wholeNumber('rounds', values.rounds, [1, 100]),
      peers: NAMES.filter((name) => name === 'next' || asked.includes(name)),
    }
  })
}
