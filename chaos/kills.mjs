// SIGKILL at random moments under traffic. No body is ever cut short or another's, what dying processes leave behind goes,
// and a process that starts counts its folder as it is.
import assert from 'node:assert/strict'
import path from 'node:path'
import { until } from '../__test__/support/app.mjs'
import { startRedis } from '../__test__/support/redis.mjs'
import { bytesIn, damagedIn, temporariesIn } from './lib/cache-folder.mjs'
import { folderFor, startServe } from './lib/server.mjs'

/** Much is made, and what is kept has little room. */
const SHARES = { miss: 45, revalidation: 15, bad: 3, leave: 2 }
const DISK_BYTES = 2 << 20

/** Some answers after the start, and then somewhere between two events. */
async function strike(service, load, random) {
  const enough = load.counts.answered + 5 + random.below(150)
  await until(
    () => load.counts.answered,
    (answered) => answered >= enough,
  )
  await new Promise((resolve) => setTimeout(resolve, random.below(25)))
  service.child.kill('SIGKILL')
  await service.exited
}

/** The folder as the process that has just started must see it. */
async function expectRightCount(service) {
  const left = () => temporariesIn(service.cache)
  await until(left, ({ length }) => length === 0).catch(() => assert.deepEqual(left(), [], 'left-over temporary files'))
  const sums = async () => [await service.metric('unsharp_cache_disk_bytes'), bytesIn(service.cache)]
  await until(sums, ([counted, real]) => counted === real).catch(async () =>
    assert.equal(...(await sums()), 'the bytes that are counted are those that are there'),
  )
}

/**
 * One service, killed again and again over one folder.
 *
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {import('./lib/world.mjs').World} world
 * @param {{ kills: number, random: ReturnType<import('./lib/random.mjs').randomFrom>, say?: (line: string) => void }} options
 */
export async function killOne(t, world, { kills, random, say = () => {} }) {
  const cache = path.join(folderFor(t), 'images')
  let service
  let isOver = false
  const start = () => startServe(t, world.sources, { cache, images: { maximumDiskCacheSize: DISK_BYTES } })
  const load = world.traffic(random, { port: () => service.port, mayBreak: () => true, connections: 32 }, SHARES)
  let [temporaries, fullest] = [0, 0]
  for (let kill = 1; kill <= kills; kill += 1) {
    service = await start()
    await expectRightCount(service)
    isOver = false
    const running = load.run(() => isOver)
    await strike(service, load, random)
    isOver = true
    await running
    temporaries += temporariesIn(cache).length
    const bytes = bytesIn(cache)
    fullest = Math.max(fullest, bytes)
    // What is being written when it dies is there and not yet counted.
    const beingWritten = 1 << 20
    assert.ok(bytes <= DISK_BYTES + beingWritten, `${bytes} bytes of ${DISK_BYTES}`)
    if (kill % 20 === 0) say(`${kill} kills, ${load.counts.answered} answers`)
  }
  service = await start()
  await expectRightCount(service)
  const bytes = bytesIn(cache)
  assert.ok(bytes <= DISK_BYTES, `${bytes} bytes of ${DISK_BYTES} after the last start`)
  assert.deepEqual(damagedIn(cache, world.hashes), [], 'files that are not whole')
  assert.deepEqual(load.faults, [], 'wrong answers')
  return [
    ...load.summary(),
    `kills: ${kills}; temporary files left by them: ${temporaries}, after the last start: ${temporariesIn(cache).length}`,
    `cache folder: ${fullest} bytes at most, ${bytes} after the last start, ${DISK_BYTES} allowed, and so many are counted`,
    'files in it that are not whole: 0',
  ]
}

/**
 * Two replicas that share their work; one of them is killed, and the other never fails a request.
 *
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {import('./lib/world.mjs').World} world
 * @param {{ kills: number, random: ReturnType<import('./lib/random.mjs').randomFrom>, say?: (line: string) => void,
 *   redis?: string }} options `redis`: the program of a server; without it they share a folder
 */
export async function killReplicas(t, world, { kills, random, say = () => {}, redis }) {
  const folder = folderFor(t)
  const storage = redis ? (await startRedis(t, redis)).url : `filesystem:${folder}`
  // Through Redis each has a folder of its own.
  const caches = [0, 1].map((n) => path.join(folder, redis ? `images-${n}` : 'images'))
  const start = (n) => startServe(t, world.sources, { cache: caches[n], flags: ['--storage', storage] })
  const replicas = await Promise.all([0, 1].map(start))
  const doomed = new Set()
  let isOver = false
  let turn = 0
  const port = () => {
    turn += 1
    return replicas[turn % 2].port
  }
  const load = world.traffic(random, { port, mayBreak: (to) => doomed.has(to), connections: 32 }, SHARES)
  const running = load.run(() => isOver)
  for (let kill = 1; kill <= kills; kill += 1) {
    const n = random.below(2)
    doomed.add(replicas[n].port)
    await strike(replicas[n], load, random)
    replicas[n] = await start(n)
    if (kill % 20 === 0) say(`${kill} kills, ${load.counts.answered} answers`)
  }
  isOver = true
  await running
  for (const cache of caches) {
    await until(
      () => temporariesIn(cache),
      ({ length }) => length === 0,
    )
    assert.deepEqual(damagedIn(cache, world.hashes), [], 'files that are not whole')
  }
  const stopped = replicas.map(({ child, exited }) => child.kill('SIGTERM') && exited)
  for (const end of stopped) assert.deepEqual(await end, [0, null])
  assert.deepEqual(load.faults, [], 'wrong answers')
  return [...load.summary(), `kills: ${kills}; requests to the other replica that failed: 0`]
}
