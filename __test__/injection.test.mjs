// Line breaks, control characters and escape sequences in what visitors and upstreams send: none of it may begin a header or a
// line of a log, or steer the terminal that shows it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { allow, publicFile, startUpstream, tempFolder } from './support/app.mjs'
import { startService } from './support/service.mjs'

const photo = publicFile('photo.jpg')

/** Both ranges of control characters, and what ends lines or turns text around. */
const STEERING = /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/u

/** Sends bytes as they are and gives back what comes, byte for byte as Latin-1. */
async function raw(port, bytes) {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(Buffer.from(bytes, 'latin1'))
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  await once(socket, 'close')
  return answer
}

const request = (target, headers = '') =>
  `GET ${target} HTTP/1.1\r\nHost: images\r\nAccept: image/webp\r\nConnection: close\r\n${headers}\r\n`

test('nothing that is sent begins a header or a line of the log', async (t) => {
  const upstream = await startUpstream(t, ({ url }) => {
    if (url.startsWith('/broken')) return { body: photo.subarray(0, 3000) }
    if (url.startsWith('/missing')) return { status: 404, body: 'a\r\nb' }
    const headers = { 'content-type': 'text/html\x9b;a=\xff', etag: '"\x9b31m\xff"', 'cache-control': 'max-age=\xff9' }
    return { headers, body: photo }
  })
  const folder = tempFolder(t)
  const service = await startService(t, {
    ...{ folder, file: { images: allow(upstream) } },
    flags: ['--access-log', '--log-level', 'debug', '--log-format', 'json', '--fallback', upstream.origin],
  })
  const evil = [
    '%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0aevil',
    '%0aevil',
    '%00evil',
    '%1b%5b31mevil%9b31m%c2%9b31m',
    '%e2%80%a8evil%e2%80%ae',
    '%22%5cevil%22;%20evil=%22',
    '%ff%fe',
  ]
  const heads = []
  for (const name of evil) {
    for (const place of ['photo', 'broken', 'missing']) {
      const remote = encodeURIComponent(`${upstream.origin}/${place}/${name}.jpg?${name}=${name}`)
      const local = encodeURIComponent(`/${place}/${name}.jpg`)
      for (const target of [
        `/_next/image?url=${remote}&w=256&q=75`,
        `/_next/image?url=${local}&w=256&q=75`,
        `/_next/image?url=${place}${name}&w=256&q=75`,
        `/_next/image?url=${local}&w=${name}&q=${name}`,
        `/${name}?${name}`,
      ]) {
        const answer = await raw(service.port, request(target))
        heads.push(answer.slice(0, answer.indexOf('\r\n\r\n')))
      }
    }
  }
  // Bytes that stand in a request as they are.
  for (const bytes of [
    request('/_next/image?url=/a\x9b31m\xff.jpg&w=256&q=75'),
    request('/_next/image?url=/a\x7f.jpg&w=256&q=75'),
    request('/_next/image?url=/a.jpg&w=256&q=75', 'If-None-Match: \x9b31m\xff\r\nTraceparent: 00-\xff\x9b-1-1\r\n'),
    request('/_next/image?url=/a.jpg&w=256&q=75', 'X-A: b\r\n\tSet-Cookie: evil=1\r\n'),
    request('/_next/image?url=/a.jpg&w=256&q=75', 'X-A: b\rSet-Cookie: evil=1\r\n'),
    `G\x1bT /_next/image HTTP/1.1\r\nHost: images\r\n\r\n`,
    `GET /_next/image?url=http://\x9b31m/&w=256&q=75 HTTP/1.1\r\nHost: a\x9bb\r\nConnection: close\r\n\r\n`,
  ]) {
    const answer = await raw(service.port, bytes)
    heads.push(answer.slice(0, answer.indexOf('\r\n\r\n')))
  }
  for (const head of heads) {
    const lines = head.split('\r\n').slice(1)
    for (const line of lines) {
      assert.match(line, /^[a-z-]+: [ -~\xa0-\xff]*$/i, JSON.stringify(line))
      assert.doesNotMatch(line, /^set-cookie/i)
    }
  }
  assert.ok(heads.filter((head) => head.startsWith('HTTP/1.1 200')).length > 5, 'some of them are images')

  service.child.kill('SIGTERM')
  await service.exited
  const lines = [...service.output.out.split('\n'), ...service.output.err.split('\n')].filter((line) =>
    line.startsWith('{'),
  )
  assert.ok(lines.length >= heads.length, `${lines.length} lines`)
  for (const line of lines) {
    assert.doesNotMatch(line, STEERING, JSON.stringify(line))
    assert.equal(typeof JSON.parse(line).event, 'string', line)
  }
  const others = service.output.err.split('\n').filter((line) => line && !line.startsWith('{'))
  for (const line of others) assert.match(line, /^unsharp: listening/, JSON.stringify(line))
})
