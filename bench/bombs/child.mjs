// One bomb in a process of its own: what comes of it, how long it takes, how far the memory grows.
import { readFile } from 'node:fs/promises'
import { watchMemory } from '../lib/memory.mjs'

const [entry, bomb, plain, options] = process.argv.slice(2)
const { metadata, optimize } = await import(entry)
const [input, normal] = await Promise.all([readFile(bomb), readFile(plain)])

const timed = async (work) => {
  const before = performance.now()
  const outcome = await work().then(
    ({ data, outcome }) => `${outcome}, ${data.length} bytes`,
    (error) => error.code ?? String(error),
  )
  return { outcome, ms: performance.now() - before }
}
const ordinary = () => optimize(normal, { width: 640, format: 'webp' })

for (let warm = 0; warm < 3; warm++) await timed(ordinary)
const before = Math.min(...(await several(5)))
const memory = watchMemory()
const cpuBefore = process.cpuUsage()
const header = await timed(() => metadata(input).then(() => ({ data: '', outcome: 'read' })))
const { outcome, ms } = await timed(() => optimize(input, JSON.parse(options)))
const cpu = process.cpuUsage(cpuBefore)
const growthBytes = memory.growthBytes()
const after = Math.min(...(await several(5)))
process.send({ outcome, ms, headerMs: header.ms, cpuMs: (cpu.user + cpu.system) / 1000, growthBytes, before, after })

async function several(times) {
  const found = []
  for (let at = 0; at < times; at++) found.push((await timed(ordinary)).ms)
  return found
}
