// The short form of `npm run chaos` and `npm run soak`: each kind of trouble once, with little traffic.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { moveClock } from '../chaos/clock.mjs'
import { breakDisk } from '../chaos/disk.mjs'
import { flap } from '../chaos/flaps.mjs'
import { killOne, killReplicas } from '../chaos/kills.mjs'
import { findLibrary } from '../chaos/lib/false-clock.mjs'
import { randomFrom } from '../chaos/lib/random.mjs'
import { runSoak } from '../chaos/lib/soak.mjs'
import { createWorld } from '../chaos/lib/world.mjs'
import { serverPrograms } from './support/redis.mjs'
import { startStores } from './support/stores.mjs'

const S3 = 'UNSHARP_TEST_S3_MOTO'
const { redis } = serverPrograms()
const library = findLibrary()
const random = () => randomFrom(1)
const few = new Set(['three.jpg', 'cut.png', 'three.avif', 'moving.gif'])
const isWanted = ({ name }) => few.has(name)

describe('under traffic', { skip: process.platform === 'linux' ? false : 'it needs Linux' }, () => {
  test('a service that is killed again and again serves nothing broken and tidies its folder', async (t) => {
    await killOne(t, await createWorld(t, isWanted), { kills: 4, random: random() })
  })

  test('the other replica takes over when one is killed', async (t) => {
    await killReplicas(t, await createWorld(t, isWanted), { kills: 2, random: random() })
  })

  test('a disk that fills up and turns read-only costs speed only', async (t) => {
    await breakDisk(t, await createWorld(t, isWanted), { answers: 300, random: random() })
  })

  test('a clock may jump a day either way', { skip: library ? false : 'there is no libfaketime' }, async (t) => {
    await moveClock(t, await createWorld(t, isWanted), { library, answers: 150, random: random() })
  })

  test('a bucket and a Redis may come and go, and nothing that was made is lost', async (t) => {
    const { addresses, stop } = await startStores([S3])
    after(stop)
    const options = { flaps: 9, answers: 40, redis, bucket: addresses[S3], random: random() }
    await flap(t, await createWorld(t, isWanted), options)
  })

  for (const mode of ['service', 'handler']) {
    test(`the ${mode} gives right answers only, and keeps within its limits`, async () => {
      const { failures } = await runSoak({ requests: 1500, mode, isWanted, checksGrowth: false })
      assert.deepEqual(failures, [])
    })
  }
})
