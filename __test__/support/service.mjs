// Starts the service in a process of its own, as `npx unsharp serve` does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { allow, imagePath, send, startUpstream, tempFolder, WEBP } from './app.mjs'

export const CLI = path.resolve(import.meta.dirname, '../../lib/cli.js')

/** The environment without what would configure a service. */
export const cleanEnv = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(UNSHARP_|STORAGE_|IMAGE_CACHE_)/.test(name)))

/**
 * Starts a service and stops it after the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} [options]
 * @param {string[]} [options.flags]
 * @param {Record<string, string>} [options.env]
 * @param {object} [options.file] what the JSON file of `--config` holds
 * @param {string} [options.folder] where that file is written; needed with `file`
 * @param {string[]} [options.wrapper] a command that becomes the one it is given
 */
export async function startService(t, { flags = [], env = {}, file, folder, wrapper = [] } = {}) {
  if (file) {
    writeFileSync(path.join(folder, 'service.json'), JSON.stringify(file))
    flags = ['--config', path.join(folder, 'service.json'), ...flags]
  }
  const command = [...wrapper, process.execPath, CLI, 'serve', '--host', '127.0.0.1', '--port', '0', ...flags]
  const child = spawn(command[0], command.slice(1), {
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (output.out += chunk))
  child.stderr.on('data', (chunk) => (output.err += chunk))
  const exited = once(child, 'exit')
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  const port = await Promise.race([
    new Promise((resolve) => {
      child.stderr.on('data', () => {
        const found = /listening on http:\/\/[^\s]+:(\d+)\n/.exec(output.err)
        if (found) resolve(Number(found[1]))
      })
    }),
    exited.then(([code]) => {
      throw new Error(`the service ended with ${code} before it listened:\n${output.err}`)
    }),
  ])
  const get = (target, headers = {}, options = {}) => send({ port, path: target, headers, ...options })
  return {
    ...{ port, child, output, exited, get, origin: `http://127.0.0.1:${port}` },
    image: (query, { accept = WEBP, headers = {}, ...options } = {}) =>
      send({ port, path: imagePath(query), headers: { accept, ...headers }, ...options }),
    /** The value of one line of /metrics; 0 when there is none. */
    metric: async (line) => {
      const { text } = await get('/metrics')
      const found = text.split('\n').find((each) => each.startsWith(`${line} `))
      return found ? Number(found.slice(line.length + 1)) : 0
    },
  }
}

/** Runs the command until it ends by itself. */
export async function runService(flags, env = {}) {
  const child = spawn(process.execPath, [CLI, 'serve', ...flags], {
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (output.out += chunk))
  child.stderr.on('data', (chunk) => (output.err += chunk))
  const [code] = await once(child, 'close')
  return { code, ...output }
}

/** A promise to be resolved from outside. */
export function gate() {
  let open
  const opened = new Promise((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** A service whose relative urls come from an upstream that answers so. */
export async function serviceOver(t, answer, { flags = [], images = {}, ...more } = {}) {
  const upstream = await startUpstream(t, answer)
  const file = { fallback: upstream.origin, images: allow(upstream, images) }
  const service = await startService(t, { file, folder: tempFolder(t), flags, ...more })
  return { service, upstream }
}
