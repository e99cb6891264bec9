// What a process takes, as Linux tells.
import { readdirSync, readFileSync } from 'node:fs'

/** @returns {{ rssBytes: number, files: number, threads: number }} */
export function factsOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1])
  return { rssBytes: number('VmRSS') * 1024, files: readdirSync(`/proc/${pid}/fd`).length, threads: number('Threads') }
}
