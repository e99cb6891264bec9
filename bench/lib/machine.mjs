// What a run's numbers were measured on, and the files that they are written to.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { root } from '../../scripts/shell.mjs'

/** Where a run began, for {@link documentOf}. */
export function startRun() {
  return { at: new Date(), load: os.loadavg()[0] }
}

/**
 * What goes into a JSON file around the numbers of a run.
 *
 * @param {{ started: { at: Date, load: number }, options: object }} run and whatever it found
 */
export function documentOf({ started, options, ...found }) {
  const cpu = os.cpus()
  // Otherwise the report looks up host names for open sockets.
  process.report.excludeNetwork = true
  return {
    startedAt: started.at.toISOString(),
    seconds: Math.round((Date.now() - started.at.getTime()) / 1000),
    machine: {
      cpu: cpu[0]?.model,
      cores: cpu.length,
      usableCores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      platform: `${process.platform}-${process.arch}`,
      kernel: os.release(),
      glibc: process.report.getReport().header.glibcVersionRuntime,
      node: process.version,
      loadAtStart: started.load,
      loadAtEnd: os.loadavg()[0],
    },
    commit: commit(),
    // Folders of this machine say nothing about the run.
    options: Object.fromEntries(Object.entries(options).map(([name, value]) => [name, withoutFolder(value)])),
    ...found,
  }
}

function withoutFolder(value) {
  return typeof value === 'string' && value.includes(path.sep) ? path.basename(value) : value
}

/** One line on the machine, above a table. */
export function machineLine({ load }) {
  const cpu = os.cpus()
  return `${cpu.length} × ${cpu[0]?.model}, Node ${process.version}, load ${load.toFixed(1)} at the start`
}

/** Writes a document as JSON, or text as it is; folders on the way are made. */
export function writeResults(file, content) {
  const text = typeof content === 'string' ? content : `${JSON.stringify(content, rounded, 2)}\n`
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true })
  writeFileSync(file, text)
  process.stderr.write(`wrote ${file}\n`)
}

function rounded(key, value) {
  if (key === 'output') return undefined
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return null
  }
}
