// Running other programs, for the scripts beside this file.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** The root of the repository. */
export const root = path.resolve(import.meta.dirname, '..')

/** Ends the script with one line and no stack: what went wrong is not in the script. */
export function stop(message) {
  console.error(`\n${message}`)
  process.exit(1)
}

/** Whether a program of this name is on PATH. */
export function has(program) {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, process.platform === 'win32' ? `${program}.exe` : program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/**
 * Runs a program with its output on ours and returns whether it succeeded.
 *
 * @param {string[]} command
 * @param {{ cwd?: string, env?: Record<string, string> }} [options] env is added to our own
 */
export function attempt([program, ...args], { cwd = root, env = {} } = {}) {
  console.log(`\n$ ${[program, ...args].join(' ')}${cwd === root ? '' : `   (in ${path.relative(root, cwd) || cwd})`}`)
  const { error, signal, status } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (error) console.error(error.code === 'ENOENT' ? `${program} is not installed.` : error.message)
  if (signal) console.error(`${program} was ended by ${signal}.`)
  return status === 0
}

/** The same, and a failure ends the script. */
export function run(command, options) {
  if (!attempt(command, options)) stop(`Failed: ${command.join(' ')}`)
}

/** A program that npm installed, by its path, so that no shell and no npx is needed. */
export function local(name) {
  return path.join(root, 'node_modules/.bin', name)
}
