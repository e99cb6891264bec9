// Charts as plain SVG, readable on light and dark pages alike.

const COLOURS = ['#4878a8', '#d1603d', '#3f8f5f', '#9467bd', '#b8860b', '#5f6b7a', '#c0508f', '#2a9d9d']
const WIDTH = 720
const MARGIN = { top: 34, right: 16, bottom: 44, left: 58 }
const PLOT_HEIGHT = 230
const LEGEND_LINE = 18

/**
 * Lines or clouds of points, one chart below the other.
 *
 * @param {object} figure
 * @param {string} figure.title
 * @param {{ title: string, x: string, y: string, logX?: boolean, series: { label: string, points: { x: number,
 *   y: number }[], line?: boolean }[] }[]} figure.charts `x` and `y` name the axes; `logX` spaces x by factors;
 *   `line: false` leaves the points unconnected. Points that are no numbers are left out
 */
export function lineCharts({ title, charts }) {
  const drawn = charts.map(({ series, ...chart }) => {
    const known = series
      .map((one) => ({ ...one, points: one.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)) }))
      .filter(({ points }) => points.length > 0)
    return { ...chart, series: known, legend: known.map(({ label }) => label) }
  })
  return figure(title, drawn, (chart, box) => {
    const points = chart.series.flatMap((one) => one.points)
    if (points.length === 0) return ''
    const across = scale(
      points.map(({ x }) => x),
      box.left,
      box.right,
      { log: chart.logX },
    )
    const up = scale(
      points.map(({ y }) => y),
      box.bottom,
      box.top,
    )
    const marks = chart.series.flatMap(({ points, line = true }, index) => {
      const colour = COLOURS[index % COLOURS.length]
      const places = points.map(({ x, y }) => [across.at(x), up.at(y)].map((n) => n.toFixed(1)))
      const path = `<polyline points="${places.map((place) => place.join(',')).join(' ')}" fill="none" stroke="${colour}" stroke-width="1.6"/>`
      const dots = places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.6" fill="${colour}"/>`)
      return line && places.length > 1 ? [path, ...dots] : dots
    })
    return [axes(chart, box, across, up), ...marks].join('\n')
  })
}

/**
 * Bars from nought, in groups, one chart below the other. All charts share one scale.
 *
 * @param {{ title: string, unit: string, charts: { title: string, groups: { label: string, bars: { label: string,
 *   value: number }[] }[] }[] }} figure
 */
export function barCharts({ title, unit, charts }) {
  const top = Math.max(0, ...charts.flatMap(({ groups }) => groups.flatMap(({ bars }) => bars.map(drawnValue))))
  const drawn = charts.map((chart) => ({
    ...chart,
    y: unit,
    legend: [...new Set(chart.groups.flatMap(({ bars }) => bars.map(({ label }) => label)))],
  }))
  return figure(title, drawn, (chart, box) => {
    const up = scale([0, top], box.bottom, box.top)
    const step = (box.right - box.left) / chart.groups.length
    const shapes = chart.groups.flatMap(({ label, bars }, group) => {
      const width = (step * 0.8) / bars.length
      const left = box.left + group * step + step * 0.1
      const name = text(left + step * 0.4, box.bottom + 16, label, 'middle')
      return [name, ...bars.map((bar, index) => barOf(bar, left + index * width, width, up, chart.legend))]
    })
    return [axes(chart, box, null, up), ...shapes].join('\n')
  })
}

function barOf({ label, value }, x, width, up, legend) {
  if (!Number.isFinite(value)) return ''
  const [y, base] = [up.at(value), up.at(0)]
  const colour = COLOURS[legend.indexOf(label) % COLOURS.length]
  const bar = `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(width * 0.9).toFixed(1)}" height="${(base - y).toFixed(1)}" fill="${colour}"/>`
  return bar + text(x + width * 0.45, y - 4, short(value), 'middle', 9)
}

const drawnValue = ({ value }) => (Number.isFinite(value) ? value : 0)

function figure(title, charts, draw) {
  let y = 34
  const parts = [text(MARGIN.left, 22, title, 'start', 15, 'bold')]
  for (const chart of charts) {
    const legend = legendOf(chart.legend)
    const box = { left: MARGIN.left, right: WIDTH - MARGIN.right, top: y + MARGIN.top + legend.height }
    box.bottom = box.top + PLOT_HEIGHT
    parts.push(
      text(box.left, y + 22, chart.title, 'start', 13, 'bold'),
      legend.draw(box.left, y + 40),
      draw(chart, box),
    )
    y = box.bottom + MARGIN.bottom
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="system-ui, sans-serif">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.filter(Boolean).join('\n')}
</svg>
`
}

/** Labels with their colours, on as many lines as they need. */
function legendOf(labels) {
  const places = []
  let [x, line] = [0, 0]
  for (const [index, label] of labels.entries()) {
    const width = 26 + label.length * 6.6
    if (x > 0 && x + width > WIDTH - MARGIN.left - MARGIN.right) [x, line] = [0, line + 1]
    places.push({ label, colour: COLOURS[index % COLOURS.length], x, y: line * LEGEND_LINE })
    x += width
  }
  const draw = (left, top) =>
    places
      .map(
        ({ label, colour, x, y }) =>
          `<rect x="${(left + x).toFixed(1)}" y="${top + y - 8}" width="10" height="10" fill="${colour}"/>${text(left + x + 14, top + y + 1, label)}`,
      )
      .join('\n')
  return { height: labels.length > 0 ? (line + 1) * LEGEND_LINE : 0, draw }
}

function axes(chart, box, across, up) {
  const parts = []
  for (const value of up.ticks) {
    const y = up.at(value).toFixed(1)
    parts.push(`<line x1="${box.left}" y1="${y}" x2="${box.right}" y2="${y}" stroke="#d8dce2"/>`)
    parts.push(text(box.left - 6, Number(y) + 4, short(value), 'end'))
  }
  for (const value of across?.ticks ?? []) {
    const x = across.at(value).toFixed(1)
    parts.push(`<line x1="${x}" y1="${box.top}" x2="${x}" y2="${box.bottom}" stroke="#eceff3"/>`)
    parts.push(text(Number(x), box.bottom + 16, short(value), 'middle'))
  }
  parts.push(`<line x1="${box.left}" y1="${box.bottom}" x2="${box.right}" y2="${box.bottom}" stroke="#5f6b7a"/>`)
  if (chart.x) parts.push(text((box.left + box.right) / 2, box.bottom + 34, chart.x, 'middle'))
  parts.push(text(box.right, box.top - 8, chart.y, 'end'))
  return parts.join('\n')
}

/** From values to places between `from` and `to`, with ticks at round values that enclose them all. */
function scale(values, from, to, { log = false } = {}) {
  const ticks = log
    ? logTicks(Math.min(...values), Math.max(...values))
    : roundTicks(Math.min(...values), Math.max(...values))
  const place = log ? Math.log : (value) => value
  const [low, high] = [place(ticks[0]), place(ticks.at(-1))]
  return { ticks, at: (value) => from + ((place(value) - low) / (high - low)) * (to - from) }
}

/** Multiples of 1, 2 or 5 times a power of ten, about six of them. */
export function roundTicks(low, high) {
  const span = high - low || Math.abs(high) || 1
  const rough = span / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9))
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)))
}

/** 1, 2 and 5 times powers of ten, from the last below `low` to the first above `high`. */
export function logTicks(low, high) {
  const ticks = []
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 10; power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(Number((factor * 10 ** power).toPrecision(12)))
  }
  const first = Math.max(
    0,
    ticks.findLastIndex((tick) => tick <= low),
  )
  const last = ticks.findIndex((tick, index) => tick >= high && index > first)
  return ticks.slice(first, last + 1)
}

function text(x, y, content, anchor = 'start', size = 11, weight = 'normal') {
  return `<text x="${Number(x).toFixed(1)}" y="${Number(y).toFixed(1)}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}" fill="#2b313a">${escaped(content)}</text>`
}

function short(value) {
  return String(Number(value.toPrecision(value >= 100 ? 4 : 3)))
}

function escaped(content) {
  return String(content).replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign])
}
