// Encodes many images in one process and says how large it is along the way: `node --expose-gc memory-child.mjs PEER
// ENTRY`, then one message with the work. A process of its own, so that its memory is that of the work.
import { readFile } from 'node:fs/promises'
import { residentBytes } from './memory.mjs'
import { loadPeer } from './peers.mjs'

const [name, entry] = process.argv.slice(2)
process.on('disconnect', () => process.exit())
process.on('message', async (work) => {
  try {
    process.send({ sizes: await encode(loadPeer(name, entry), work) })
  } catch (error) {
    process.send({ error: error.message })
  }
})

/**
 * @param {(input: Buffer, job: object) => Promise<Buffer>} optimize
 * @param {{ inputs: { file: string, width: number }[], widths: number[], format: string, count: number, every: number,
 *   inflight: number }} work `every`: a size is read after so many images, once nothing is in flight
 * @returns the resident set in bytes, before the first image and after each `every`
 */
async function encode(optimize, { inputs, widths, format, count, every, inflight }) {
  const sources = await Promise.all(
    inputs.map(async ({ file, width }) => ({ bytes: await readFile(file), sourceWidth: width })),
  )
  const sizes = [settled()]
  let started = 0
  while (started < count) {
    const until = Math.min(count, started + every)
    const lane = async () => {
      while (started < until) {
        const { bytes, sourceWidth } = sources[started % sources.length]
        const width = widths[Math.floor(started / sources.length) % widths.length]
        started += 1
        await optimize(bytes, { width, sourceWidth, format, quality: 75 })
      }
    }
    await Promise.all(Array.from({ length: inflight }, lane))
    sizes.push(settled())
  }
  return sizes
}

/** What JavaScript no longer needs is not what is looked for. */
function settled() {
  globalThis.gc()
  return residentBytes()
}
