// How a server-rendered page fares while its server makes images: `npm run bench:ssr`. See README.md.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { has, stop } from '../scripts/shell.mjs'
import { namesOf, numbers, readArgs, wholeNumber } from './lib/args.mjs'
import { documentOf, machineLine, startRun, writeResults } from './lib/machine.mjs'
import { barCharts } from './lib/plot.mjs'
import { comeFirst, quotaRefused } from './lib/quota.mjs'
import { median, percentile } from './lib/stats.mjs'
import { table } from './lib/table.mjs'

const USAGE = `Usage: npm run bench:ssr [-- OPTIONS]

  --image FILE     the source of all images, a JPEG; default a photograph drawn for the run, 2400 px wide
  --width N        of the images that are asked for, px, default 1080
  --format NAME    webp or avif, default webp
  --clients N      how many ask for images, each for one after the other, default 16
  --rate N         pages asked for per second, default 20
  --seconds N      of each measurement, default 8
  --rounds N       how often each server gets its turn, default 3
  --quotas LIST    CPU quotas of the server, in CPUs, also a part of one; 0 is none; default 0,1,2
  --peers LIST     default sharp,alias,handler; sharp is always measured
  --saturate       ask for the next page as soon as one has come, instead of at a rate
  --first          come before whatever else runs on this machine (needs cgroups)
  --json FILE      also write every number to FILE
  --svg FILE       also draw the percentiles
  --help`

const PEER_NAMES = ['sharp', 'alias', 'handler']
const options = readOptions()
if (options.first) comeFirst()
if (!has('taskset')) stop('Missing: taskset. Install: sudo apt-get install util-linux')
const cpus = os.availableParallelism()
if (cpus < 2) stop('One CPU is too few: the load must not run on the CPUs that are measured.')

const { ACCEPT, cpuSeconds, expectImage, imagesFrom, prepareApp, startHandler, startNext, startUpstream } =
  await import('./lib/servers.mjs')
const { drawnPhoto } = await import('./lib/pictures.mjs')

const PEERS = {
  sharp: { about: 'next start with sharp', start: (given) => startNext({ ...given, sharp: 'sharp' }) },
  alias: { about: 'next start on the alias', start: (given) => startNext({ ...given, sharp: 'alias' }) },
  handler: { about: 'custom server with createImageHandler', start: startHandler },
}
/** The load has the last CPU for itself: what it waits for must be the server, not a turn on a CPU. */
const serverCpus = `0-${cpus - 2}`
pinTo(String(cpus - 1))

prepareApp()
const upstream = await startUpstream(options.image ? readFileSync(options.image) : await drawnPhoto())
const images = imagesFrom(upstream, [`image/${options.format}`])
const started = startRun()
let asked = 0

const settings = []
for (const quota of options.quotas) {
  const refused = quota > 0 ? quotaRefused() : null
  if (refused) say(`${refused}: the server gets as many whole CPUs instead, which hides how a quota stops all of it`)
  settings.push({ quota, results: await measure(quota, refused) })
}
upstream.stop()
report()
process.exit(0)

/** Every peer under one quota, in turns. */
async function measure(quota, refused) {
  const limits =
    quota === 0 ? { on: serverCpus } : refused ? { on: `0-${Math.ceil(quota) - 1}` } : { on: serverCpus, quota }
  const servers = {}
  const results = {}
  for (const name of options.peers) {
    const server = await PEERS[name].start({ images, ...limits })
    await warmUp(server, name)
    servers[name] = server
    results[name] = []
  }
  for (let round = 0; round < options.rounds; round += 1) {
    for (let i = 0; i < options.peers.length; i += 1) {
      const name = options.peers[(i + round) % options.peers.length]
      say(`quota ${quota || 'none'}, round ${round + 1} of ${options.rounds}: ${PEERS[name].about}`)
      results[name].push(await turn(servers[name], name))
    }
  }
  for (const server of Object.values(servers)) await server.stop()
  return results
}

/** The page is compiled by V8 and every code path of an image has run. */
async function warmUp(server, name) {
  for (let n = 0; n < 150; n += 1) expectPage(await server.page('/catalog'), name)
  for (let n = 0; n < 4; n += 1) await image(server, name)
}

async function turn(server, name) {
  const until = (ms) => performance.now() + ms
  const idle = await pages(server, name, until(options.seconds * 1000))
  const cpuBefore = cpuSeconds(server.pid)
  const began = performance.now()
  const end = until(options.seconds * 1000)
  let made = 0
  const client = async () => {
    while (performance.now() < end) {
      await image(server, name)
      // What comes after the end was not made in the time that is measured.
      if (performance.now() < end) made += 1
    }
  }
  const clients = Array.from({ length: options.clients }, client)
  const busy = await pages(server, name, end)
  const seconds = (performance.now() - began) / 1000
  const cpu = cpuSeconds(server.pid) - cpuBefore
  await Promise.all(clients)
  return { idle: summary(idle), busy: summary(busy), images: made, seconds, cpuSeconds: cpu }
}

/** Latencies of the page, ms. At a rate they count from when the request was due, not from when it could be sent. */
async function pages(server, name, until) {
  const latencies = []
  const one = async (due) => {
    expectPage(await server.page('/catalog'), name)
    latencies.push(performance.now() - due)
  }
  if (options.saturate) {
    while (performance.now() < until) await one(performance.now())
    return latencies
  }
  const pauseMs = 1000 / options.rate
  const sent = []
  for (let due = performance.now(); due < until; due += pauseMs) {
    await sleepUntil(due)
    sent.push(one(due))
  }
  await Promise.all(sent)
  return latencies
}

async function sleepUntil(time) {
  for (let left = time - performance.now(); left > 0; left = time - performance.now())
    await new Promise((resolve) => setTimeout(resolve, left))
}

async function image(server, name) {
  asked += 1
  const answer = await server.get(`${upstream.origin}/cold-${asked}.jpg`, { w: options.width, q: 75 }, ACCEPT)
  expectImage(answer, name)
  if (answer.type !== `image/${options.format}`) throw new Error(`${name} answers ${answer.type}`)
}

function expectPage({ status, bytes }, name) {
  if (status !== 200 || bytes < 10_000) throw new Error(`the page of ${name} answers ${status}, ${bytes} bytes`)
}

function summary(latencies) {
  return {
    pages: latencies.length,
    p50Ms: percentile(latencies, 50),
    p95Ms: percentile(latencies, 95),
    p99Ms: percentile(latencies, 99),
    maxMs: Math.max(...latencies),
  }
}

function report() {
  const rows = []
  const charts = []
  for (const { quota, results } of settings) {
    const title = quota === 0 ? 'no quota' : `quota of ${quota} CPU${quota === 1 ? '' : 's'}`
    const middle = (name, pick) => median(results[name].map(pick))
    for (const name of options.peers) {
      const ms = (when, key) => middle(name, (turn) => turn[when][key]).toFixed(1)
      const ratio = middle(name, ({ idle, busy }) => busy.p95Ms / idle.p95Ms)
      const images = results[name].map((turn, round) => turn.images / results.sharp[round].images)
      rows.push([
        rows.at(-1)?.quota === quota ? '' : title,
        PEERS[name].about,
        ...['p50Ms', 'p95Ms', 'p99Ms'].map((key) => ms('idle', key)),
        ...['p50Ms', 'p95Ms', 'p99Ms'].map((key) => ms('busy', key)),
        ratio.toFixed(2),
        middle(name, (turn) => turn.images / turn.seconds).toFixed(1),
        median(images).toFixed(2),
      ])
    }
    charts.push({
      title,
      groups: ['p50Ms', 'p95Ms', 'p99Ms'].map((key) => ({
        label: key.slice(0, 3),
        bars: options.peers.flatMap((name) =>
          ['idle', 'busy'].map((when) => ({
            label: `${name} ${when}`,
            value: middle(name, (turn) => turn[when][key]),
          })),
        ),
      })),
    })
  }
  const head = ['', '', 'p50', 'p95', 'p99', 'p50', 'p95', 'p99', 'p95 to idle', 'images/s', 'to sharp']
  const over = ['', '', 'idle ms', '', '', `under ${options.clients} images, ms`, '', '', '', '', '']
  console.log(machineLine(started))
  console.log(
    `The page, ${options.saturate ? 'one after the other' : `${options.rate} a second`}; ${options.format} ${options.width} px\n`,
  )
  console.log(table([over, head, ...rows]))
  if (options.json) writeResults(options.json, documentOf({ started, options, settings }))
  if (options.svg) writeResults(options.svg, barCharts({ title: 'Latency of the page', unit: 'ms', charts }))
}

/** This process, all of its threads. */
function pinTo(list) {
  const { status } = spawnSync('taskset', ['-a', '-c', '-p', list, String(process.pid)], { stdio: 'ignore' })
  if (status !== 0) stop(`taskset can't pin the load to CPU ${list}`)
}

function say(text) {
  process.stderr.write(`${text}\n`)
}

function readOptions() {
  const flag = { type: 'boolean', default: false }
  const text = (value) => ({ type: 'string', default: value })
  const given = {
    ...{ image: { type: 'string' }, json: { type: 'string' }, svg: { type: 'string' } },
    ...{ width: text('1080'), format: text('webp'), clients: text('16'), rate: text('20'), seconds: text('8') },
    ...{ rounds: text('3'), quotas: text('0,1,2'), peers: text(PEER_NAMES.join(',')) },
    ...{ saturate: flag, first: flag },
  }
  return readArgs(USAGE, given, (values) => {
    const asked = namesOf('peers', values.peers, PEER_NAMES)
    return {
      ...values,
      format: namesOf('format', values.format, ['webp', 'avif'])[0],
      width: wholeNumber('width', values.width, [16, 3840]),
      clients: wholeNumber('clients', values.clients, [1, 256]),
      rate: wholeNumber('rate', values.rate, [1, 1000]),
      seconds: wholeNumber('seconds', values.seconds, [1, 600]),
      rounds: wholeNumber('rounds', values.rounds, [1, 100]),
      quotas: numbers('quotas', values.quotas, [0, 256]),
      peers: PEER_NAMES.filter((name) => name === 'sharp' || asked.includes(name)),
    }
  })
}
