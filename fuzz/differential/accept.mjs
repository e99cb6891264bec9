// Our negotiation against Next's, which asks @hapi/accept and keeps a type that stands in the header.
//
//   npm run fuzz -- differential accept [HEADERS, default 1000000] [SEED, default 1]
import { chance, ours, report, requireNext } from './lib.mjs'

const { mediaType } = requireNext('next/dist/compiled/@hapi/accept')

const headers = Number(process.argv[2] ?? 1_000_000)
const { random, pick, some } = chance(Number(process.argv[3] ?? 1))

const FORMATS = ['image/avif', 'image/webp', 'image/png', 'image/jpeg']
const RANGES = [
  ...['image/avif', 'image/webp', 'image/png', 'image/jpeg', 'image/*', '*/*', 'text/html', 'IMAGE/AVIF', 'Image/WebP'],
  ...['image/svg+xml', 'image/', '/webp', '*/webp', 'image', '*', 'image/apng', 'image /webp', 'image/webp '],
]
const PARAMS = [
  ...['q=0.8', 'q=0', 'q=1', 'q=0.001', 'q=1.5', 'q=-1', 'q=x', 'q=', 'Q=0.5', 'q=.5', 'q=1e-3', 'q="0.5"', 'q=0x1'],
  ...[
    'v=1',
    'v=b3',
    'level="a,b"',
    'level="a;b"',
    'v',
    'v=',
    '=1',
    'a=b=c',
    'q=0.5;q=0.9',
    'V=1',
    'q=Infinity',
    'q= 0.3',
  ],
]
const NOISE = [',', ';', '=', '"', ' ', '\t', 'q', '0', '.', '/', '*', 'image', 'webp', '\\', 'avif', '\u00e9', 'a']

const range = () =>
  pick(RANGES) +
  Array.from({ length: [0, 0, 0, 1, 1, 2][random(6)] }, () => pick([';', '; ', ' ;']) + pick(PARAMS)).join('')

function header() {
  const row = Array.from({ length: 1 + random(5) }, range).join(pick([',', ', ', ' , ', ',,']))
  if (random(5) > 0) return row
  const at = random(row.length + 1)
  return row.slice(0, at) + some(NOISE, 3) + row.slice(at + random(3))
}

/** `getSupportedMimeType` of Next's image optimizer; undefined where it throws. */
function next(accept, formats) {
  try {
    const type = mediaType(accept, formats)
    return accept.includes(type) ? type : ''
  } catch {
    return null
  }
}

const { ask, end } = ours('accept')
const differences = []
let compared = 0
let named = 0
while (compared < headers) {
  const questions = Array.from({ length: 2_000 }, () => ({
    accept: header(),
    formats: FORMATS.filter(() => random(3) > 0),
  }))
  for (const question of questions) if (question.formats.length === 0) question.formats = [pick(FORMATS)]
  const answers = await ask(questions)
  for (const [at, { accept, formats }] of questions.entries()) {
    const expected = next(accept, formats)
    compared++
    if (expected) named++
    if (expected !== answers[at]) {
      const [theirs, found] = [expected, answers[at]].map((answer) => JSON.stringify(answer))
      differences.push(`${JSON.stringify(accept)} for ${formats.join(' ')}: Next says ${theirs}, we say ${found}`)
    }
  }
}
end()
report(`Accept headers (${named} with a type)`, compared, differences)
