// Rate against quality and CPU against bytes, from settings measured over a range of qualities.
import { lineCharts } from './plot.mjs'
import { geomean } from './stats.mjs'

/**
 * One figure per format: the means over all pictures, by each metric, what the bytes cost in CPU, and every picture.
 *
 * @param {{ format: string, picture: string, peer: string, quality: number, bytes: number, score: number,
 *   distance: number, cpuMs: number }[]} points `score` is SSIMULACRA2, `distance` butteraugli's 3-norm
 * @returns {Record<string, string>} SVG by format
 */
export function figuresOf(points) {
  const figures = {}
  for (const format of new Set(points.map((point) => point.format))) {
    const own = points.filter((point) => point.format === format)
    const means = meansOf(own)
    const pictures = [...new Set(own.map(({ picture }) => picture))]
    const over = `mean of ${pictures.length} picture${pictures.length === 1 ? '' : 's'}`
    figures[format] = lineCharts({
      title: `${format}: unsharp and sharp`,
      charts: [
        chart(`SSIMULACRA2, ${over} (higher is better)`, 'SSIMULACRA2', means, ({ score }) => score),
        chart(`butteraugli, 3-norm, ${over} (lower is better)`, 'butteraugli', means, ({ distance }) => distance),
        chart(`CPU for the whole image, ${over}`, 'ms', means, ({ cpuMs }) => cpuMs),
        ...pictures.map((picture) => {
          const points = own.filter((point) => point.picture === picture)
          return chart(`SSIMULACRA2: ${picture}`, 'SSIMULACRA2', points, ({ score }) => score)
        }),
      ],
    })
  }
  return figures
}

function chart(title, y, points, read) {
  const peers = [...new Set(points.map(({ peer }) => peer))]
  const series = peers.map((label) => ({
    label,
    points: points
      .filter(({ peer }) => peer === label)
      .map((point) => ({ x: point.bytes / 1000, y: read(point) }))
      .sort((a, b) => a.x - b.x),
  }))
  return { title, x: 'kB', y, logX: true, series }
}

/** Per peer and quality: bytes, distance and CPU as geometric means, the score as a plain one. */
export function meansOf(points) {
  const groups = new Map()
  for (const point of points) {
    const key = `${point.peer} ${point.quality}`
    groups.set(key, [...(groups.get(key) ?? []), point])
  }
  return [...groups.values()].map((group) => {
    const of = (field) => group.map((point) => point[field])
    return {
      peer: group[0].peer,
      quality: group[0].quality,
      ...{ bytes: geomean(of('bytes')), distance: geomean(of('distance')), cpuMs: geomean(of('cpuMs')) },
      score: of('score').reduce((sum, score) => sum + score, 0) / group.length,
    }
  })
}
