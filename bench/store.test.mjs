// What the store benchmark promises: every row is there, and a wrong option is one line. Nothing here is about speed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const STORE = fileURLToPath(new URL('./store.mjs', import.meta.url))

async function bench(...args) {
  const child = spawn(process.execPath, [STORE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) child[stream].on('data', (data) => (printed[stream] += data))
  const [code] = await once(child, 'close')
  return { code, ...printed }
}

test('a run prints every row', async () => {
  const small = ['--count', '20', '--bytes', '2000', '--round-trip', '1', '--rounds', '1']
  const { code, stdout, stderr } = await bench(...small)
  assert.equal(code, 0, stderr)
  for (const row of [
    /^store: S3 in memory .* round trip 1 ms/m,
    /^medium: (tmpfs|disk) /m,
    /^restore of 20 × 2 KB, from the listing {2,}\S+ s {2}(met|MISSED) \(goal: 3 s\)$/m,
    /^restore of 20 × 2 KB, from the manifest {2,}\S+ s/m,
    /^ {2}growth of memory at most {2,}\S+ MiB/m,
    /one by one with a HEAD each \(reckoned from 20\) {2,}\S+ s$/m,
    /^first hit in the bucket that the manifest names, of a process that listens for a second {2,}\S+ ms/m,
    /^ {2}more than idle by {2,}\S+ ms/m,
    /^ready with a bucket that never answers after {2,}\S+ ms$/m,
  ]) {
    assert.match(stdout, row)
  }
})

test('a wrong option is one line', async () => {
  assert.deepEqual(await bench('--count', '0'), {
    code: 1,
    stdout: '',
    stderr: '--count: "0" is not a whole number from 1 to 100000\n',
  })
  const unknown = await bench('--no-such-option')
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /^Unknown option '--no-such-option'.*\n$/)
})
