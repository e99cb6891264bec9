import { summarize } from './compare.mjs'
import { median } from './stats.mjs'
import { table } from './table.mjs'

/** The metrics that a sweep is read by, as the report calls them. */
const METRICS = { ssimulacra2: 'SSIMULACRA2', butteraugli: 'butteraugli' }

/** Everything the run found, as text: a table of cells and a summary per group. */
export function reportText(cells, options) {
  const parts = []
  for (const [group, members] of groupsOf(cells)) {
    const columns = columnsFor(options)
    parts.push(`${group}\n${cellTable(members, columns)}`)
    parts.push(summaryTable(members, columns), failures(members))
    if (members.some(({ matched }) => matched)) {
      for (const metric of Object.keys(METRICS)) parts.push(matchedTable(members, metric))
    }
  }
  return parts.filter(Boolean).join('\n\n')
}

/** The summary of every group and peer, for the JSON file. */
export function summaries(cells) {
  const result = {}
  for (const [group, members] of groupsOf(cells)) {
    result[group] = { ratios: {}, equalQuality: {} }
    for (const name of peersOf(members)) {
      result[group].ratios[name] = summarize(rowsOf(members, ({ comparison }) => comparison[name]))
      result[group].equalQuality[name] = {}
      for (const metric of Object.keys(METRICS)) {
        result[group].equalQuality[name][metric] = summarize(matchedRows(members, name, metric))
      }
    }
  }
  return result
}

function groupsOf(cells) {
  const groups = new Map()
  for (const cell of cells) {
    const group = cell.section === 'decode' ? `decode: ${cell.kind} input, webp output` : cell.format
    groups.set(group, [...(groups.get(group) ?? []), cell])
  }
  return groups
}

function peersOf(cells) {
  return [...new Set(cells.flatMap(({ results }) => Object.keys(results)))].filter((name) => name !== 'sharp')
}

function rowsOf(cells, valuesOf) {
  return cells
    .filter((cell) => valuesOf(cell))
    .map((cell) => ({ label: `${cell.picture} ${cell.width}`, values: valuesOf(cell) }))
}

function matchedRows(cells, name, metric) {
  return rowsOf(cells, ({ matched }) => {
    if (!matched?.[name]) return null
    const { quality, ...values } = matched[name][metric]
    return values
  })
}

// A measure's title, and how sharp's own number is written. With one image in flight, images per second say
// nothing that wall does not.
function columnsFor({ inflight }) {
  const columns = new Map([
    ['cpu', { title: 'CPU', absolute: ({ alone }) => `${median(alone.cpuMs).toFixed(0)} ms` }],
    ['wall', { title: 'wall', absolute: ({ alone }) => `${median(alone.latencyMs).toFixed(0)} ms` }],
    ['bytes', { title: 'bytes', absolute: ({ bytes }) => `${(bytes / 1000).toFixed(1)} kB` }],
    ['score', { title: 'score', absolute: ({ score }) => (Number.isFinite(score) ? score.toFixed(1) : '–') }],
    ['distance', { title: 'BA 3', absolute: ({ distance }) => distance?.toFixed(2) ?? '–' }],
    ['worstDistance', { title: 'BA max', absolute: ({ worstDistance }) => worstDistance?.toFixed(2) ?? '–' }],
  ])
  for (const n of inflight) {
    const growth = (result) => `${(median(result.inflight[n].rssGrowthBytes) / 1e6).toFixed(0)} MB`
    columns.set(`rss×${n}`, { title: `RSS ×${n}`, absolute: growth })
    const rate = (result) => median(result.inflight[n].imagesPerSecond).toFixed(1)
    if (n > 1) columns.set(`img/s×${n}`, { title: `img/s ×${n}`, absolute: rate })
  }
  return columns
}

// sharp's own numbers stand first, in units; below it each peer's ratios to them.
function cellTable(cells, columns) {
  const titles = [...columns.values()].map(({ title }) => title)
  const rows = [['picture', 'width', 'peer', ...titles]]
  for (const { picture, width, results, comparison } of cells) {
    let place = [picture, String(width)]
    for (const [name, result] of Object.entries(results)) {
      const absolute = name === 'sharp' || results.sharp.error
      const written = ([measure, column]) =>
        absolute ? column.absolute(result) : figure(measure, comparison[name][measure])
      rows.push([...place, name, ...(result.error ? [`failed: ${result.error}`] : [...columns].map(written))])
      place = ['', '']
    }
  }
  return table(rows)
}

function figure(measure, value) {
  if (!Number.isFinite(value)) return '–'
  return measure === 'score' ? `${value < 0 ? '' : '+'}${value.toFixed(1)}` : value.toFixed(2)
}

function summaryTable(cells, columns) {
  const rows = []
  for (const name of peersOf(cells)) {
    const summary = summarize(rowsOf(cells, ({ comparison }) => comparison[name]))
    for (const [measure, { title }] of columns) {
      if (!summary[measure]) continue
      const { median: middle, mean, worst } = summary[measure]
      const figures = [middle, mean, worst.value].map((value) => figure(measure, value))
      rows.push([`${name} to sharp`, title, ...figures, worst.label])
    }
  }
  return rows.length ? table([['', '', 'median', 'mean', 'worst', 'at'], ...rows]) : ''
}

function failures(cells) {
  const counted = ['sharp', ...peersOf(cells)].map((name) => {
    const failed = cells.filter(({ results }) => results[name]?.error).length
    return failed > 0 ? `  ${name} failed in ${failed} of ${cells.length} cells` : ''
  })
  return counted.filter(Boolean).join('\n')
}

function matchedTable(cells, metric) {
  const rows = [[`at sharp’s ${METRICS[metric]}`, 'width', 'peer', 'bytes', 'CPU', 'our quality']]
  for (const cell of cells.filter(({ matched }) => matched)) {
    for (const [name, metrics] of Object.entries(cell.matched)) {
      const { bytes, cpu, quality } = metrics[metric]
      const setting = Number.isFinite(quality) ? quality.toFixed(0) : 'not within the sweep'
      rows.push([cell.picture, String(cell.width), name, figure('bytes', bytes), figure('cpu', cpu), setting])
    }
  }
  for (const name of peersOf(cells)) {
    const { bytes, cpu } = summarize(matchedRows(cells, name, metric))
    if (bytes) rows.push(['geomean', '', name, figure('bytes', bytes.mean), figure('cpu', cpu.mean)])
    if (bytes) rows.push(['worst', '', name, figure('bytes', bytes.worst.value), figure('cpu', cpu.worst.value)])
  }
  return table(rows)
}
