// The table on the terminal.

const WIDTH = { id: 11, title: 62, verdict: 15 }

/** One line per row, and the differences that are on no list below it. */
export function printResult({ id, title, why, sides }, names, verbose) {
  const verdicts = names.map((name) => (sides[name]?.verdict ?? 'not compared').padEnd(WIDTH.verdict))
  console.log(
    `${id.padEnd(WIDTH.id)} ${title.slice(0, WIDTH.title).padEnd(WIDTH.title)} ${verdicts.join(' ')}`.trimEnd(),
  )
  if (why) console.log(`            ${why}`)
  for (const name of names) {
    if (sides[name]?.why) console.log(`            ${name}: ${sides[name].why}`)
    for (const { label, part, reference, ours, listed, statuses } of sides[name]?.differences ?? []) {
      if (listed && !verbose) continue
      // Another status comes with other headers, which say no more.
      if (!verbose && statuses && statuses[0] !== statuses[1] && !['status', 'body'].includes(part)) continue
      console.log(`            ${name}${listed ? ` (${listed})` : ''}: ${label}: ${part}`)
      console.log(`              Next:  ${shown(reference)}`)
      console.log(`              ours:  ${shown(ours)}`)
    }
    if (!verbose) continue
    for (const { label, levels, bytes } of sides[name]?.pictures ?? []) {
      console.log(`            ${name}: ${label}: ${levels.toFixed(2)} levels apart, ${bytes.toFixed(2)} of the bytes`)
    }
  }
}

function shown(value) {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 400 ? `${text.slice(0, 400)}…` : text
}

/** How many rows are the same, on each side. */
export function printSum(results, names) {
  console.log()
  for (const name of names) {
    const verdicts = results.map(({ sides }) => sides[name]?.verdict ?? 'not compared')
    const count = (verdict) => verdicts.filter((one) => one === verdict).length
    console.log(
      `${name}: ${count('same')} rows the same, ${count('listed')} with listed differences only, ` +
        `${count('DIFFERENT')} different, ${count('not compared') + count('does not apply')} not compared`,
    )
  }
}
