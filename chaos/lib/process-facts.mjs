// What a process takes, as Linux tells.
import { readdirSync, readFileSync } from 'node:fs'

/** What the addon calls its threads that wait for files and the network (src/binding/mod.rs). */
const IO_THREAD = 'unsharp-io'

/** @returns {{ rssBytes: number, files: number, threads: number, ioThreads: number }} `ioThreads` are among `threads` */
export function factsOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1])
  return {
    rssBytes: number('VmRSS') * 1024,
    files: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
    ioThreads: threadNames(pid).filter((name) => name === IO_THREAD).length,
  }
}

function threadNames(pid) {
  return readdirSync(`/proc/${pid}/task`).map((id) => {
    try {
      return readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim()
    } catch {
      return '' // ended since its folder was listed
    }
  })
}
