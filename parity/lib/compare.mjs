// Where two servers' observations differ.
import { isDeepStrictEqual } from 'node:util'
import { meanDifference } from '../../__test__/support/images.mjs'

/**
 * Two encoders never give the same bytes; this far apart may they be. Sizes of a few hundred bytes are mostly headers
 * and tables.
 */
const TOLERANCE = { levels: 4, smallest: 0.6, largest: 1.35, slackBytes: 600 }

/**
 * @typedef {object} Difference
 * @property {string} label which observation
 * @property {string} part which part of it
 * @property {unknown} reference
 * @property {unknown} ours
 * @property {[unknown, unknown]} [statuses] of the two answers, if they are answers
 */

/**
 * @param {object[]} reference observations of one row
 * @param {object[]} ours
 * @param {Partial<typeof TOLERANCE>} [tolerance]
 * @returns {Promise<{ differences: Difference[], pictures: { label: string, levels: number, bytes: number }[] }>}
 */
export async function compare(reference, ours, tolerance) {
  const found = []
  const pictures = []
  for (let at = 0; at < Math.max(reference.length, ours.length); at += 1) {
    const [one, two] = [reference[at], ours[at]]
    if (one?.label !== two?.label) {
      found.push({ label: 'the row', part: 'next observation', reference: one?.label, ours: two?.label })
      break
    }
    if ('noted' in one) found.push(...parts(one.label, { noted: one.noted }, { noted: two.noted }))
    else found.push(...(await answers(one, two, { ...TOLERANCE, ...tolerance }, pictures)))
  }
  return { differences: found, pictures }
}

/** @returns {Difference[]} one for each name under which the two objects hold something else */
function parts(label, one, two, statuses) {
  return [...new Set([...Object.keys(one), ...Object.keys(two)])]
    .filter((part) => !isDeepStrictEqual(one[part], two[part]))
    .map((part) => ({ label, part, reference: one[part], ours: two[part], statuses }))
}

async function answers(one, two, limits, pictures) {
  const statuses = [one.status, two.status]
  const { label } = one
  const whole = ({ status, body, headers }) => ({ status, body, ...headers })
  const found = parts(label, whole(one), whole(two), statuses)
  if (!one.picture || !two.picture) return found
  const named = ({ picture }) =>
    Object.fromEntries(Object.entries(picture).map(([fact, value]) => [`picture ${fact}`, value]))
  found.push(...parts(label, named(one), named(two), statuses))
  const { width, height } = one.picture
  if (width !== two.picture.width || height !== two.picture.height || one.bytes.equals(two.bytes)) return found

  const [here, there] = [one.bytes.length, two.bytes.length]
  try {
    const levels = await meanDifference(one.bytes, two.bytes)
    pictures.push({ label, levels, bytes: there / here })
    if (levels > limits.levels) {
      found.push({
        label,
        part: 'mean difference in levels of 255',
        reference: 0,
        ours: Number(levels.toFixed(2)),
        statuses,
      })
    }
  } catch (cause) {
    found.push({ label, part: 'pixels', reference: 'both decode', ours: cause.message, statuses })
  }
  const isNear = Math.abs(there - here) <= limits.slackBytes
  if (!isNear && (there / here < limits.smallest || there / here > limits.largest)) {
    found.push({ label, part: 'bytes', reference: here, ours: there, statuses })
  }
  return found
}
