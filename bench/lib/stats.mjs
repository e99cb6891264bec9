/** The middle of a list of numbers, NaN for an empty one. */
export function median(values) {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * The value that `percent` of a list do not exceed, the nearest rank of those measured: nothing between two values is
 * made up. NaN for an empty list.
 */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

/** The geometric mean, the right mean for ratios; NaN for an empty list. */
export function geomean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

/**
 * The median of the ratios round by round. Both peers of a round ran right after each other, so a machine
 * that gets slower over the run moves both and the ratio stays.
 */
export function pairedRatio(ours, theirs) {
  const rounds = Math.min(ours.length, theirs.length)
  return median(Array.from({ length: rounds }, (_, round) => ours[round] / theirs[round]))
}

/**
 * Reads a curve of points `{ score, value }` at `score`, going straight between neighbours. The points
 * stand in the order of their quality setting; where the score does not rise with it, the lowest setting
 * that reaches `score` counts. Outside of what was measured the answer is null: nothing is extrapolated.
 */
export function valueAtScore(points, score) {
  for (let i = 0; i + 1 < points.length; i += 1) {
    const [low, high] = [points[i], points[i + 1]]
    if (low.score <= score && score <= high.score) {
      const part = high.score === low.score ? 0 : (score - low.score) / (high.score - low.score)
      return low.value + (high.value - low.value) * part
    }
  }
  return null
}
