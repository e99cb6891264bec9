// A clock that can be set while the processes that read it run: libfaketime, from the environment, from the system, or from
// Debian's package, unpacked beside the modules and not installed.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/shell.mjs'
import { folderFor } from './server.mjs'

const HOME = path.join(root, 'node_modules/.cache/unsharp-servers/faketime')

/** @returns {string | undefined} the path of the library; a line says why there is none */
export function findLibrary() {
  if (process.env.UNSHARP_TEST_FAKETIME) return process.env.UNSHARP_TEST_FAKETIME
  try {
    return inFolder('/usr/lib') ?? inFolder(path.join(HOME, 'usr/lib')) ?? download()
  } catch (cause) {
    console.log(`skipped: the clock that jumps, since libfaketime can't be had here (${cause.message.split('\n')[0]})`)
    return undefined
  }
}

/** As Debian lays it out: `<triplet>/faketime/libfaketimeMT.so.1`. */
function inFolder(folder) {
  if (!existsSync(folder)) return undefined
  const places = readdirSync(folder).map((name) => path.join(folder, name, 'faketime/libfaketimeMT.so.1'))
  return places.find((file) => existsSync(file))
}

function download() {
  mkdirSync(path.dirname(HOME), { recursive: true })
  const folder = mkdtempSync(path.join(path.dirname(HOME), 'unpack-'))
  const quiet = { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  try {
    execFileSync('apt-get', ['download', '-qq', 'libfaketime'], quiet)
    for (const file of readdirSync(folder)) execFileSync('dpkg-deb', ['-x', file, '.'], quiet)
    rmSync(HOME, { recursive: true, force: true })
    renameSync(folder, HOME)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const library = inFolder(path.join(HOME, 'usr/lib'))
  if (!library) throw new Error('the package holds no library')
  return library
}

/**
 * A clock that goes right at first.
 *
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {string} library
 */
export function createClock(t, library) {
  const file = path.join(folderFor(t), 'clock')
  const shift = (days) => {
    // In one step: whoever reads meanwhile has the old one.
    writeFileSync(`${file}.new`, `${days < 0 ? '-' : '+'}${Math.abs(days)}d\n`)
    renameSync(`${file}.new`, file)
  }
  shift(0)
  return {
    shift,
    /** The environment of a process that goes by it. Time that only measures how long something takes is left alone. */
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
  }
}
