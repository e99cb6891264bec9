// A process that uses the store, for the store benchmark: one job and its measurements, then it ends.

import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { watchMemory } from './memory.mjs'

const { job, entry, ...options } = JSON.parse(process.argv[2])
const unsharp = createRequire(import.meta.url)(entry)

const jobs = {
  /** Restores everything and says how long that took and how far memory grew. */
  async restore({ store, dir }) {
    const memory = watchMemory()
    const before = performance.now()
    const report = await unsharp.cacheRestore({ store, dir })
    return { ms: performance.now() - before, rssGrowthBytes: memory.growthBytes(), report }
  },

  /** How late the event loop is, in the 99th percentile, with and without a restore beside it. */
  async delay({ store, dir }) {
    const idle = await delayDuring(() => new Promise((resolve) => setTimeout(resolve, 3000)))
    const restoring = await delayDuring(() => unsharp.cacheRestore({ store, dir }))
    return { idle, restoring }
  },

  /** Pushes what is in the folder, and with it the manifest. */
  async push({ store, dir }) {
    const watcher = await unsharp.cacheWatch({ store, dir })
    await watcher.flush(600_000)
    await watcher.stop(600_000)
  },

  /** Knext's way: for each file in turn, a look whether the bucket has it, then the file. */
  async oneByOne({ url, paths, dir }) {
    const { hostname, port } = new URL(url)
    const agent = new Agent({ keepAlive: true })
    const ask = async (method, object) => {
      const sent = request({ hostname, port, agent, method, path: `/unsharp/${object}` }).end()
      const [answer] = await once(sent, 'response')
      const chunks = []
      for await (const chunk of answer) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
    const before = performance.now()
    for (const object of paths) {
      await ask('HEAD', object)
      const body = await ask('GET', object)
      const file = path.join(dir, object)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, body)
    }
    agent.destroy()
    return { ms: performance.now() - before }
  },

  /** A server of images; it lives until its parent lets go of it. */
  async serve({ dir }) {
    const images = await unsharp.createImageHandler({
      dir,
      nextConfig: { images: { localPatterns: [{ pathname: '/**' }] } },
    })
    const server = createServer((req, res) => images(req, res))
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { port: server.address().port, readyAt: Date.now() }
  },
}

async function delayDuring(run) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await run()
  histogram.disable()
  return { p99Ms: histogram.percentile(99) / 1e6, maxMs: histogram.max / 1e6 }
}

process.on('disconnect', () => process.exit())
process.send({ result: await jobs[job](options) }, () => {
  if (job !== 'serve') process.disconnect()
})
