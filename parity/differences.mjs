// Where we answer otherwise than Next, on purpose. docs/PARITY.md has the same list for readers; a test compares them.

/**
 * @typedef {object} Listed
 * @property {string} id
 * @property {string[]} rows in which it shows
 * @property {string[]} sides
 * @property {(difference: import('./lib/compare.mjs').Difference) => boolean} covers exactly what was expected
 */

/** Whether the two answers have these statuses, which makes all of their headers differ. */
const statuses = (reference, ours) => (difference) =>
  difference.statuses?.[0] === reference && difference.statuses[1] === ours

const FALLBACK = /^ERR_UNSHARP_(DECODE|TIMEOUT|TOO_MANY_PIXELS)$/
const briefly = (header) => Number(/^public, max-age=(\d+), must-revalidate$/.exec(header)?.[1]) <= 60

/** @type {Listed[]} */
export const DIFFERENCES = [
  {
    id: 'malformed-url',
    rows: ['P4', 'P10'],
    sides: ['handler'],
    covers: (difference) =>
      statuses(500, 400)(difference) &&
      (difference.part !== 'body' || difference.ours === '"url" parameter is invalid'),
  },
  {
    id: 'malformed-accept',
    rows: ['F3', 'F3.2'],
    sides: ['handler'],
    // The header after it names no format either, so it finds the variant that this one has made.
    covers: (difference) =>
      statuses(500, 200)(difference) ||
      (difference.label.endsWith('[accept: ;]') && difference.part === 'x-nextjs-cache' && difference.ours === 'HIT'),
  },
  {
    id: 'label-of-the-client',
    rows: ['F9', 'F9.1'],
    sides: ['handler'],
    covers: (difference) =>
      statuses(500, 200)(difference) ||
      (/\[accept: (text\/html|application\/json)/.test(difference.label) &&
        ['vary', 'content-type', 'content-disposition', 'x-nextjs-cache', 'picture isProgressive'].includes(
          difference.part,
        )),
  },
  {
    id: 'marked-fallback',
    rows: ['E7', 'E8', 'E11', 'S14', 'C6', 'C11', 'X2'],
    sides: ['handler'],
    covers: ({ label, part, reference, ours }) =>
      (part === 'x-unsharp-fallback' && FALLBACK.test(ours ?? reference)) ||
      (part === 'cache-control' && briefly(ours)) ||
      (label === 'cache files' && ours.every(({ maxAge, parts }) => maxAge <= 60 && parts === 6)),
  },
  { id: 'local-body-limit', rows: ['S5'], sides: ['handler'], covers: statuses('no answer', 413) },
  { id: 'other-methods', rows: ['R3'], sides: ['handler'], covers: statuses(500, 200) },
  {
    id: 'absurd-ages',
    rows: ['H2'],
    sides: ['handler'],
    covers: ({ part, reference }) => part === 'cache-control' && reference.includes('max-age=100000000000000000000,'),
  },
]

/** The entry of the list that covers a difference. */
export function listed(row, side, difference) {
  return DIFFERENCES.find((entry) => entry.rows.includes(row) && entry.sides.includes(side) && entry.covers(difference))
}
