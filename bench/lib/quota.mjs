// CPU quotas, as a container has them: a cgroup of our own that everything in it shares.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = '/sys/fs/cgroup'
/** The kernel's own default, and what Kubernetes uses. */
const PERIOD_US = 100_000

let made = 0
/** What {@link comeFirst} asked for, in the groups made after it. */
let first = false

/**
 * A cgroup of its own.
 *
 * @param {{ quota?: number }} limits as many CPUs' worth of time as it may use, also a fraction; default no limit
 * @returns {{ join(): void, wrap(command: string[]): string[], remove(): void }} `wrap` starts a command
 *   inside of it
 * @throws {Error} where this process may not make one
 */
export function cpuGroup({ quota }) {
  made += 1
  const name = `unsharp-bench-${process.pid}-${made}`
  const unified = existsSync(path.join(ROOT, 'cgroup.controllers'))
  const folder = unified ? path.join(ROOT, name) : path.join(ROOT, 'cpu', name)
  const settings = unified ? unifiedSettings(quota) : olderSettings(quota)
  const members = path.join(folder, 'cgroup.procs')
  const remove = () => {
    try {
      rmdirSync(folder)
    } catch {
      // Something in it has not ended yet. An empty group costs nothing.
    }
  }
  try {
    if (unified) writeFileSync(path.join(ROOT, 'cgroup.subtree_control'), '+cpu')
    mkdirSync(folder)
    for (const [file, value] of settings) writeFileSync(path.join(folder, file), String(value))
  } catch (error) {
    remove()
    throw new Error(`no cgroup can be made here: ${error.message}`)
  }
  return {
    /** Takes this process in until it exits. */
    join() {
      writeFileSync(members, String(process.pid))
      process.once('exit', () => {
        writeFileSync(path.join(path.dirname(folder), 'cgroup.procs'), String(process.pid))
        remove()
      })
    },
    wrap: (command) => ['sh', '-c', 'echo $$ > "$0" && exec "$@"', members, ...command],
    remove,
  }
}

/** cgroup v2. */
function unifiedSettings(quota) {
  const settings = []
  if (quota !== undefined) settings.push(['cpu.max', `${Math.round(quota * PERIOD_US)} ${PERIOD_US}`])
  if (first) settings.push(['cpu.weight', 10_000])
  return settings
}

/** cgroup v1. */
function olderSettings(quota) {
  const settings = []
  if (quota !== undefined) {
    settings.push(['cpu.cfs_period_us', PERIOD_US], ['cpu.cfs_quota_us', Math.round(quota * PERIOD_US)])
  }
  if (first) settings.push(['cpu.shares', 262_144])
  return settings
}

/**
 * Lets this process and all that it starts come before whatever else runs on the machine, for measuring beside other
 * work. It takes turns with nothing then, but still shares caches and memory.
 *
 * @throws {Error} where this process may not make a cgroup
 */
export function comeFirst() {
  first = true
  cpuGroup({}).join()
}

/** Why no quota can be set, or null where one can. */
export function quotaRefused() {
  try {
    cpuGroup({ quota: 1 }).remove()
    return null
  } catch (error) {
    return error.message
  }
}
