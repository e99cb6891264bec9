// One peer in a process of its own, so that its CPU time and its peak memory are its own.

import { readFile, writeFile } from 'node:fs/promises'
import { watchMemory } from './memory.mjs'
import { loadPeer } from './peers.mjs'

const [name, entry] = process.argv.slice(2)
let held = { file: '', bytes: Buffer.alloc(0) }
let optimize

process.on('disconnect', () => process.exit())
process.on('message', async ({ id, request }) => {
  try {
    process.send({ id, result: await measure(request) })
  } catch (error) {
    process.send({ id, error: error?.message ?? String(error) })
  }
})
try {
  optimize = loadPeer(name, entry)
  process.send({ ready: true })
} catch (error) {
  process.send({ ready: false, error: error.message.split('\n')[0] })
}

/**
 * Runs a job `times` times, `inflight` at once, and says what that took per image. `warm` is a request of
 * the same kind that runs first and is not counted. `output` names a file for the last answer.
 */
async function measure({ input, job, times = 1, inflight = 1, warm, output }) {
  if (warm) await run(await readFile(warm.input), warm.job, inflight, inflight)
  // The input stays in memory from one request to the next: reading files is not what is measured.
  if (held.file !== input) held = { file: input, bytes: await readFile(input) }
  globalThis.gc()
  const memory = watchMemory()
  const cpuBefore = process.cpuUsage()
  const before = performance.now()
  const { data, latenciesMs } = await run(held.bytes, job, times, inflight)
  const elapsedMs = performance.now() - before
  const cpu = process.cpuUsage(cpuBefore)
  const rssGrowthBytes = memory.growthBytes()
  if (output) await writeFile(output, data)
  return {
    cpuMs: (cpu.user + cpu.system) / 1000 / times,
    wallMs: elapsedMs / times,
    imagesPerSecond: (times / elapsedMs) * 1000,
    latenciesMs,
    rssGrowthBytes,
    bytes: data.length,
  }
}

async function run(input, job, times, inflight) {
  const latenciesMs = []
  let started = 0
  let data
  async function lane() {
    try {
      while (started < times) {
        started += 1
        const before = performance.now()
        data = await optimize(input, job)
        latenciesMs.push(performance.now() - before)
      }
    } catch (error) {
      started = times
      throw error
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(inflight, times) }, lane))
  const failed = lanes.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
  return { data, latenciesMs }
}
