// One soak: traffic, samples of what the server takes, and a verdict.
import { until } from '../../__test__/support/app.mjs'
import { bytesIn } from './cache-folder.mjs'
import { plot } from './plot.mjs'
import { factsOf } from './process-facts.mjs'
import { randomFrom } from './random.mjs'
import { withScope } from './scope.mjs'
import { DISK_BYTES, startHandler, startServe } from './server.mjs'
import { createWorld } from './world.mjs'

/** Samples over a run. */
const SAMPLES = 300

/** The last third may take so much more than the second one: heaps breathe. */
const GROWTH = 1.1

/** What must not grow. Threads for files and the network come and go with the load: they have a limit instead. */
const PLATEAUS = {
  'resident bytes': ({ rssBytes }) => rssBytes,
  'open files': ({ files }) => files,
  'threads other than for I/O': ({ threads, ioThreads }) => threads - ioThreads,
}

/** Two that poll and 32 that wait for a file each (src/binding/mod.rs). */
const MOST_IO_THREADS = 2 + 32

/**
 * @param {object} options
 * @param {number} options.requests
 * @param {'handler' | 'service'} options.mode
 * @param {number} [options.seed]
 * @param {number} [options.connections]
 * @param {(picture: import('./pictures.mjs').Picture) => boolean} [options.isWanted] default: all pictures
 * @param {boolean} [options.checksGrowth] of no use for a short one, which ends before the caches are full
 * @param {(line: string) => void} [options.say]
 * @returns {Promise<{ lines: string[], svg: string, failures: string[] }>}
 */
export function runSoak({
  requests,
  mode,
  seed = 1,
  connections = 64,
  isWanted = () => true,
  checksGrowth = true,
  say = () => {},
}) {
  return withScope(async (t) => {
    const world = await createWorld(t, isWanted)
    const start = { handler: startHandler, service: startServe }[mode]
    const server = await start(t, world.sources)
    const brokenStatus = mode === 'handler' ? 500 : 502
    const load = world.traffic(randomFrom(seed), { port: () => server.port, connections }, {}, { brokenStatus })

    const atStart = factsOf(server.pid)
    const samples = []
    const step = Math.max(1, Math.floor(requests / SAMPLES))
    await load.run(() => {
      const { sent } = load.counts
      if (sent >= samples.length * step) {
        samples.push([sent, factsOf(server.pid)])
        if (samples.length % 30 === 1) say(describe(sent, samples.at(-1)[1]))
      }
      return sent >= requests
    })
    samples.push([load.counts.sent, factsOf(server.pid)])

    load.close()
    const failures = []
    // A connection that is closed is a file less; what waits for its time to be over may take a while.
    const few = atStart.files + 40
    const quiet = await until(
      () => factsOf(server.pid),
      ({ files }) => files <= few,
    ).catch(() => undefined)
    if (!quiet)
      failures.push(`${factsOf(server.pid).files} open files when all clients have gone, ${atStart.files} at the start`)
    const disk = bytesIn(server.cache)
    if (disk > DISK_BYTES) failures.push(`${disk} bytes in the cache folder, ${DISK_BYTES} allowed`)
    if (load.counts.wrong > 0) failures.push(`${load.counts.wrong} wrong answers`)
    const ioThreads = Math.max(...samples.map(([, facts]) => facts.ioThreads))
    if (ioThreads > MOST_IO_THREADS) failures.push(`${ioThreads} threads for I/O, ${MOST_IO_THREADS} allowed`)
    for (const [name, of] of Object.entries(checksGrowth ? PLATEAUS : {})) {
      const [second, third] = [1, 2].map((part) => median(thirdOf(samples, part).map(([, facts]) => of(facts))))
      if (third > second * GROWTH) failures.push(`${name} grew from ${second} to ${third} over the last third`)
    }
    const lines = [
      ...load.summary(),
      ...[0, 0.1, 0.25, 0.5, 0.75, 1].map((part) => {
        const [sent, facts] = samples[Math.round((samples.length - 1) * part)]
        return describe(sent, facts)
      }),
      `when all clients have gone: ${describe(load.counts.sent, quiet ?? factsOf(server.pid))}`,
      `cache folder: ${(disk / 2 ** 20).toFixed(1)} of ${DISK_BYTES / 2 ** 20} MiB`,
    ]
    const panel = (name, of) => ({ name, points: samples.map(([sent, facts]) => [sent, of(facts)]) })
    const svg = plot(`unsharp, ${mode}: ${load.counts.sent} mixed requests, ${connections} connections`, [
      panel('resident memory, MiB', ({ rssBytes }) => rssBytes / 2 ** 20),
      panel('open files', ({ files }) => files),
      panel('threads', ({ threads }) => threads),
    ])
    return { lines, svg, failures }
  })
}

function describe(sent, { rssBytes, files, threads, ioThreads }) {
  const mebibytes = (rssBytes / 2 ** 20).toFixed(0)
  return `after ${String(sent).padStart(6)} requests: ${mebibytes} MiB resident, ${files} files, ${threads} threads (${ioThreads} for I/O)`
}

const thirdOf = (samples, part) =>
  samples.slice(Math.floor((samples.length * part) / 3), Math.ceil((samples.length * (part + 1)) / 3))

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
