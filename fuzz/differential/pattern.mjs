// Our patterns against Next's own, on generated pairs of a pattern and a url.
//
//   npm run fuzz -- differential pattern [PAIRS, default 1000000] [SEED, default 1]
import { chance, ours, report, requireNext } from './lib.mjs'

const { matchRemotePattern } = requireNext('next/dist/shared/lib/match-remote-pattern')
const { matchLocalPattern } = requireNext('next/dist/shared/lib/match-local-pattern')

const pairs = Number(process.argv[2] ?? 1_000_000)
const { random, pick, some } = chance(Number(process.argv[3] ?? 1))

const HOST_GLOBS = [
  'a',
  'b',
  '.',
  '.',
  '*',
  '**',
  'example',
  'com',
  '-',
  '?',
  '{a,b}',
  '[ab]',
  '1',
  '@(a|b)',
  'x',
  '!(a)',
  '+(b)',
]
const PATH_GLOBS = [
  ...['a', 'b', '/', '/', '/', '*', '**', '/**', '/*', '.', 'png', '?', '{a,b/c}', '[a-c]', '-'],
  ...['(a|b)', '!(a)', '+(a|b)', '_', '%20', '{1..3}', '?(b)', '[!a]', '**/', '.*', 'jpg', '@(a|/b)', '\\*', '{a,}'],
]
const HOSTS = ['a', 'b', '.', '.', 'example', 'com', '-', '1', 'x', 'ab', 'aa']
const PATHS = ['a', 'b', '/', '/', '/', '.', 'png', '-', '_', '%20', '1', '2', 'c', '.jpg', '*', '/a/b', '!', 'aa', '(']

const URLS = 20

const hostGlob = () => (random(8) === 0 ? '**' : some(HOST_GLOBS, 7))
const pathGlob = () => `${pick(['/', '/', '/', '**/', '/a/', ''])}${some(PATH_GLOBS, 8)}`

function pattern() {
  const pathname = random(8) === 0 ? undefined : pathGlob()
  const search = random(6) === 0 ? pick(['', '?a', '?a=b']) : undefined
  if (random(3) === 0) return { local: { pathname, search } }
  return {
    remote: {
      hostname: hostGlob(),
      pathname,
      search,
      port: random(6) === 0 ? pick(['', '80', '81']) : undefined,
      protocol: random(6) === 0 ? pick(['http', 'https']) : undefined,
    },
  }
}

function url() {
  for (;;) {
    const text = `${pick(['http', 'https'])}://${some(HOSTS, 6)}${pick(['', '', ':80', ':81'])}/${some(PATHS, 8)}${pick(['', '', '?', '?a', '?a=b'])}`
    // Node 20's parser keeps `/./` behind a name that begins with a dot, against the standard and its own later versions.
    if (URL.canParse(text) && !/\/\.{1,2}(\/|$)/.test(new URL(text).pathname)) return text
  }
}

/** What Next says; an expression that V8 refuses matches nothing there, since picomatch says so. */
const next = ({ remote, local }, text) =>
  remote ? matchRemotePattern(remote, new URL(text)) : matchLocalPattern(local, new URL(text))

/**
 * Three stars or a range in braces make picomatch write its expression anew, and then a dot behind a letter is any
 * character. Ours stays a dot, so that `cdn{1..3}.my.example` does not match cdn1.my-example.
 */
const forgetsDots = (glob = '') =>
  /\*{3}|\{[^{}]*\.\.[^{}]*\}/.test(glob) && glob.replace(/\{[^{}]*\}/g, '').includes('.')

const { ask, end } = ours('pattern')
const differences = []
let compared = 0
let matched = 0
let looser = 0
while (compared < pairs) {
  const questions = Array.from({ length: 500 }, () => ({ ...pattern(), urls: Array.from({ length: URLS }, url) }))
  const answers = await ask(questions)
  for (const [at, question] of questions.entries()) {
    for (const [index, text] of question.urls.entries()) {
      const expected = next(question, text)
      if (expected) matched++
      compared++
      if (expected === (answers[at][index] === '1')) continue
      const { hostname, pathname } = question.remote ?? question.local
      if (expected && (forgetsDots(hostname) || forgetsDots(pathname))) looser++
      else differences.push(`${JSON.stringify(question.remote ?? question.local)} on ${text}: Next says ${expected}`)
    }
  }
}
end()
report(`Patterns (${matched} matches, of them ${looser} by a dot that is none)`, compared, differences)
