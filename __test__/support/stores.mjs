// Servers of object storage that the tests run against: real ones where a registry has one, and a stub for GCS. Each has
// an empty bucket `unsharp` and listens on a free port of the loopback interface.
//
//   node stores.mjs COMMAND...      runs a command with their addresses in its environment
import { execFileSync, spawn } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { installModules, installPython } from '../../scripts/setup.mjs'
import { attempt, root, run } from '../../scripts/shell.mjs'
import { canConnect, freePort } from './ports.mjs'

const SOURCES = path.resolve(import.meta.dirname, '../stores')

/** What every S3 server here takes. */
export const S3_KEYS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'testtest' }
/** Azurite's account, which its documentation publishes. */
export const AZURE_ACCOUNT = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
}

/** By the variable that tells its address: what to install, what to run, how to make the bucket. */
const SERVERS = {
  UNSHARP_TEST_S3_MOTO: {
    tools: python,
    command: (venv, port) => [path.join(venv, 'bin/moto_server'), '-H', '127.0.0.1', '-p', port],
    makeBucket: (url) => asked(fetch(`${url}/unsharp`, { method: 'PUT' })),
  },
  UNSHARP_TEST_S3_RCLONE: {
    tools: python,
    command: (venv, port, folder) => {
      const flags = ['--vfs-cache-mode', 'off', '--dir-cache-time', '1s', '--config', '/dev/null']
      const keys = `${S3_KEYS.AWS_ACCESS_KEY_ID},${S3_KEYS.AWS_SECRET_ACCESS_KEY}`
      const serve = ['serve', 's3', folder, '--addr', `127.0.0.1:${port}`, '--auth-key', keys]
      return [path.join(venv, 'bin/rclone'), ...serve, ...flags]
    },
    makeBucket: (_, folder) => mkdirSync(path.join(folder, 'unsharp')),
  },
  UNSHARP_TEST_AZURE: {
    tools: azurite,
    command: (modules, port) => {
      const flags = ['--inMemoryPersistence', '--silent', '--skipApiVersionCheck', '--disableTelemetry']
      const blob = path.join(modules, 'azurite/dist/src/blob/main.js')
      return [process.execPath, blob, ...flags, '--blobHost', '127.0.0.1', '--blobPort', port]
    },
    makeBucket: makeAzureContainer,
  },
  UNSHARP_TEST_GCS: {
    tools: () => '',
    command: (_, port) => [process.execPath, path.join(import.meta.dirname, 'object-stub.mjs'), port],
    makeBucket: () => {},
  },
}

/**
 * Starts the servers that the environment does not name already.
 *
 * @param {string[]} [wanted] by variable; default: all
 * @returns {Promise<{ addresses: Record<string, string>, stop: () => Promise<void> }>} a variable is missing in
 *   `addresses` where its server can't be had; a line has said so
 */
export async function startStores(wanted = Object.keys(SERVERS)) {
  const given = wanted.filter((name) => process.env[name])
  const addresses = Object.fromEntries(given.map((name) => [name, process.env[name]]))
  const tools = new Map()
  const installed = wanted.filter((name) => {
    if (given.includes(name)) return false
    const { tools: install } = SERVERS[name]
    if (!tools.has(install)) tools.set(install, install())
    return tools.get(install) !== undefined
  })
  const started = await Promise.allSettled(installed.map((name) => startServer(name, tools.get(SERVERS[name].tools))))
  const running = started.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)
  const stop = async () => {
    for (const { end } of running) await end()
  }
  const failed = started.find(({ status }) => status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }
  for (const { name, url } of running) addresses[name] = url
  return { addresses, stop }
}

async function startServer(name, tools) {
  const { command, makeBucket } = SERVERS[name]
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-store-'))
  const port = await freePort()
  // The server lives as long as the pipe into its shell is open, so it ends with this process in whatever way that
  // does, and its folder goes with it.
  const script = 'trap "" INT; "$@" & cat >/dev/null; kill $!; wait $!; rm -rf "$0"'
  // Into a file: a pipe fills up, and then the server stands still, while this process waits for a program in it.
  const logFile = path.join(folder, '.log')
  const log = openSync(logFile, 'w')
  const child = spawn('sh', ['-c', script, folder, ...command(tools, String(port), folder)], {
    cwd: folder,
    stdio: ['pipe', log, log],
  })
  closeSync(log)
  child.stdin.on('error', () => {})
  const exited = once(child, 'exit')
  const end = async () => {
    child.ref()
    child.stdin.end()
    await exited
  }
  const url = `http://127.0.0.1:${port}`
  try {
    // 3000 attempts of 20 ms are far more than the slowest of them takes to start.
    for (let attempt = 0; !(await canConnect(port)); attempt += 1) {
      if (attempt === 3000) throw new Error('does not listen')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await makeBucket(url, folder)
  } catch (cause) {
    const printed = readFileSync(logFile, 'utf8')
    await end()
    throw new Error(`${name}: the store did not start: ${cause.message}\n${printed}`)
  }
  // A waiting child must not keep a finished test alive.
  child.unref()
  child.stdin.unref()
  return { name, url, end }
}

/** A folder under target/ for what `describe` describes, filled by `install` once. */
function installedOnce(kind, describe, install) {
  const hash = createHash('sha256').update(describe).digest('hex').slice(0, 12)
  const folder = path.join(root, `target/test-stores/${kind}-${hash}`)
  const mark = path.join(folder, '.complete')
  if (!existsSync(mark)) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    install(folder)
    writeFileSync(mark, '')
  }
  return folder
}

/** moto and rclone in a venv. */
function python() {
  const missing = installPython()
  if (missing) {
    console.log(`Not tested against S3 servers: ${missing}`)
    return undefined
  }
  const requirements = path.join(SOURCES, 'requirements.txt')
  const version = execFileSync('python3', ['--version'], { encoding: 'utf8' })
  return installedOnce('python', version + readFileSync(requirements), (folder) => {
    run(['python3', '-m', 'venv', folder])
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input']
    run([path.join(folder, 'bin/python'), '-m', 'pip', 'install', ...quiet, '-r', requirements])
  })
}

/** Azurite's node_modules. */
function azurite() {
  installModules(SOURCES)
  return path.join(SOURCES, 'node_modules')
}

async function makeAzureContainer(url) {
  const { name, key } = AZURE_ACCOUNT
  const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2023-11-03' }
  const canonical = Object.entries(headers).map(([header, value]) => `${header}:${value}\n`)
  // The account twice: once as itself and once because an emulator has it in its paths.
  const standardHeaders = '\n'.repeat(11)
  const signed = `PUT\n${standardHeaders}${canonical.join('')}/${name}/${name}/unsharp\nrestype:container`
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64')
  const authorization = `SharedKey ${name}:${signature}`
  await asked(
    fetch(`${url}/${name}/unsharp?restype=container`, { method: 'PUT', headers: { ...headers, authorization } }),
  )
}

async function asked(request) {
  const answer = await request
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { addresses, stop } = await startStores()
  const succeeded = attempt(process.argv.slice(2), { cwd: process.cwd(), env: addresses })
  await stop()
  process.exitCode = succeeded ? 0 : 1
}
