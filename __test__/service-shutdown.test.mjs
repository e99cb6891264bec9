// How `npx unsharp serve` ends.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { publicFile, until } from './support/app.mjs'
import { gate, serviceOver } from './support/service.mjs'

const photo = publicFile('photo.jpg')
const always = () => ({ headers: { 'content-type': 'image/jpeg' }, body: photo })

const untilAsked = ({ requests }) =>
  until(
    () => requests.length,
    (count) => count === 1,
  )

/** Until it takes no more connections. */
const untilRefused = (service) =>
  until(
    () =>
      service.get('/healthz').then(
        () => 'answered',
        (error) => error.code,
      ),
    (code) => code === 'ECONNREFUSED',
  )

test('SIGTERM finishes what runs, refuses what is new, and exits with 0', async (t) => {
  const { open, opened } = gate()
  const { service, upstream } = await serviceOver(t, () => opened.then(always))
  const answer = service.image({ url: '/photo.jpg', w: 256 })
  await untilAsked(upstream)
  const idle = connect(service.port, '127.0.0.1')
  await once(idle, 'connect')
  service.child.kill('SIGTERM')
  await once(idle, 'close')
  await untilRefused(service)
  open()
  const { status, headers } = await answer
  assert.deepEqual([status, headers.connection], [200, 'close'])
  assert.deepEqual(await service.exited, [0, null])
})

test('the grace is the longest that a drain takes', async (t) => {
  const { open, opened } = gate()
  t.after(open)
  const { service, upstream } = await serviceOver(t, () => opened.then(always), { flags: ['--shutdown-grace', '100'] })
  const answer = service.image({ url: '/photo.jpg', w: 256 }).catch((error) => error.code)
  await untilAsked(upstream)
  service.child.kill('SIGTERM')
  assert.deepEqual(await service.exited, [0, null])
  assert.equal(await answer, 'ECONNRESET')
  assert.match(service.output.err, /the time to finish in was over/)
})

test('SIGINT twice stops at once', async (t) => {
  const { open, opened } = gate()
  t.after(open)
  const { service, upstream } = await serviceOver(t, () => opened.then(always))
  const answer = service.image({ url: '/photo.jpg', w: 256 }).catch((error) => error.code)
  await untilAsked(upstream)
  service.child.kill('SIGINT')
  await untilRefused(service)
  service.child.kill('SIGINT')
  assert.deepEqual(await service.exited, [130, null])
  assert.equal(await answer, 'ECONNRESET')
})
