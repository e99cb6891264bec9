/**
 * Rows of text in columns. A row that is cut short carries a message, which may run on to the right.
 *
 * @param {string[][]} rows the first one has every column
 */
export function table(rows) {
  const widths = []
  for (const row of rows.filter(({ length }) => length === rows[0].length)) {
    for (let i = 0; i < row.length; i += 1) widths[i] = Math.max(widths[i] ?? 0, row[i].length)
  }
  return rows.map((row) => `  ${row.map((text, i) => text.padEnd(widths[i])).join('  ')}`.trimEnd()).join('\n')
}
