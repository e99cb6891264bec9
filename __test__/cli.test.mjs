// The command `unsharp`, with buckets in folders: what it does, prints, and exits with.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { bucketAndCache, environment, keyOf, variantsIn, writeVariant } from './support/variants.mjs'

const root = path.resolve(import.meta.dirname, '..')
const { bin, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const CLI = path.join(root, bin.unsharp)

/** @param {string[]} args */
function unsharp(args, { env = {}, cwd = root } = {}) {
  return spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', env: environment(env), cwd })
}

test('restore brings the variants and says how many', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const files = [1, 2, 3].map((n) => writeVariant(bucket, n))
  const { status, stdout, stderr } = unsharp(['restore', '--store', store, '--dir', dir])
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^restored 3 variants \(0\.0 kB\) in \d+\.\d s; 0 were there already, 0 failed\n$/)
  assert.deepEqual(variantsIn(dir), files.sort())
})

test('restore takes the bucket and the folder from the environment, and prints JSON', (t) => {
  const { folder, bucket, store, dir } = bucketAndCache(t)
  writeVariant(bucket, 1)
  const env = { UNSHARP_STORE: store, IMAGE_CACHE_DIR: dir }
  const { ms, ...report } = JSON.parse(unsharp(['restore', '--json'], { env, cwd: folder }).stdout)
  assert.deepEqual(report, { restored: 1, skipped: 0, failed: 0, bytes: 6 })
  assert.ok(Number.isInteger(ms))
})

test('a limit that was asked for is no failure', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  for (let n = 0; n < 5; n++) writeVariant(bucket, n, { body: String(n).repeat(1000) })
  const bytes = unsharp(['restore', '--store', store, '--dir', dir, '--max-bytes', '2kB', '--concurrency', '1'])
  assert.equal(bytes.status, 0, bytes.stderr)
  assert.match(bytes.stdout, /^restored 2 variants .*stopped at the limit of bytes\n$/)
  const time = unsharp(['restore', '--store', store, '--dir', dir, '--deadline', '0ms'])
  assert.equal(time.status, 0, time.stderr)
  assert.match(time.stdout, /stopped at the deadline\n$/)
})

test('a folder that can not be written fails, unless the restore is optional', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  for (let n = 0; n < 10; n++) writeVariant(bucket, n)
  writeFileSync(dir, 'not a folder')
  const args = ['restore', '--store', store, '--dir', dir]
  const { status, stdout } = unsharp(args)
  assert.equal(status, 1)
  assert.match(stdout, /stopped, because the folder can not be written/)
  assert.equal(unsharp([...args, '--optional']).status, 0)
})

test('push brings what the bucket lacks, and only that', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  const files = [1, 2, 3].map((n) => writeVariant(dir, n))
  const first = unsharp(['push', '--store', store, '--dir', dir])
  assert.equal(first.status, 0, first.stderr)
  assert.match(first.stdout, /^pushed 3 variants \(0\.0 kB\) in \d+\.\d s; 0 failed\n$/)
  assert.deepEqual(variantsIn(bucket), files.sort())
  const { ms, ...report } = JSON.parse(unsharp(['push', '--store', store, '--dir', dir, '--json']).stdout)
  assert.deepEqual(report, { pushed: 0, failed: 0, left: 0, bytes: 0 })
  assert.ok(Number.isInteger(ms))
})

test('ls lists what is there, as lines and as JSON', (t) => {
  const { bucket, store } = bucketAndCache(t)
  const expiresAtMs = Date.UTC(2100, 0, 1)
  writeVariant(bucket, 1, { expiresAtMs })
  writeVariant(bucket, 2, { expiresAtMs: 0 })
  const { status, stdout, stderr } = unsharp(['ls', '--store', store])
  assert.equal(status, 0, stderr)
  assert.equal(stderr, '2 variants, 0.0 kB\n')
  const lines = stdout.trimEnd().split('\n').sort()
  assert.equal(lines.length, 2)
  const fresh = lines.find((line) => line.startsWith(keyOf(1)))
  assert.match(fresh, / webp +6 .* fresh until 2100-01-01T00:00:00\.000Z$/)
  const stale = lines.find((line) => line.startsWith(keyOf(2)))
  assert.match(stale, / stale since 1970-01-01T00:00:00\.000Z$/)

  const json = unsharp(['ls', '--store', store, '--json'])
  assert.equal(json.stderr, '')
  const variants = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const { modifiedAtMs, etag, ...variant } = variants.find(({ key }) => key === keyOf(1))
  assert.deepEqual(variant, { key: keyOf(1), extension: 'webp', bytes: 6, maxAgeSecs: 3600, expiresAtMs })
  assert.equal(etag.length, 43)
  assert.ok(modifiedAtMs > 0)
})

test('a reader that has seen enough is no failure', async (t) => {
  const { bucket, store } = bucketAndCache(t)
  for (let n = 0; n < 2000; n++) writeVariant(bucket, n)
  const child = spawn(process.execPath, [CLI, 'ls', '--store', store], { env: environment() })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.doesNotMatch(stderr, /EPIPE/)
})

test('without a bucket every command does nothing, and says so', (t) => {
  const { dir } = bucketAndCache(t)
  for (const args of [['restore', '--dir', dir], ['push', '--dir', dir], ['ls']]) {
    const { status, stderr } = unsharp(args)
    assert.equal(status, 0, args[0])
    assert.match(stderr, /no bucket is configured/, args[0])
  }
})

test('help and version are printed', () => {
  for (const args of [['--help'], ['-h'], ['restore', '--help'], ['push', '-h'], ['ls', '--help']]) {
    const { status, stdout } = unsharp(args)
    assert.equal(status, 0)
    assert.ok(stdout.startsWith(`unsharp${args.length === 2 ? ` ${args[0]}` : ''}: `), stdout)
  }
  assert.equal(unsharp(['--version']).stdout, `${version}\n`)
  assert.equal(unsharp(['restore', '-v']).stdout, `${version}\n`)
})

test('a wrong command line stops with one clear line', () => {
  const cases = [
    [[], 'a command is missing'],
    [['restart'], 'there is no command "restart"'],
    [['unsharp'], 'there is no command "unsharp"'],
    [['toString'], 'there is no command "toString"'],
    [['restore', 'now'], '"now" is one argument too many'],
    [['restore', '--bucket', 'x'], "Unknown option '--bucket'"],
    [['restore', '--dir'], "Option '--dir <value>' argument missing"],
    [['restore', '--json=yes'], "Option '--json' does not take an argument"],
    [['restore', '--dir', ''], '--dir is empty'],
    [['ls', '--dir', 'x'], 'unsharp ls has no --dir'],
    [['push', '--max-bytes', '1'], 'unsharp push has no --max-bytes'],
    [['--json'], '--json needs a command'],
    [['restore', '--concurrency', '0'], '--concurrency must be a number from 1 to 1024, not 0'],
    [['restore', '--concurrency', '1e3'], '--concurrency must be a number from 1 to 1024, not 1e3'],
    [['restore', '--max-bytes', '1TB'], '--max-bytes must be a size such as 500000000, 500MB or 512Mi, not 1TB'],
    [['restore', '--max-bytes', '9999999999999999'], '--max-bytes must be a size'],
    [['restore', '--deadline', 'soon'], '--deadline must be a time such as 30, 30s, 500ms or 2m, not soon'],
    [['restore', '--deadline', '-1'], '--deadline'],
    [['restore', '--store', 'ftp://x'], 'store'],
    [['ls', '--store', 's3://key:secret@bucket'], 'credentials'],
  ]
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = unsharp(args)
    assert.equal(status, 2, `${args.join(' ')}: ${stderr}`)
    assert.equal(stdout, '')
    assert.ok(stderr.startsWith('unsharp: ') && stderr.includes(message), `${args.join(' ')}: ${stderr}`)
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
    assert.doesNotMatch(stderr, /secret/)
  }
})

test('sizes and times are read as people write them', (t) => {
  const { bucket, store, dir } = bucketAndCache(t)
  writeVariant(bucket, 1, { body: 'x'.repeat(1100) })
  for (const [size, restored] of [
    ['1100', 1],
    ['1k', 0],
    ['1.1kB', 1],
    ['1Ki', 0],
    ['1.5KiB', 1],
    ['1Mi', 1],
    ['1gb', 1],
  ]) {
    const to = path.join(dir, size)
    const args = ['restore', '--store', store, '--dir', to, '--max-bytes', size, '--deadline', '2m', '--json']
    assert.equal(JSON.parse(unsharp(args).stdout).restored, restored, size)
  }
})
