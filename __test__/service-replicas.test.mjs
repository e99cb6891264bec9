// Several replicas of the service over one Redis or Valkey: a variant is made once, and nothing that dies takes a
// request along.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import sharp from 'sharp-reference'
import { imagePath, publicFile, tempFolder, until, WEBP } from './support/app.mjs'
import { serverPrograms, startRedis } from './support/redis.mjs'
import { startReplicas, total } from './support/replicas.mjs'
import { gate } from './support/service.mjs'

const photo = publicFile('photo.jpg')
const JPEG = { 'content-type': 'image/jpeg', 'cache-control': 'max-age=86400' }
const programs = serverPrograms()

/** Enough pixels that a development build encodes them for a while. */
async function large() {
  return sharp(photo).resize(2048, 1536, { fit: 'fill' }).jpeg().toBuffer()
}

/** The storages that replicas can share, each by what starts it and says its url. */
const storages = {
  filesystem: async (t) => ({ url: `filesystem:${tempFolder(t)}` }),
  ...Object.fromEntries(Object.entries(programs).map(([name, program]) => [name, (t) => startRedis(t, program)])),
}

for (const [name, startStorage] of Object.entries(storages)) {
  test(`replicas over ${name}`, async (t) => {
    await t.test('make a variant that all are asked for once', async (t) => {
      const storage = await startStorage(t)
      const { open, opened } = gate()
      t.after(open)
      const answer = () => opened.then(() => ({ headers: JPEG, body: photo }))
      const { upstream, replicas } = await startReplicas(t, 3, { storage: storage.url, answer })
      const asked = replicas.flatMap((replica) =>
        Array.from({ length: 50 }, () => replica.image({ url: '/photo.jpg', w: 640 })),
      )
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
    })

    await t.test('keep what another one has made', async (t) => {
      const storage = await startStorage(t)
      const answer = () => ({ headers: JPEG, body: photo })
      const { upstream, replicas } = await startReplicas(t, 2, { storage: storage.url, answer })
      const made = await replicas[0].image({ url: '/photo.jpg' })
      // From the storage, or from the folder that both keep variants in.
      const got = await replicas[1].image({ url: '/photo.jpg' })
      const again = await replicas[1].image({ url: '/photo.jpg' })
      assert.deepEqual([got.headers.etag, again.headers.etag], [made.headers.etag, made.headers.etag])
      assert.equal(again.headers['x-nextjs-cache'], 'HIT')
      assert.equal(upstream.requests.length, 1)
    })

    await t.test('answer all who wait when the one that works is killed', async (t) => {
      const storage = await startStorage(t)
      const body = await large()
      const { replicas } = await startReplicas(t, 3, {
        ...{ storage: storage.url, answer: () => ({ headers: JPEG, body }), images: { formats: ['image/avif'] } },
        // However slow the machine is, it is the encoding that is waited for.
        ...{ experimental: { imgOptTimeoutInSeconds: 0 }, flags: ['--timeout', '600000'] },
      })
      const asked = replicas.map((replica) =>
        Array.from({ length: 10 }, () =>
          replica.image({ url: '/large.jpg', w: 2048 }, { accept: 'image/avif' }).catch((error) => error.code),
        ),
      )
      const worker = await until(
        async () => {
          const used = await Promise.all(replicas.map((replica) => replica.metric('unsharp_permits_used')))
          return used.indexOf(1)
        },
        (index) => index >= 0,
      )
      replicas[worker].child.kill('SIGKILL')
      await replicas[worker].exited
      const others = asked.filter((_, index) => index !== worker)
      const answers = await Promise.all(others.flat())
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      const survivors = replicas.filter((_, index) => index !== worker)
      assert.equal(await total(survivors, 'unsharp_variants_total{outcome="optimized"}'), 1)
      await Promise.all(asked[worker])
    })
  })
}

for (const [name, program] of Object.entries(programs)) {
  test(`replicas over ${name} that is not always there, or that are restarted`, async (t) => {
    await t.test('lose no request when the storage is killed and comes back', async (t) => {
      const redis = await startRedis(t, program)
      const answer = () => ({ headers: JPEG, body: photo })
      const { replicas } = await startReplicas(t, 2, { storage: redis.url, answer })
      let [made, stop] = [0, false]
      const statuses = new Map()
      const load = replicas.map(async (replica, at) => {
        for (let n = 0; !stop; n += 1) {
          const { status } = await replica.image({ url: `/${at % 2 ? n : n * 2}.jpg`, w: 64 })
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          made += 1
        }
      })
      const more = async () => {
        const before = made
        await until(
          () => made,
          (now) => now >= before + 50,
        )
      }
      const connected = (wanted) =>
        until(
          () => total(replicas, 'unsharp_coordinator_connected'),
          (count) => count === wanted,
        )
      await more()
      await redis.kill()
      await connected(0)
      await more()
      assert.equal((await replicas[0].get('/readyz')).status, 200, 'it goes on alone')
      await redis.start()
      await connected(2)
      await more()
      stop = true
      await Promise.all(load)
      assert.deepEqual([...statuses.keys()], [200])
      assert.ok((await total(replicas, 'unsharp_jobs_local_total')) > 0)
      assert.ok((await total(replicas, 'unsharp_coordinator_errors_total')) > 0)
    })

    await t.test('give 100,000 right answers through a restart of each', async (t) => {
      const redis = await startRedis(t, program)
      const answer = () => ({ headers: JPEG, body: photo })
      const { replicas, start } = await startReplicas(t, 3, { storage: redis.url, answer })
      const urls = Array.from({ length: 200 }, (_, n) =>
        imagePath({ url: `/${n >> 2}.jpg`, w: [64, 96, 128, 256][n % 4] }),
      )
      const gateway = createGateway(replicas)
      t.after(() => gateway.close())
      const etags = new Map()
      let sent = 0
      const REQUESTS = 100_000
      const work = async () => {
        while (sent < REQUESTS) {
          const url = urls[sent % urls.length]
          sent += 1
          const { status, headers, body } = await gateway.get(url)
          assert.equal(status, 200)
          const etag = createHash('sha256').update(body).digest('base64url')
          assert.equal(headers.etag, etag, 'the body is the one that the tag names')
          assert.equal(etags.get(url) ?? etag, etag, 'and always the same')
          etags.set(url, etag)
        }
      }
      const restarts = async () => {
        for (const at of [0, 1, 2]) {
          await until(
            () => sent,
            (now) => now >= (at + 1) * 20_000,
          )
          const old = replicas[at]
          replicas[at] = await start()
          old.child.kill('SIGTERM')
          assert.deepEqual(await old.exited, [0, null])
        }
      }
      await Promise.all([restarts(), ...Array.from({ length: 100 }, work)])
      assert.equal(sent, REQUESTS)
      assert.equal(etags.size, 200)
      assert.ok((await redis.keys()) < 1000, 'what is in the storage does not grow with the requests')
    })
  })
}

/**
 * What nginx does with `proxy_next_upstream error`: takes turns, and asks the next one where a connection was refused or
 * closed before an answer began.
 */
function createGateway(replicas) {
  const agent = new Agent({ keepAlive: true, maxSockets: 100 })
  let turn = 0
  const ask = ({ port }, target) =>
    new Promise((resolve, reject) => {
      const options = { agent, host: '127.0.0.1', port, path: target, headers: { accept: WEBP } }
      const sent = request(options, (answer) => {
        const chunks = []
        answer.on('data', (chunk) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }),
        )
      })
      sent.on('error', (error) => (sent.res ? reject(error) : resolve(undefined)))
      sent.end()
    })
  return {
    async get(target) {
      for (let attempt = 0; attempt < 2 * replicas.length; attempt += 1) {
        turn += 1
        const answer = await ask(replicas[turn % replicas.length], target)
        if (answer) return answer
      }
      throw new Error('no replica answers')
    },
    close: () => agent.destroy(),
  }
}
