// Runs rows on every side, one config after the other, and says where a side differs from the reference.
import { CONFIGS } from './configs.mjs'
import { listed } from './differences.mjs'
import { compare } from './lib/compare.mjs'
import { pictures } from './lib/pictures.mjs'
import { Session } from './lib/session.mjs'
import { buildFor, copyOf, remove, startSide } from './lib/sides.mjs'
import { rows as cache } from './rows/cache.mjs'
import { rows as formats } from './rows/formats.mjs'
import { rows as headers } from './rows/headers.mjs'
import { rows as requests } from './rows/requests.mjs'
import { rows as routing } from './rows/routing.mjs'
import { rows as sources } from './rows/sources.mjs'
import { rows as types } from './rows/types.mjs'

/**
 * One behaviour. The ids of P to C are those of the list of what Next does that the suite was written from; those of X
 * are more.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {string} [config] of CONFIGS; default plain
 * @property {(side: Session) => Promise<void>} [run]
 * @property {string} [why] why it can't be compared, in place of `run`
 * @property {boolean} [slow] waits for time to pass, so it runs beside the others
 * @property {boolean} [swaps] asked a second time of servers that have each other's cache folders
 * @property {Record<string, string>} [not] sides that it does not apply to, with the reason
 * @property {object} [tolerance] of compare()
 */

const NEXT = [...requests, ...formats, ...types, ...sources, ...headers, ...routing, ...cache]

/** Rows with listed differences, which have none with `strict: true`. */
const STRICT = ['P10', 'F3.2', 'E8', 'R3', 'C6']

/** @type {Row[]} */
export const ROWS = [
  ...NEXT,
  ...NEXT.filter(({ id }) => STRICT.includes(id)).map((row) => ({
    ...row,
    id: `${row.id}-strict`,
    title: `${row.title}, with strict: true`,
    config: 'strict',
    not: { alias: 'is an option of createImageHandler', service: 'is an option of createImageHandler' },
  })),
]

/**
 * @param {object} options
 * @param {string[]} options.sides names of SIDES beside the reference
 * @param {Row[]} options.rows
 * @param {(result: object) => void} [options.onResult]
 */
export async function runSuite({ sides, rows, onResult = () => {} }) {
  const made = await pictures({ slow: rows.some(({ slow }) => slow) })
  const results = []
  for (const name of new Set(rows.map(({ config = 'plain' }) => config))) {
    const group = rows.filter(({ config = 'plain' }) => config === name)
    for (const result of await runConfig(CONFIGS[name], group, ['reference', ...sides], made)) {
      results.push(result)
      onResult(result)
    }
  }
  return results
}

async function runConfig(config, rows, names, pictures) {
  if (rows.every(({ run }) => !run)) return rows.map(({ id, title, why }) => ({ id, title, why, sides: {} }))
  const build = buildFor(config)
  const started = await Promise.all(names.map((name) => startSide(name, config, copyOf(build))))
  try {
    // Sides don't wait for each other; on one side a row follows the other, so that all meet the same cache.
    const seen = await Promise.all(started.map((side) => runSide(side, rows, pictures)))
    const results = await Promise.all(rows.map((row) => judge(row, names, seen)))
    await Promise.all(started.map((side) => side.stop()))
    for (const row of rows.filter(({ swaps }) => swaps)) {
      const result = results[rows.indexOf(row)]
      for (const [at, side] of started.entries()) {
        if (at > 0) await swap(row, result, [started[0], side], [seen[0], seen[at]], pictures)
      }
    }
    return results
  } finally {
    await Promise.all(started.map((side) => side.stop()))
    for (const { dist } of started) remove(dist)
  }
}

/** Starts two sides again, each over the cache folder of the other, and expects there what the other had answered. */
async function swap(row, result, sides, seen, pictures) {
  const [one, two] = sides
  for (const [reader, writer, made] of [
    [one, two, seen[1]],
    [two, one, seen[0]],
  ]) {
    const again = await startSide(reader.name, reader.config, writer.dist)
    const found = (await runSide(again, [row], pictures)).get(row).observations
    await again.stop()
    const expected = made.get(row).observations.map((answer) => ({
      ...answer,
      label: `${reader.name} on the folder of ${writer.name}: ${answer.label}`,
      headers: { ...answer.headers, 'x-nextjs-cache': 'HIT' },
    }))
    const relabelled = found.map((answer, at) => ({ ...answer, label: expected[at]?.label }))
    add(result, row, two.name, (await compare(expected, relabelled, { levels: 0 })).differences)
  }
}

/** @returns {Promise<Map<Row, Session>>} */
async function runSide(side, rows, pictures) {
  const sessions = new Map(rows.map((row) => [row, new Session(side, row, pictures)]))
  const work = async (row) => {
    const session = sessions.get(row)
    await row.run?.(session).catch((cause) => session.note('the row itself failed', `${side.name}: ${cause.stack}`))
  }
  const slow = rows.filter((row) => row.slow).map(work)
  for (const row of rows) if (!row.slow) await work(row)
  await Promise.all(slow)
  return sessions
}

async function judge(row, names, seen) {
  const { id, title, why } = row
  const result = { id, title, why, sides: {} }
  if (!row.run) return result
  const [reference, ...ours] = seen.map((sessions) => sessions.get(row).observations)
  result.observations = reference.length
  for (const [at, name] of names.slice(1).entries()) {
    if (row.not?.[name]) {
      result.sides[name] = { verdict: 'does not apply', why: row.not[name] }
      continue
    }
    const { differences, pictures } = await compare(reference, ours[at], row.tolerance)
    result.sides[name] = { pictures, differences: [] }
    add(result, row, name, differences)
  }
  return result
}

/** Adds differences to what is known of a side, and judges. */
function add(result, row, name, differences) {
  const side = result.sides[name]
  side.differences.push(...differences.map((one) => ({ ...one, listed: listed(row.id, name, one)?.id })))
  const unlisted = side.differences.some((difference) => !difference.listed)
  side.verdict = unlisted ? 'DIFFERENT' : side.differences.length > 0 ? 'listed' : 'same'
}
