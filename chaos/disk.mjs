// A disk that fills up, turns read-only and comes back, under traffic. Every request is answered, and afterwards the disk
// is used again as if nothing had been.
import assert from 'node:assert/strict'
import path from 'node:path'
import { until } from '../__test__/support/app.mjs'
import { bytesIn, damagedIn, temporariesIn, variantFiles } from './lib/cache-folder.mjs'
import { startServe } from './lib/server.mjs'
import { createVolume } from './lib/volume.mjs'

const SHARES = { miss: 25, revalidation: 15, bad: 3, leave: 2 }

/**
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {import('./lib/world.mjs').World} world
 * @param {{ answers: number, random: ReturnType<import('./lib/random.mjs').randomFrom>, say?: (line: string) => void }} options
 *   `answers`: in each state of the disk
 */
export async function breakDisk(t, world, { answers, random, say = () => {} }) {
  const volume = createVolume(t)
  const cache = path.join(volume.folder, 'images')
  // The disk sets the limit.
  const images = { maximumDiskCacheSize: undefined }
  const start = () => startServe(t, world.sources, { cache, wrapper: volume.wrapper, images })
  const service = await start()
  const load = world.traffic(random, { port: () => service.port, connections: 32 }, SHARES)
  const failures = () => service.metric('unsharp_store_errors_total')
  const lines = [`the disk: ${volume.kind}`]
  const pass = async (state) => {
    const [before, enough] = [await failures(), load.counts.answered + answers]
    await load.run(() => load.counts.answered >= enough)
    const failed = (await failures()) - before
    lines.push(
      `${state}: ${answers} answers, ${failed} reads or writes of the cache failed, ${bytesIn(cache)} bytes in it`,
    )
    say(lines.at(-1))
    return failed
  }

  assert.equal(await pass('sound'), 0)
  volume.fill(service.pid)
  assert.ok((await pass('full')) > 0, 'the disk was full')
  await startsAnyway(start, cache)
  volume.empty(service.pid)
  assert.equal(await pass('with room again'), 0)
  await volume.lock()
  assert.ok((await pass('read-only')) > 0, 'the disk was read-only')
  await startsAnyway(start, cache)
  await volume.unlock()
  const before = new Set(variantFiles(cache))
  assert.equal(await pass('writable again'), 0)
  // Not their bytes: a folder that has reached its limit lets go of as much as it takes.
  const added = variantFiles(cache).filter((file) => !before.has(file))
  assert.notEqual(added.length, 0, 'variants are kept again')
  lines.push(`writable again: ${added.length} files were not there before`)

  await until(
    () => temporariesIn(cache),
    ({ length }) => length === 0,
  )
  assert.deepEqual(damagedIn(cache, world.hashes), [], 'files that are not whole')
  const counted = () => service.metric('unsharp_cache_disk_bytes')
  await until(counted, (bytes) => bytes === bytesIn(cache)).catch(async () =>
    assert.equal(await counted(), bytesIn(cache), 'the bytes that are counted are those that are there'),
  )
  assert.deepEqual(load.faults, [], 'wrong answers')
  return [...load.summary(), ...lines]
}

/** A service that is started over a folder that can't be written answers, and leaves what is there. */
async function startsAnyway(start, cache) {
  const before = bytesIn(cache)
  const other = await start()
  const sums = async () => [await other.metric('unsharp_cache_disk_bytes'), bytesIn(cache)]
  await until(sums, ([counted, real]) => counted === real).catch(async () =>
    assert.equal(...(await sums()), 'the bytes that are counted are those that are there'),
  )
  const { status } = await other.get('/readyz')
  assert.equal(status, 200)
  const answer = await other.image({ url: '/photo.jpg', w: 64 })
  assert.equal(answer.status, 200)
  assert.ok(bytesIn(cache) >= before, 'what is there stays')
  other.child.kill('SIGTERM')
  assert.deepEqual(await other.exited, [0, null])
}
