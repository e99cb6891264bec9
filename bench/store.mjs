// What a bucket costs and saves: `npm run bench:store`. Prints a report; the numbers go to standard output, what happens
// meanwhile to standard error.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { send } from '../__test__/support/app.mjs'
import { median } from './lib/stats.mjs'

const USAGE = `Usage: npm run bench:store [-- OPTIONS]

  --count N        variants in the bucket, default 5000
  --bytes N        of each, default 20000
  --round-trip N   to the store, ms, default 50
  --rounds N       how often each thing is measured, default 9
  --dir DIR        where variants are restored to, default a tmpfs where there is one
  --unsharp FILE   the addon's entry, default this repository's index.js
  --help`

const options = readOptions()
const folder = mkdtempSync(path.join(options.dir, 'unsharp-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const [FILLED, PUSHED] = ['filled', 'pushed']
/** The bucket as something else filled it, without a manifest, and as a push of ours did. */
const [filled, pushed] = [FILLED, PUSHED].map((prefix) => `s3://unsharp/${prefix}`)
/** How many files knext's way is measured with; its time grows with their number, so the rest is reckoned. */
const ONE_BY_ONE = Math.min(500, options.count)

const store = await startStore()
const access = {
  S3_ENDPOINT: store.url,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
}
const { count, bytes, rounds } = options
const paths = await store.ask('fill', { count, bytes, prefix: FILLED, addressed: Math.min(rounds, count) })
const rows = []
/** A line of the report; with a goal it says whether that was met. */
const row = (what, value, unit, goal) => {
  const met = goal === undefined ? '' : `${value <= goal ? 'met' : 'MISSED'} (goal: ${goal} ${unit})`
  rows.push([what, `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ${unit}`, met])
}

await measureRestore()
await measureFirstHit()
await measureDelay()
await measureStart()
await store.stop()
print()

async function measureRestore() {
  const variants = `${options.count} × ${options.bytes / 1000} KB`
  for (const [how, ms, goals] of [
    ['from the listing', options.roundTripMs, { seconds: 3, megabytes: 64 }],
    ['from the listing, the store in no distance (what store and client can do at most)', 0, {}],
  ]) {
    await store.ask('roundTrip', { ms })
    await restoreRounds(`restore of ${variants}, ${how}`, filled, goals)
  }

  say('the push, which writes the manifest')
  await store.ask('roundTrip', { ms: 0 })
  const dir = freshFolder()
  await client('restore', { store: filled, dir })
  await client('push', { store: pushed, dir })
  rmSync(dir, { recursive: true })
  const { variants: there, notes } = await store.ask('count', { prefix: PUSHED })
  if (there !== options.count || notes === 0) throw new Error(`the push wrote ${there} variants and ${notes} notes`)
  await store.ask('roundTrip', { ms: options.roundTripMs })
  await restoreRounds(`restore of ${variants}, from the manifest`, pushed, { seconds: 3, megabytes: 64 })

  say("knext's way")
  const paths = await store.ask('paths', { count: ONE_BY_ONE })
  const { ms } = await client('oneByOne', { url: store.url, paths, dir: freshFolder() })
  const reckoned = ((ms / ONE_BY_ONE) * options.count) / 1000
  row(`the same in knext's way, one by one with a HEAD each (reckoned from ${ONE_BY_ONE})`, reckoned, 's')
}

async function restoreRounds(what, url, { seconds, megabytes }) {
  say(what)
  const taken = []
  for (let round = 0; round < Math.min(5, options.rounds); round += 1) {
    const dir = freshFolder()
    const result = await client('restore', { store: url, dir })
    if (result.report.restored !== options.count) throw new Error(`restored ${JSON.stringify(result.report)}`)
    taken.push(result)
    rmSync(dir, { recursive: true })
  }
  row(what, median(taken.map(({ ms }) => ms)) / 1000, 's', seconds)
  row('  growth of memory at most', Math.max(...taken.map((one) => one.rssGrowthBytes)) / 2 ** 20, 'MiB', megabytes)
}

/** The time of a new process's first answer, which the bucket has, as its client sees it. */
async function measureFirstHit() {
  for (const [when, url, waitMs, goal] of [
    ['that the manifest names, of a process that listens for a second', pushed, 1000, 75],
    ['that no manifest names, of a process that listens for a second', filled, 1000, undefined],
    ['of a process the moment it listens', pushed, 0, undefined],
  ]) {
    say(`first hit ${when}`)
    const times = []
    for (const [i, target] of paths.entries()) {
      const server = await startServer({ UNSHARP_STORE: url, ...access })
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      const before = performance.now()
      const answer = await send({ port: server.port, path: target, headers: { accept: 'image/webp' } })
      times.push(performance.now() - before)
      if (answer.headers['x-nextjs-cache'] !== 'HIT')
        throw new Error(`${i}: ${answer.status} ${answer.text.slice(0, 99)}`)
      await server.stop()
    }
    row(`first hit in the bucket ${when}`, median(times), 'ms', goal)
  }
}

async function measureDelay() {
  say('the event loop')
  const rounds = []
  for (let round = 0; round < Math.min(5, options.rounds); round += 1) {
    rounds.push(await client('delay', { store: filled, dir: freshFolder() }))
  }
  const of = (phase) => median(rounds.map((one) => one[phase].p99Ms))
  row('event loop late by (p99), idle', of('idle'), 'ms')
  row('event loop late by (p99), during a restore', of('restoring'), 'ms')
  row('  more than idle by', of('restoring') - of('idle'), 'ms', 5)
}

/** From the start of the process to where it listens; the kinds take turns, so a machine that slows down slows all. */
async function measureStart() {
  say('the start')
  const blackHole = createServer(() => {}).listen(0, '127.0.0.1')
  await once(blackHole, 'listening')
  const kinds = {
    'without a bucket': {},
    'with a bucket that never answers': at(`http://127.0.0.1:${blackHole.address().port}`),
    'with a bucket that refuses connections': at('http://127.0.0.1:9'),
  }
  const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [kind, env] of Object.entries(kinds)) {
      const before = performance.now()
      const server = await startServer(env)
      times[kind].push(performance.now() - before)
      await server.stop()
    }
  }
  blackHole.close()
  const without = median(times['without a bucket'])
  for (const [kind, taken] of Object.entries(times)) {
    row(`ready ${kind} after`, median(taken), 'ms')
    if (kind !== 'without a bucket') row('  later by', Math.max(0, median(taken) - without), 'ms', 50)
  }
}

function at(endpoint) {
  return { ...access, UNSHARP_STORE: filled, S3_ENDPOINT: endpoint }
}

async function startStore() {
  const child = fork(fileURLToPath(new URL('./lib/slow-store.mjs', import.meta.url)))
  const [{ url }] = await once(child, 'message')
  let lastId = 0
  return {
    url,
    ask: async (command, more) => {
      lastId += 1
      child.send({ id: lastId, command, ...more })
      const [{ result }] = await once(child, 'message')
      return result
    },
    stop: async () => {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** One job in a process of its own. */
async function client(job, more) {
  const { result, stop } = await startClient(job, more, access)
  await stop()
  return result
}

async function startServer(env) {
  const { result, stop } = await startClient('serve', { dir: freshFolder() }, env)
  return { port: result.port, stop }
}

async function startClient(job, more, env) {
  const given = JSON.stringify({ job, entry: options.entry, ...more })
  // Only what is given here names a bucket, not what this machine's environment may say.
  const { PATH, HOME } = process.env
  const child = fork(fileURLToPath(new URL('./lib/store-client.mjs', import.meta.url)), [given], {
    env: { PATH, HOME, NODE_ENV: 'production', ...env },
  })
  const exited = once(child, 'exit')
  const [message] = await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => {
      throw new Error(`${job} ended with ${code}`)
    }),
  ])
  return {
    result: message.result,
    stop: async () => {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}

function freshFolder() {
  return mkdtempSync(path.join(folder, 'disk-'))
}

function say(text) {
  console.error(text)
}

function print() {
  const [what, value] = [0, 1].map((column) => Math.max(...rows.map((cells) => cells[column].length)))
  const TMPFS = 0x01021994
  const medium = statfsSync(folder).type === TMPFS ? 'tmpfs' : 'disk'
  console.log(
    [
      `unsharp ${process.version}, ${os.cpus().length} × ${os.cpus()[0].model}, load ${os.loadavg()[0].toFixed(1)}`,
      `store: S3 in memory (__test__/support/object-stub.mjs), a process of Node; round trip ${options.roundTripMs} ms, and one more for a new connection`,
      `medium: ${medium} (${options.dir})`,
      '',
      ...rows.map(([a, b, c]) => `${a.padEnd(what)}  ${b.padStart(value)}  ${c}`.trimEnd()),
    ].join('\n'),
  )
}

function readOptions() {
  const values = parsed({
    options: {
      count: { type: 'string', default: '5000' },
      bytes: { type: 'string', default: '20000' },
      'round-trip': { type: 'string', default: '50' },
      rounds: { type: 'string', default: '9' },
      dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir() },
      unsharp: { type: 'string', default: fileURLToPath(new URL('../index.js', import.meta.url)) },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const number = (name, max) => {
    const value = Number(values[name])
    if (Number.isInteger(value) && value >= 1 && value <= max) return value
    console.error(`--${name}: ${JSON.stringify(values[name])} is not a whole number from 1 to ${max}`)
    process.exit(1)
  }
  mkdirSync(values.dir, { recursive: true })
  return {
    count: number('count', 100_000),
    bytes: number('bytes', 10_000_000),
    roundTripMs: number('round-trip', 10_000),
    rounds: number('rounds', 1000),
    dir: path.resolve(values.dir),
    entry: path.resolve(values.unsharp),
  }
}

/** The command line, or the end of the program with one line. */
function parsed(config) {
  try {
    return parseArgs(config).values
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}
