// A disk that fills up and can't be written for a while.
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../../__test__/support/app.mjs'
import { folderFor } from './server.mjs'

const TMPFS_BYTES = 16 << 20

/**
 * @typedef {object} Volume
 * @property {string} kind for people
 * @property {string} folder
 * @property {string[]} [wrapper] a command that the process that uses it is started through
 * @property {(pid: number) => void} fill
 * @property {(pid: number) => void} empty undoes it
 * @property {() => Promise<void>} lock makes it read-only
 * @property {() => Promise<void>} unlock undoes it
 */

/** A small disk in memory where mounting is permitted, else limits that have the same errors come of writes. */
export function createVolume(t) {
  return mounted(t) ?? limited(t)
}

/** @returns {Volume | undefined} */
function mounted(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-chaos-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const options = (more) => ['-t', 'tmpfs', '-o', `size=${TMPFS_BYTES}${more}`, 'unsharp-chaos', folder]
  if (process.platform !== 'linux' || spawnSync('mount', options('')).status !== 0) {
    remove()
    return undefined
  }
  t.after(() => {
    execFileSync('umount', ['-l', folder])
    remove()
  })
  const filler = path.join(folder, 'filler')
  // While a file is open for writing the system refuses.
  const remount = (more) =>
    until(
      () => spawnSync('mount', [...options(more).with(3, `remount,size=${TMPFS_BYTES}${more}`)]).status,
      (status) => status === 0,
    )
  return {
    kind: `a disk of ${TMPFS_BYTES >> 20} MiB`,
    folder,
    fill: () => {
      const file = openSync(filler, 'w')
      try {
        // In ever smaller pieces, until there is no room for a single byte.
        for (let size = 1 << 20; size >= 1; size >>= 1) writeUntilFull(file, Buffer.alloc(size))
      } finally {
        closeSync(file)
      }
    },
    empty: () => rmSync(filler),
    lock: () => remount(',ro'),
    unlock: () => remount(',rw'),
  }
}

function writeUntilFull(file, piece) {
  try {
    while (writeSync(file, piece) === piece.length);
  } catch (cause) {
    if (cause.code !== 'ENOSPC') throw cause
  }
}

/** @returns {Volume} */
function limited(t) {
  const folder = folderFor(t)
  const temporary = path.join(folder, 'images/.unsharp-tmp')
  const limit = (value) => (pid) => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${value}:unlimited`])
  return {
    kind: 'a limit on the size of files, and a file in the way of the folder for temporary files, since nothing can be mounted here',
    folder,
    // The signal that goes with the limit is ignored, as a disk that is full sends none.
    wrapper: ['sh', '-c', 'trap "" XFSZ; exec "$@"', 'sh'],
    fill: limit('0'),
    empty: limit('unlimited'),
    lock: async () => {
      mkdirSync(temporary, { recursive: true })
      renameSync(temporary, `${folder}/aside`)
      writeFileSync(temporary, '')
    },
    unlock: async () => {
      rmSync(temporary)
      renameSync(`${folder}/aside`, temporary)
    },
  }
}
