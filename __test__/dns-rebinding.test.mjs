// The private-address guard as it is, between real addresses: in a network namespace of the test's own, with a name server whose
// answers change.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { cleanEnv } from './support/service.mjs'

const SCRIPT = path.join(import.meta.dirname, 'support/own-network.mjs')

/** Root's way, or that of a user who may become root in a namespace of users; undefined where neither is allowed. */
const unshare = [
  ['--net', '--mount'],
  ['--net', '--mount', '--user', '--map-root-user'],
].find(
  (flags) => spawnSync('unshare', [...flags, 'sh', '-c', 'ip link set lo up && mount --bind /etc /etc']).status === 0,
)

test('a name that is private, or turns private, is never asked for an image', {
  skip: !unshare && 'no namespaces here',
}, async () => {
  const { stdout } = await promisify(execFile)('unshare', [...unshare, process.execPath, SCRIPT], { env: cleanEnv() })
  const { outcomes, requests, asked, addresses } = JSON.parse(stdout)
  const refused = 'ERR_UNSHARP_NOT_ALLOWED'
  assert.deepEqual(outcomes, {
    public: 'image',
    private: refused,
    mixed: refused,
    'rebinding, first': 'image',
    'rebinding, then': refused,
    'redirect to a private name': refused,
    'redirect to a private address': refused,
    'private, listed': 'image',
    'private, its range listed': 'image',
    'redirect to one that is listed': refused,
    'metadata, its name and range listed': refused,
  })
  assert.deepEqual(requests[addresses.PRIVATE], ['private.test/d.jpg', 'private.test/e.jpg'])
  assert.deepEqual(requests[addresses.METADATA], [])
  assert.equal(requests[addresses.PUBLIC].filter((request) => request.startsWith('rebinding.test')).length, 1)
  assert.equal(asked['rebinding.test'], 2, 'once for each connection')
})
