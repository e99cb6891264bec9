// Makes sure that what the other scripts need is installed. Everything here does nothing when it is there already.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { attempt, has, root, run, stop } from './shell.mjs'

/** Programs and the Debian packages that each needs. Chromium alone has no fonts to write a page with. */
const PACKAGES = {
  cmake: ['cmake'],
  nasm: ['nasm'],
  patch: ['patch'],
  xz: ['xz-utils'],
  chromium: ['chromium', 'fonts-liberation'],
  python3: ['python3', 'python3-venv'],
}

/** The programs that make the assembly and the C encoder possible. Without them the addon is built in Rust alone. */
export const encoderTools = process.arch === 'x64' ? ['cmake', 'nasm', 'patch', 'xz'] : ['cmake', 'patch', 'xz']

/**
 * Installs missing programs with apt, where that is possible.
 *
 * @param {string[]} programs keys of PACKAGES
 * @returns {string[]} those that are missing still
 */
export function installTools(programs) {
  const missing = () => programs.filter((program) => !has(program))
  if (missing().length === 0) return []
  installPackages(missing().flatMap((program) => PACKAGES[program]))
  return missing()
}

function installPackages(packages) {
  if (!has('apt-get') || process.getuid?.() !== 0) return
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  if (attempt(['apt-get', 'update', '-qq'], { env })) {
    attempt(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages], { env })
  }
}

/** The one line that says how to get the missing programs. */
export function howToInstall(programs) {
  const packages = programs.flatMap((program) => PACKAGES[program]).join(' ')
  return `Missing: ${programs.join(', ')}. Install: sudo apt-get install ${packages} (or your system's packages of that name)`
}

/** Ends the script when Rust or a C compiler is missing: nothing can be built without them. */
export function requireCompilers() {
  if (!has('cargo')) stop('Missing: Rust. Install it from https://rustup.rs')
  if (!['cc', 'gcc', 'clang'].some(has)) stop('Missing: a C compiler. Install: sudo apt-get install build-essential')
}

/**
 * Makes sure that python can make venvs with pip in them, which Debian has in a package of its own.
 *
 * @returns {string} what is missing and how to get it; empty when nothing is
 */
export function installPython() {
  const works = () => has('python3') && spawnSync('python3', ['-c', 'import venv, ensurepip']).status === 0
  if (works()) return ''
  installPackages(PACKAGES.python3)
  return works() ? '' : howToInstall(['python3'])
}

/** `npm ci` in a folder, unless what is installed there is what its lock says. */
export function installModules(folder = root) {
  const installed = path.join(folder, 'node_modules/.package-lock.json')
  const lock = path.join(folder, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  run(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
}

/** Both from PyPI, where zig is packed for every system that one builds on. */
const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.0']

/**
 * zig and cargo-zigbuild, in a venv in the user's cache.
 *
 * @returns {{ bin: string, zig: string }} the folder to put on PATH, and zig itself
 */
export function installZig() {
  const name = ZIG.map((wanted) => wanted.split('==')[1]).join('-')
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'unsharp', `zig-${name}`)
  const bin = path.join(cache, 'bin')
  if (!existsSync(path.join(bin, 'cargo-zigbuild'))) {
    const missing = installPython()
    if (missing) stop(missing)
    run(['python3', '-m', 'venv', cache])
    run([path.join(bin, 'pip'), 'install', '--quiet', '--disable-pip-version-check', ...ZIG])
  }
  const where = 'import os, ziglang; print(os.path.dirname(ziglang.__file__))'
  const { stdout } = spawnSync(path.join(bin, 'python'), ['-c', where], { encoding: 'utf8' })
  return { bin, zig: path.join(stdout.trim(), 'zig') }
}

/**
 * A cargo subcommand, from PATH or built once into the user's cache; no registry has current prebuilt ones.
 *
 * @param {string} name of the crate and the program
 * @param {string} version
 * @returns {string} the folder to put on PATH, or an empty string when it is there already
 */
export function installCargoTool(name, version) {
  if (has(name)) return ''
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'unsharp', name)
  const bin = path.join(cache, 'bin')
  if (!existsSync(path.join(bin, name))) {
    mkdirSync(cache, { recursive: true })
    console.log(`${name} is built once, which takes a few minutes.`)
    run(['cargo', 'install', name, '--locked', '--version', version, '--root', cache])
  }
  return bin
}
