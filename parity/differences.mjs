// Where we answer otherwise than Next, on purpose. docs/PARITY.md has the same list for readers; a test compares them.

/**
 * @typedef {object} Listed
 * @property {string} id
 * @property {string[]} [rows] in which it shows; without them, in any
 * @property {string[]} sides
 * @property {(difference: import('./lib/compare.mjs').Difference) => boolean} covers exactly what was expected
 */

/** Whether the two answers have these statuses, which makes all of their headers differ. */
const statuses = (reference, ours) => (difference) =>
  difference.statuses?.[0] === reference && difference.statuses[1] === ours

/** Where our own code answers. */
const OURS = ['handler', 'service']

const FALLBACK = /^ERR_UNSHARP_(DECODE|TIMEOUT|TOO_MANY_PIXELS)$/
const briefly = (header) => Number(/^public, max-age=(\d+), must-revalidate$/.exec(header)?.[1]) <= 60

/** What a service says for what it has tried several times. */
const GATEWAY = /^\{("attempts":3,)?"code":"ERR_UNSHARP_[A-Z_]+","error":"(Bad Gateway|Gateway Timeout)"/

/** @type {Listed[]} */
export const DIFFERENCES = [
  {
    id: 'malformed-url',
    rows: ['P4', 'P10'],
    sides: OURS,
    covers: (difference) =>
      statuses(500, 400)(difference) &&
      (difference.part !== 'body' || difference.ours === '"url" parameter is invalid'),
  },
  {
    id: 'malformed-accept',
    rows: ['F3', 'F3.2'],
    sides: OURS,
    // The header after it names no format either, so it finds the variant that this one has made.
    covers: (difference) =>
      statuses(500, 200)(difference) ||
      (difference.label.endsWith('[accept: ;]') && difference.part === 'x-nextjs-cache' && difference.ours === 'HIT'),
  },
  {
    id: 'label-of-the-client',
    rows: ['F9', 'F9.1'],
    sides: OURS,
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
    sides: OURS,
    covers: ({ label, part, reference, ours }) =>
      (part === 'x-unsharp-fallback' && FALLBACK.test(ours ?? reference)) ||
      (part === 'cache-control' && briefly(ours)) ||
      (label === 'cache files' && ours.every(({ maxAge, parts }) => maxAge <= 60 && parts === 6)),
  },
  { id: 'local-body-limit', rows: ['S5'], sides: OURS, covers: statuses('no answer', 413) },
  { id: 'other-methods', rows: ['R3'], sides: ['handler'], covers: statuses(500, 200) },
  {
    id: 'absurd-ages',
    rows: ['H2'],
    sides: OURS,
    covers: ({ part, reference }) => part === 'cache-control' && reference.includes('max-age=100000000000000000000,'),
  },
  {
    id: 'other-methods-of-a-service',
    rows: ['R2', 'R3', 'H18', 'S24'],
    sides: ['service'],
    // What a method that is not answered doesn't fetch, either.
    covers: ({ label, part, statuses, reference, ours }) =>
      statuses?.[1] === 404 ||
      (label === 'for POST' && ours.length === 0) ||
      (/^upstream hits of \/(POST|PUT|PATCH|DELETE|OPTIONS)/.test(label) && part === 'noted' && reference > ours),
  },
  {
    id: 'bad-gateway',
    rows: ['P9', 'S2', 'S8', 'S11', 'S14', 'S15', 'S19', 'H18', 'R6'],
    sides: ['service'],
    covers: ({ label, part, statuses, reference, ours }) =>
      (statuses?.[1] === 502 && [429, 500, 502, 503, 504].includes(statuses[0])) ||
      (statuses?.[1] === 504 && statuses[0] === 504) ||
      (part === 'body' && GATEWAY.test(ours)) ||
      (label.startsWith('stalled in') && reference.status === ours.status && GATEWAY.test(ours.text)) ||
      (label.startsWith('upstream hits') && ours === 3 * reference),
  },
  {
    id: 'tried-again',
    rows: ['C5'],
    sides: ['service'],
    covers: ({ label, part, reference, ours }) =>
      (label === 'statuses' && reference.every((status) => status === 503) && ours.every((status) => status === 200)) ||
      (label === 'upstream hits of /a.jpg' && reference === 1 && ours === 2) ||
      (part === 'x-nextjs-cache' && reference === 'MISS' && ours === 'HIT'),
  },
  {
    id: 'known-length',
    sides: ['service'],
    covers: ({ part, statuses, reference, ours }) =>
      statuses?.[0] === statuses?.[1] &&
      ((part === 'transfer-encoding' && reference === 'chunked' && !ours) ||
        (part === 'content-length' && !reference && (ours === "the body's" || Number(ours) > 0))),
  },
]

/** The entry of the list that covers a difference. */
export function listed(row, side, difference) {
  return DIFFERENCES.find(
    ({ rows, sides, covers }) => (rows?.includes(row) ?? true) && sides.includes(side) && covers(difference),
  )
}
