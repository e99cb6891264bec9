// Replicas of the service over a storage for who works and a bucket for what is made.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { publicFile, until } from './support/app.mjs'
import { freshPrefix, s3 } from './support/pod.mjs'
import { serverPrograms, startRedis } from './support/redis.mjs'
import { startReplicas, total } from './support/replicas.mjs'
import { gate } from './support/service.mjs'
import { startStores } from './support/stores.mjs'

const photo = publicFile('photo.jpg')
const JPEG = { 'content-type': 'image/jpeg', 'cache-control': 'max-age=86400' }
const MOTO = 'UNSHARP_TEST_S3_MOTO'

const stores = await startStores([MOTO])
after(stores.stop)

for (const [name, program] of Object.entries(serverPrograms())) {
  const skip = stores.addresses[MOTO] ? false : 'no S3 server'
  test(`replicas over ${name} with a bucket`, { skip }, async (t) => {
    const redis = await startRedis(t, program)
    const { open, opened } = gate()
    t.after(open)
    const answer = () => opened.then(() => ({ headers: JPEG, body: photo }))
    const env = s3(stores.addresses[MOTO], freshPrefix())
    const fleet = await startReplicas(t, 3, { storage: redis.url, answer, env })
    const { replicas, upstream, start } = fleet
    const variant = { url: '/photo.jpg', w: 640 }

    await t.test('make a variant that all are asked for once, and pass it on by the bucket', async () => {
      const asked = replicas.flatMap((replica) => Array.from({ length: 50 }, () => replica.image(variant)))
      await until(
        () => total(replicas, 'unsharp_coordinator_followers_total'),
        (followers) => followers === 147,
      )
      open()
      const answers = await Promise.all(asked)
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      assert.equal(new Set(answers.map(({ headers }) => headers.etag)).size, 1)
      assert.equal(upstream.requests.length, 1)
      assert.equal(await total(replicas, 'unsharp_variants_total{outcome="optimized"}'), 1)
      const largest = await redis.largest()
      assert.ok(largest > 0 && largest < answers[0].body.length, `no value of ${largest} bytes in it is the image`)
    })

    await t.test('leave it to those that come after them', async () => {
      for (const { child, exited } of replicas) {
        child.kill('SIGTERM')
        assert.deepEqual(await exited, [0, null])
      }
      await redis.kill()
      await redis.start()
      const later = await start()
      const answer = await later.image(variant)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['x-nextjs-cache'], 'HIT')
      assert.equal(upstream.requests.length, 1)
      assert.equal(await later.metric('unsharp_variants_total{outcome="optimized"}'), 0)
    })
  })
}
