// Runs an installed unsharp where nothing helps it: on an emulated CPU that has what every x86-64 has and no more, and in a
// Debian without compilers, Node or anything else that was not in its first minute.
//
//   node scripts/release/elsewhere.mjs FOLDER      the folder has smoke.mjs, and unsharp in its node_modules
import { cpSync, existsSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { attempt, has, root, stop } from '../shell.mjs'
import { installTools } from './ways.mjs'

/** Runs a program whose failure is an error, not the end of the process. */
function run(words, options) {
  if (!attempt(words, options)) throw new Error(`failed: ${words.join(' ')}`)
}

/** What came with later CPUs than the first of the architecture, by the names that qemu gives it. */
const OLD_CPU = 'qemu64,-ssse3,-sse4.1,-sse4.2,-popcnt,-avx,-avx2,-fma,-bmi1,-bmi2'

/** The oldest Debian whose packages are still where debootstrap looks for them. */
const RELEASE = 'bullseye'

/** @param {string} folder @returns {string} why it was not tried; empty when it was */
export function onOldCpu(folder) {
  if (process.arch !== 'x64' || process.platform !== 'linux') return 'only for Linux on x64'
  if (!has('qemu-x86_64')) return 'needs qemu-x86_64: sudo apt-get install qemu-user'
  run(['qemu-x86_64', '-cpu', OLD_CPU, process.execPath, 'smoke.mjs'], { cwd: folder })
  return ''
}

/** A root folder with Debian's smallest system, made once. */
function bareRoot() {
  const folder = path.join(root, 'target/bare', RELEASE)
  if (existsSync(folder)) return folder
  const fresh = `${folder}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  run(['debootstrap', '--variant=minbase', RELEASE, fresh])
  renameSync(fresh, folder)
  return folder
}

/** @param {string} folder @returns {string} why it was not tried; empty when it was */
export function inBareDebian(folder) {
  if (process.platform !== 'linux') return 'only for Linux'
  if (process.getuid() !== 0 || !has('debootstrap'))
    return 'needs root and debootstrap: sudo apt-get install debootstrap'
  const place = bareRoot()
  const app = path.join(place, 'app')
  rmSync(app, { recursive: true, force: true })
  cpSync(folder, app, { recursive: true, dereference: true })
  const [node] = installTools()['Node 20']
  cpSync(realpathSync(node), path.join(app, 'node'))
  try {
    const script =
      'for tool in cc gcc make python3 npm; do ! command -v $tool || exit 1; done; cd /app && exec ./node smoke.mjs'
    run(['chroot', place, '/bin/sh', '-c', script])
  } finally {
    rmSync(app, { recursive: true })
  }
  return ''
}

if (import.meta.filename === process.argv[1]) {
  const folder = path.resolve(process.argv[2] ?? stop('Which folder has the app?'))
  for (const [name, place] of Object.entries({ 'old CPU': onOldCpu, 'bare Debian': inBareDebian })) {
    const reason = place(folder)
    console.log(reason ? `${name}: not tried, ${reason}` : `${name}: ok`)
  }
}
