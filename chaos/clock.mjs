// A clock that jumps a day either way, under traffic, on one of two replicas and on both.
import assert from 'node:assert/strict'
import path from 'node:path'
import { until } from '../__test__/support/app.mjs'
import { startRedis } from '../__test__/support/redis.mjs'
import { createClock } from './lib/false-clock.mjs'
import { folderFor, startServe } from './lib/server.mjs'

const SHARES = { miss: 10, revalidation: 10, bad: 3, leave: 2 }

/** Days by which the clocks of the two are off, one state after the other. */
const STATES = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
  [0, 0],
  [-1, 0],
  [-1, -1],
  [0, 0],
]

/**
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {import('./lib/world.mjs').World} world
 * @param {object} options
 * @param {string} options.library libfaketime
 * @param {number} options.answers in each state
 * @param {ReturnType<import('./lib/random.mjs').randomFrom>} options.random
 * @param {string} [options.redis] the program of a server; without it the replicas share a folder
 * @param {(line: string) => void} [options.say]
 */
export async function moveClock(t, world, { library, answers, random, redis, say = () => {} }) {
  const folder = folderFor(t)
  const storage = redis ? (await startRedis(t, redis)).url : `filesystem:${folder}`
  const clocks = [0, 1].map(() => createClock(t, library))
  const replicas = await Promise.all(
    clocks.map(({ env }, n) =>
      startServe(t, world.sources, {
        cache: path.join(folder, redis ? `images-${n}` : 'images'),
        flags: ['--storage', storage],
        env,
      }),
    ),
  )
  let isOver = false
  let turn = 0
  const port = () => {
    turn += 1
    return replicas[turn % 2].port
  }
  const load = world.traffic(random, { port, connections: 32 }, SHARES)
  const stale = () => load.caches.get('STALE') ?? 0
  const running = load.run(() => isOver)
  const lines = []
  const probe = () => replicas[0].image({ url: `${world.sources.origin}/lasting/probe/three.jpg`, w: 64 })
  await probe()
  for (const state of STATES) {
    // While requests wait, so that some begin by one time and end by another.
    for (const [n, clock] of clocks.entries()) clock.shift(state[n])
    if (state === STATES[1]) {
      const cache = (await probe()).headers['x-nextjs-cache']
      assert.equal(cache, 'STALE', 'what is good for a day is not any more, a day later')
    }
    const [enough, before] = [load.counts.answered + answers, stale()]
    await until(
      () => load.counts.answered,
      (answered) => answered >= enough,
    )
    lines.push(`clocks off by ${state.join(' and ')} days: ${answers} answers, ${stale() - before} of them stale`)
    say(lines.at(-1))
  }
  isOver = true
  await running
  for (const { metric } of replicas) assert.equal(await metric('unsharp_coordinator_connected'), 1)
  assert.deepEqual(load.faults, [], 'wrong answers')
  return [...load.summary(), ...lines]
}
