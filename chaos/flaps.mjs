// A bucket and a Redis that come and go under traffic. Nothing fails, nothing wrong is served, and what was made meanwhile
// is in the bucket afterwards.
import assert from 'node:assert/strict'
import path from 'node:path'
import { until } from '../__test__/support/app.mjs'
import { startFaultProxy } from '../__test__/support/fault-proxy.mjs'
import { freshPrefix, s3 } from '../__test__/support/pod.mjs'
import { startRedis } from '../__test__/support/redis.mjs'
import { folderFor, startServe } from './lib/server.mjs'

const FAULTS = ['internalError', 'reset', 'blackHole', 'slowDown', 'truncated', 'stall', 'expiredCredentials']
const SHARES = { miss: 15, revalidation: 10, bad: 3, leave: 2 }

/** Variants that are looked for in the bucket at the end. */
const REMEMBERED = 500

/**
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {import('./lib/world.mjs').World} world
 * @param {object} options
 * @param {number} options.flaps
 * @param {number} options.answers between two of them
 * @param {ReturnType<import('./lib/random.mjs').randomFrom>} options.random
 * @param {string} [options.redis] the program of a server
 * @param {string} [options.bucket] the url of an S3 server with a bucket `unsharp`
 * @param {(line: string) => void} [options.say]
 */
export async function flap(t, world, { flaps, answers, random, redis: program, bucket, say = () => {} }) {
  const folder = folderFor(t)
  const redis = program && (await startRedis(t, program))
  const proxy = bucket && (await startFaultProxy(t, bucket))
  const flags = ['--shutdown-grace', '600000', ...(redis ? ['--storage', redis.url] : [])]
  const env = proxy && s3(proxy.url, freshPrefix())
  const start = (name) => startServe(t, world.sources, { cache: path.join(folder, name), flags, env })
  const replicas = await Promise.all(['one', 'two'].map(start))
  let isOver = false
  let turn = 0
  const port = () => {
    turn += 1
    return replicas[turn % 2].port
  }
  const lasting = new Map()
  const onRight = (asked, status) => {
    const isLasting = asked.path.includes('%2Flasting%2Ffresh') && asked.method === 'GET' && status === 200
    if (isLasting && lasting.size < REMEMBERED) lasting.set(`${asked.path} ${asked.headers.accept}`, asked)
  }
  const load = world.traffic(random, { port, onRight, connections: 32 }, SHARES)
  const running = load.run(() => isOver)
  const more = async () => {
    const enough = load.counts.answered + answers
    await until(
      () => load.counts.answered,
      (answered) => answered >= enough,
    )
  }
  let isRedisUp = true
  for (let n = 1; n <= flaps; n += 1) {
    if (proxy) proxy.fault = n % 2 ? FAULTS[(n >> 1) % FAULTS.length] : 'none'
    if (redis && n % 3 === 0) {
      await (isRedisUp ? redis.kill() : redis.start())
      isRedisUp = !isRedisUp
    }
    await more()
    if (n % 5 === 0) say(`${n} flaps, ${load.counts.answered} answers`)
  }
  if (proxy) proxy.fault = 'none'
  if (redis && !isRedisUp) await redis.start()
  await more()
  isOver = true
  await running
  for (const { metric } of replicas) {
    await until(
      () => metric('unsharp_coordinator_connected'),
      (connected) => connected === 1,
    )
  }
  assert.deepEqual(load.faults, [], 'wrong answers')
  const lines = [...load.summary(), `flaps: ${flaps}`]
  const stopped = replicas.map(({ child, exited }) => child.kill('SIGTERM') && exited)
  for (const end of stopped) assert.deepEqual(await end, [0, null])
  if (proxy) lines.push(await expectAllInBucket(world, await start('three'), [...lasting.values()]))
  return lines
}

/** A replica that has nothing of its own, and whose sources are down, has what the others made. */
async function expectAllInBucket({ sources }, replica, asked) {
  sources.isDown = true
  try {
    for (const { path: target, headers, fault } of asked) {
      const answer = await replica.get(target, { accept: headers.accept })
      assert.equal(fault(answer), undefined, `${target}, from the bucket`)
    }
  } finally {
    sources.isDown = false
  }
  return `variants made while the bucket flapped and looked for in it afterwards: ${asked.length}, all there`
}
