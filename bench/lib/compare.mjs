import { geomean, median, pairedRatio, valueAtScore } from './stats.mjs'

/**
 * How the peers of one cell stand to sharp: ratios of CPU, wall time, bytes and, per number in flight, of
 * peak memory growth and images per second; `score` is a difference in SSIMULACRA2 points. What could not
 * be measured is null.
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

/**
 * Bytes and CPU of each swept peer where its score equals sharp's, as ratios to sharp's. Null where sharp's
 * score lies outside of the sweep, or was reached by every setting alike.
 */
export function compareAtEqualScore(swept) {
  const { sharp, ...others } = swept
  const comparison = {}
  for (const [name, settings] of Object.entries(others)) {
    const scored = settings.filter(({ score }) => Number.isFinite(score))
    // Bytes grow by a factor per point, so their logarithm is what runs straight between two points.
    const bytes = valueAtScore(
      scored.map(({ score, bytes: value }) => ({ score, value: Math.log(value) })),
      sharp.score,
    )
    const cpuMs = valueAtScore(
      scored.map(({ score, cpuMs: value }) => ({ score, value })),
      sharp.score,
    )
    const quality = valueAtScore(
      scored.map(({ score, quality: value }) => ({ score, value })),
      sharp.score,
    )
    comparison[name] = {
      bytes: bytes === null ? null : Math.exp(bytes) / sharp.bytes,
      cpu: cpuMs === null ? null : cpuMs / sharp.cpuMs,
      quality,
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

function difference(ours, theirs) {
  return Number.isFinite(ours) && Number.isFinite(theirs) ? ours - theirs : null
}
