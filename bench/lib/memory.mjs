// How far a process's memory grows.
import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Watches this process's memory from now on. Linux can forget the high-water mark (clear_refs 5). Elsewhere it covers
 * the process's whole life, and in a fresh process that is nearly the same.
 */
export function watchMemory() {
  if (process.platform === 'linux') {
    writeFileSync('/proc/self/clear_refs', '5')
    const before = statusBytes('VmRSS')
    return { growthBytes: () => statusBytes('VmHWM') - before }
  }
  const before = process.memoryUsage.rss()
  return { growthBytes: () => process.resourceUsage().maxRSS * 1024 - before }
}

/** The resident set of this process, bytes. */
export function residentBytes() {
  return process.platform === 'linux' ? statusBytes('VmRSS') : process.memoryUsage.rss()
}

function statusBytes(field) {
  const line = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm'))
  return Number(line[1]) * 1024
}
