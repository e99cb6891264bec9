import path from 'node:path'
import { measureFresh } from './peer-process.mjs'
import sharp from './sharp.mjs'
import { median } from './stats.mjs'

/** A turn repeats a fast image until it takes about this long, ms; single short runs are mostly noise. */
const TURN_MS = 200
/** Slower than this, ms, and a cell has fewer turns: its numbers are steadier and the run has to end. */
const SLOW_MS = 1500

/**
 * Measures one cell: every peer answers the same request. Peers take turns, each round starting with
 * another one, so that whatever the machine does in the meantime hits them all.
 *
 * @param {object} cell `{ id, picture, tiny, width, format, quality }`
 * @param {object} run `{ peers: Map<name, PeerProcess>, entry, options, folder }`
 * @returns per peer `{ output, bytes, alone, inflight }`, each measure a list by round, or `{ error }`
 */
export async function measureCell(cell, run) {
  const { rounds, inflight } = run.options
  const results = {}
  await forEachPeer(run, results, 0, async (name) => {
    results[name] = await firstAnswer(cell, run, name, cell.quality)
  })

  const firstMs = results.sharp.error ? SLOW_MS : results.sharp.firstMs
  const times = clamp(Math.ceil(TURN_MS / firstMs), 1, 10)
  const turns = firstMs > SLOW_MS ? Math.ceil(rounds / 2) : rounds
  for (let round = 0; round < turns; round += 1) {
    await forEachPeer(run, results, round, async (name) => {
      const request = requestFor(cell, cell.quality, { times })
      note(results[name], 'alone', await run.peers.get(name).measure(request))
    })
  }

  // Memory depends on all that a process did before, so each of these turns gets a process of its own.
  for (const atOnce of inflight) {
    const waves = clamp(Math.round(800 / firstMs), 1, 4)
    const warm = { input: cell.tiny.file, job: jobFor(cell, cell.tiny, cell.quality) }
    const loadTurns = firstMs > SLOW_MS ? 1 : Math.ceil(rounds / 2)
    for (let round = 0; round < loadTurns; round += 1) {
      await forEachPeer(run, results, round, async (name) => {
        const request = requestFor(cell, cell.quality, { times: atOnce * waves, inflight: atOnce, warm })
        results[name].inflight ??= {}
        note(results[name].inflight, atOnce, await measureFresh(name, run.entry, request))
      })
    }
  }
  return results
}

/**
 * Sweeps the quality of every peer but sharp, in turns with sharp at the cell's own quality, to compare
 * them at equal score afterwards. Answers `{ sharp: { cpuMs }, unsharp: [{ quality, output, bytes, cpuMs }] }`.
 */
export async function sweepQuality(cell, run, measured) {
  const qualities = sweptQualities(cell.quality)
  const settings = [{ name: 'sharp', quality: cell.quality }]
  for (const name of run.peers.keys()) {
    if (name !== 'sharp' && !measured[name].error) settings.push(...qualities.map((quality) => ({ name, quality })))
  }
  for (const setting of settings) Object.assign(setting, await firstAnswer(cell, run, setting.name, setting.quality))
  const rounds = Math.min(run.options.rounds, 3)
  const times = clamp(Math.ceil(TURN_MS / 2 / settings[0].firstMs), 1, 5)
  for (let round = 0; round < rounds; round += 1) {
    for (const setting of settings) {
      const request = requestFor(cell, setting.quality, { times })
      const { cpuMs } = await run.peers.get(setting.name).measure(request)
      setting.turns = [...(setting.turns ?? []), cpuMs]
    }
  }
  for (const setting of settings) setting.cpuMs = median(setting.turns)
  const swept = { sharp: settings[0] }
  for (const { name } of settings.slice(1)) swept[name] ??= settings.filter((setting) => setting.name === name)
  return swept
}

/** Seven qualities around `quality`, near enough to each other to go straight between them. */
export function sweptQualities(quality) {
  return [...new Set([-18, -12, -6, 0, 6, 12, 18].map((step) => clamp(quality + step, 1, 100)))]
}

async function firstAnswer(cell, run, name, quality) {
  const output = path.join(run.folder, `${cell.id}-${name}-q${quality}.out`)
  const peer = run.peers.get(name)
  const { bytes } = await peer.measure(requestFor(cell, quality, { output }))
  await checkAnswer(cell, output)
  // The second run tells how long it takes once everything is loaded.
  const { wallMs } = await peer.measure(requestFor(cell, quality, {}))
  return { output, bytes, firstMs: wallMs }
}

// Numbers of an answer to another question would look just as good.
async function checkAnswer(cell, output) {
  const { format, width } = await sharp(output).metadata()
  const expected = { format: cell.format === 'avif' ? 'heif' : cell.format, width: widthOf(cell) }
  if (format !== expected.format || width !== expected.width) {
    throw new Error(`answered ${format}, ${width} px wide instead of ${expected.format}, ${expected.width} px`)
  }
}

/** The width a right answer has: pictures are never enlarged. */
export function widthOf({ picture, width }) {
  return Math.min(width, picture.width)
}

function jobFor({ width, format }, picture, quality) {
  return { width, sourceWidth: picture.width, format, quality }
}

function requestFor(cell, quality, more) {
  return { input: cell.picture.file, job: jobFor(cell, cell.picture, quality), ...more }
}

// A peer that fails is out of this cell, and only of this one.
async function forEachPeer(run, results, round, step) {
  const names = [...run.peers.keys()]
  for (let i = 0; i < names.length; i += 1) {
    const name = names[(i + round) % names.length]
    if (results[name]?.error) continue
    try {
      await step(name)
    } catch (error) {
      results[name] = { error: error.message.split('\n')[0] }
    }
  }
}

function note(result, key, turn) {
  result[key] ??= { cpuMs: [], wallMs: [], latencyMs: [], imagesPerSecond: [], rssGrowthBytes: [] }
  const turns = result[key]
  for (const measure of ['cpuMs', 'wallMs', 'imagesPerSecond', 'rssGrowthBytes']) turns[measure].push(turn[measure])
  turns.latencyMs.push(median(turn.latenciesMs))
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value))
}
