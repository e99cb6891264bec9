// Runs in a network namespace of its own, as PID 1 of nothing: `93.184.215.14` is a public server here, `10.9.8.7` a private one,
// and the only name server is this process. Says on standard output what the service made of each request.
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createOptimizer } from '../../index.js'
import { publicFile } from './app.mjs'

const PUBLIC = '93.184.215.14'
const PRIVATE = '10.9.8.7'
const METADATA = '169.254.169.254'

function run(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

run('ip', 'link', 'set', 'lo', 'up')
for (const address of [PUBLIC, PRIVATE, METADATA]) run('ip', 'address', 'add', `${address}/32`, 'dev', 'lo')
const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-network-'))
writeFileSync(path.join(folder, 'resolv.conf'), 'nameserver 127.0.0.53\noptions timeout:1 attempts:1\n')
writeFileSync(path.join(folder, 'nsswitch.conf'), 'hosts: files dns\n')
for (const name of ['resolv.conf', 'nsswitch.conf']) run('mount', '--bind', path.join(folder, name), `/etc/${name}`)

/** What each name resolves to, one after the other; the last one stays. Each is looked up for IPv4 and for IPv6. */
const zone = {
  'public.test': [[PUBLIC]],
  'private.test': [[PRIVATE]],
  'mixed.test': [[PUBLIC, PRIVATE]],
  'metadata.test': [[METADATA]],
  'rebinding.test': [[PUBLIC], [PRIVATE]],
}
const asked = {}

/** The answer of RFC 1035 to a question for an address, with a time to live of 0. */
function answer(question) {
  const labels = []
  let at = 12
  for (; question[at] !== 0; at += question[at] + 1)
    labels.push(question.toString('latin1', at + 1, at + 1 + question[at]))
  const end = at + 5
  const name = labels.join('.').toLowerCase()
  const isIpv4 = question.readUInt16BE(at + 1) === 1
  const turns = zone[name]
  const header = Buffer.from(question.subarray(0, 12))
  header.writeUInt16BE(turns ? 0x8180 : 0x8183, 2)
  let addresses = []
  if (turns && isIpv4) {
    asked[name] = (asked[name] ?? 0) + 1
    addresses = turns.length > 1 ? turns.shift() : turns[0]
  }
  header.writeUInt16BE(addresses.length, 6)
  header.writeUInt16BE(0, 8)
  header.writeUInt16BE(0, 10)
  const records = addresses.map((address) => [
    0xc0,
    12,
    0,
    1,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    4,
    ...address.split('.').map(Number),
  ])
  return Buffer.concat([header, question.subarray(12, end), ...records.map((record) => Buffer.from(record))])
}

const names = createSocket('udp4')
names.on('message', (question, { port, address }) => names.send(answer(question), port, address))
names.bind(53, '127.0.0.53')
await once(names, 'listening')

const requests = { [PUBLIC]: [], [PRIVATE]: [], [METADATA]: [] }
for (const address of Object.keys(requests)) {
  const server = createServer((req, res) => {
    requests[address].push(`${req.headers.host}${req.url}`)
    const target = new URL(req.url, 'http://x').searchParams.get('to')
    if (target) res.writeHead(302, { location: target }).end()
    else res.writeHead(200, { 'content-type': 'image/jpeg', connection: 'close' }).end(publicFile('photo.jpg'))
  }).listen(80, address)
  await once(server, 'listening')
}

const outcomes = {}
async function ask(label, url, options = {}) {
  const optimizer = await createOptimizer({
    allowAnySource: true,
    nextConfig: {},
    maxAttempts: 1,
    logLevel: 'silent',
    ...options,
  })
  outcomes[label] = await optimizer.fetchAndOptimize(url, { width: 64 }).then(
    () => 'image',
    (error) => error.code,
  )
  await optimizer.close()
}

await ask('public', 'http://public.test/a.jpg')
await ask('private', 'http://private.test/a.jpg')
await ask('mixed', 'http://mixed.test/a.jpg')
await ask('rebinding, first', 'http://rebinding.test/a.jpg')
await ask('rebinding, then', 'http://rebinding.test/b.jpg')
await ask('redirect to a private name', 'http://public.test/?to=http://private.test/c.jpg')
await ask('redirect to a private address', `http://public.test/?to=http://${PRIVATE}/c.jpg`)
await ask('private, listed', 'http://private.test/d.jpg', { allowedPrivateHosts: ['private.test'] })
await ask('private, its range listed', 'http://private.test/e.jpg', { allowedPrivateHosts: ['10.9.0.0/16'] })
await ask('redirect to one that is listed', 'http://public.test/?to=http://private.test/f.jpg', {
  allowedPrivateHosts: ['private.test'],
})
await ask('metadata, its name and range listed', 'http://metadata.test/g.jpg', {
  allowedPrivateHosts: ['metadata.test', '169.254.0.0/16'],
})

console.log(JSON.stringify({ outcomes, requests, asked, addresses: { PUBLIC, PRIVATE, METADATA } }))
process.exit(0)
