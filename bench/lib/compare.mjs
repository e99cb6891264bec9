import { geomean, median, pairedRatio, valueAtScore } from './stats.mjs'

/**
 * How the peers of one cell stand to sharp: ratios of CPU, wall time, bytes and, per number in flight, of
 * peak memory growth and images per second; `score` is a difference in SSIMULACRA2 points, `distance` and
 * `worstDistance` are ratios of butteraugli's 3-norm and maximum. What could not be measured is null.
 */
export function compareCell(results) {
  const { sharp } = results
  const comparison = {}
  for (const [name, result] of Object.entries(results)) {
    if (name === 'sharp' || sharp.error || result.error) continue
    const compared = {
      cpu: ratio(result.alone.cpuMs, sharp.alone.cpuMs),
      wall: ratio(result.alone.latencyMs, sharp.alone.latencyMs),
      bytes: result.bytes / sharp.bytes,
      score: difference(result.score, sharp.score),
      distance: plainRatio(result.distance, sharp.distance),
      worstDistance: plainRatio(result.worstDistance, sharp.worstDistance),
    }
    for (const atOnce of Object.keys(result.inflight ?? {})) {
      const [ours, theirs] = [result.inflight[atOnce], sharp.inflight[atOnce]]
      compared[`cpu×${atOnce}`] = ratio(ours.cpuMs, theirs.cpuMs)
      compared[`rss×${atOnce}`] = ratio(ours.rssGrowthBytes, theirs.rssGrowthBytes)
      compared[`img/s×${atOnce}`] = ratio(ours.imagesPerSecond, theirs.imagesPerSecond)
    }
    comparison[name] = compared
  }
  return comparison
}

/** How good a result looks to each metric, as a number that rises with quality. */
const METRICS = { ssimulacra2: ({ score }) => score, butteraugli: ({ distance }) => -distance }

/**
 * Bytes and CPU of each swept peer where it looks as good as sharp, as ratios to sharp's, once by SSIMULACRA2 and
 * once by butteraugli's 3-norm: `{ unsharp: { ssimulacra2: { bytes, cpu, quality }, butteraugli: … } }`. Null where
 * sharp's quality lies outside of the sweep, or was reached by every setting alike.
 */
export function compareAtEqualQuality({ sharp, ...others }) {
  const comparison = {}
  for (const [name, settings] of Object.entries(others)) {
    comparison[name] = {}
    for (const [metric, seen] of Object.entries(METRICS)) {
      const scored = settings.filter((setting) => Number.isFinite(seen(setting)))
      const at = (read) =>
        valueAtScore(
          scored.map((setting) => ({ score: seen(setting), value: read(setting) })),
          seen(sharp),
        )
      // Bytes grow by a factor per point, so their logarithm is what runs straight between two points.
      const bytes = at((setting) => Math.log(setting.bytes))
      const cpuMs = at((setting) => setting.cpuMs)
      comparison[name][metric] = {
        bytes: bytes === null ? null : Math.exp(bytes) / sharp.bytes,
        cpu: cpuMs === null ? null : cpuMs / sharp.cpuMs,
        quality: at((setting) => setting.quality),
      }
    }
  }
  return comparison
}

/** Which way a measure gets worse: more time and memory, fewer points and images. */
export function isWorse(measure, a, b) {
  return measure === 'score' || measure.startsWith('img/s') ? a < b : a > b
}

/**
 * Sums up rows `{ label, values: { measure: number | null } }`: per measure the median, the geometric mean
 * (the mean for differences) and the worst row by name.
 */
export function summarize(rows) {
  const summary = {}
  for (const measure of new Set(rows.flatMap(({ values }) => Object.keys(values)))) {
    const measured = rows.filter(({ values }) => Number.isFinite(values[measure]))
    if (measured.length === 0) continue
    const list = measured.map(({ values }) => values[measure])
    const worst = measured.reduce((a, b) => (isWorse(measure, b.values[measure], a.values[measure]) ? b : a))
    summary[measure] = {
      median: median(list),
      mean: measure === 'score' ? list.reduce((a, b) => a + b, 0) / list.length : geomean(list),
      worst: { value: worst.values[measure], label: worst.label },
    }
  }
  return summary
}

function ratio(ours, theirs) {
  const value = pairedRatio(ours, theirs)
  // Growth can be nothing, and then there is no ratio to it.
  return Number.isFinite(value) && value > 0 ? value : null
}

function plainRatio(ours, theirs) {
  return Number.isFinite(ours) && theirs > 0 ? ours / theirs : null
}

function difference(ours, theirs) {
  return Number.isFinite(ours) && Number.isFinite(theirs) ? ours - theirs : null
}
