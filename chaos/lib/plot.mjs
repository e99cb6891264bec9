// Lines over the number of requests as SVG, one panel above the other.

const [WIDTH, PANEL, LEFT, TOP] = [760, 130, 70, 40]

/**
 * @param {string} title
 * @param {{ name: string, points: [number, number][] }[]} panels each from 0 to its highest value
 */
export function plot(title, panels) {
  const height = TOP + panels.length * (PANEL + 40)
  const furthest = Math.max(1, ...panels.flatMap(({ points }) => points.map(([x]) => x)))
  const right = WIDTH - 20
  const drawn = panels.map(({ name, points }, panel) => {
    const top = TOP + panel * (PANEL + 40) + 20
    const highest = roundUp(Math.max(1, ...points.map(([, y]) => y)))
    const x = (value) => (LEFT + (value / furthest) * (right - LEFT)).toFixed(1)
    const y = (value) => (top + PANEL - (value / highest) * PANEL).toFixed(1)
    const line = points.map(([at, value]) => `${x(at)},${y(value)}`).join(' ')
    const marks = [0, highest / 2, highest].map(
      (value) =>
        `<line x1="${LEFT}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>` +
        `<text x="${LEFT - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`,
    )
    return [
      `<text x="${LEFT}" y="${top - 6}" font-weight="bold">${name}</text>`,
      ...marks,
      `<polyline points="${line}" fill="none" stroke="#0b62c4" stroke-width="1.5"/>`,
      ...(panel === panels.length - 1
        ? [0, 0.25, 0.5, 0.75, 1].map((part) => {
            const requests = Math.round(furthest * part)
            return `<text x="${x(requests)}" y="${top + PANEL + 18}" text-anchor="middle">${requests}</text>`
          })
        : []),
    ].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="22" font-size="14">${title}</text>
${drawn.join('\n')}
</svg>
`
}

/** To the next of 1, 2, 4, 6, 8, 10 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * [1, 2, 4, 6, 8, 10].find((step) => step * power >= value)
}
