import { parseArgs } from 'node:util'
import { namesOf, wholeNumber, wholeNumbers } from './args.mjs'

/** Every format a cell can have, in the order of the report. */
export const FORMATS = ['avif', 'webp', 'jpeg', 'png']

/** Every peer, in the order of the report. sharp is what all others are compared with. */
export const PEERS = ['sharp', 'unsharp', 'napi-rs']

export const USAGE = `Usage: npm run bench:image [-- OPTIONS]

  --images DIR       measure the pictures in DIR; without it, on pictures made for the run
  --json FILE        also write every number to FILE
  --formats LIST     default ${FORMATS.join(',')}
  --widths LIST      px, default 640,1080,1920,3840; a picture is never enlarged
  --quality N        1 to 100 on Next's scale, default 75
  --rounds N         how often each peer gets its turn in a cell, default 5
  --inflight LIST    how many images at once, default 1,4,16
  --peers LIST       default ${PEERS.join(',')}; sharp is always measured
  --matched          also sweep the quality and compare bytes and CPU where it equals sharp's
  --no-decode        leave out the cells that measure decoding
  --no-quality       leave out the scores (they need cargo)
  --unsharp FILE     the addon's entry, default this repository's index.js
  --help`

/**
 * Reads the command line. Answers null when all that is asked for is help.
 *
 * @param {string[]} args
 * @throws {Error} naming the option that can't be used
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      images: { type: 'string' },
      json: { type: 'string' },
      formats: { type: 'string', default: FORMATS.join(',') },
      widths: { type: 'string', default: '640,1080,1920,3840' },
      quality: { type: 'string', default: '75' },
      rounds: { type: 'string', default: '5' },
      inflight: { type: 'string', default: '1,4,16' },
      peers: { type: 'string', default: PEERS.join(',') },
      unsharp: { type: 'string' },
      matched: { type: 'boolean', default: false },
      'no-decode': { type: 'boolean', default: false },
      'no-quality': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const asked = namesOf('peers', values.peers, PEERS)
  if (values.matched && values['no-quality']) {
    throw new Error('--matched compares at equal score, so it needs the scores: leave out --no-quality')
  }
  return {
    images: values.images,
    json: values.json,
    unsharp: values.unsharp,
    formats: namesOf('formats', values.formats, FORMATS),
    widths: wholeNumbers('widths', values.widths, [1, 16383]),
    quality: wholeNumber('quality', values.quality, [1, 100]),
    rounds: wholeNumber('rounds', values.rounds, [1, 1000]),
    inflight: wholeNumbers('inflight', values.inflight, [1, 256]),
    peers: PEERS.filter((peer) => peer === 'sharp' || asked.includes(peer)),
    matched: values.matched,
    decode: !values['no-decode'],
    scores: !values['no-quality'],
  }
}
