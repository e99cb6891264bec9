// Writes THIRD_PARTY.md: what of other people's is inside the addons, and the terms on which it may be passed on.
//
//   node scripts/release/third-party.mjs [--check]      --check only says whether the file is what it would write
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root, stop } from '../shell.mjs'
import { crates } from './crates.mjs'

const FILE = path.join(root, 'THIRD_PARTY.md')

/** Of two licences to choose from we take MIT, which leaves out the one text that is long. */
function chosen({ licence, texts }) {
  const hasMit = licence.includes(' OR ') && texts.some((file) => /mit/i.test(path.basename(file)))
  return hasMit ? texts.filter((file) => !/apache/i.test(path.basename(file))) : texts
}

/** Where the terms of MIT, BSD and ISC begin. What comes before is whose they are, and differs from crate to crate. */
const TERMS = /^[ \t]*(?:Permission (?:is hereby granted|to use)|Redistribution and use)/m

/** The terms, each once, with the notices that come before them and the crates that come with those. */
function texts(all) {
  const found = new Map()
  for (const crate of all) {
    for (const file of chosen(crate)) {
      const text = readFileSync(file, 'utf8').replaceAll('\r\n', '\n').replaceAll('\f', '').trim()
      const split = Math.max(text.search(TERMS), 0)
      const [notice, terms] = [text.slice(0, split).trim(), text.slice(split).trim()]
      const { notices } = at(found, oneLine(terms), { terms, notices: new Map() })
      const { names } = at(notices, oneLine(notice), { notice, names: new Set() })
      names.add(`${crate.name} ${crate.version}${crate.library ? ` with ${crate.library.name}` : ''}`)
    }
  }
  return [...found.values()].map(({ terms, notices }) => ({ terms, notices: [...notices.values()] }))
}

/** The same words, whatever the width of the lines. */
const oneLine = (text) => text.replaceAll(/\s+/g, ' ')

/** What `map` has for `key`, which is `value` when there was nothing. */
function at(map, key, value) {
  if (!map.has(key)) map.set(key, value)
  return map.get(key)
}

/** One heading for all who share the terms, then each notice below the crates that it is from. */
function section({ terms, notices }) {
  const [{ notice, names }, ...others] = notices
  if (others.length === 0) return [`### ${[...names].join(', ')}`, fenced(`${notice}\n\n${terms}`.trim())]
  const listed = notices.map(({ notice, names }) => `For ${[...names].join(', ')}:\n\n${notice}`.trim())
  return [`### The same terms ${notices.length} times`, fenced(`${listed.join('\n\n')}\n\nAll of them:\n\n${terms}`)]
}

/** Rows of text in a fence that nothing in them closes. */
const fenced = (text) =>
  `~~~~~~text\n${text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n~~~~~~`

const row = (...cells) => `| ${cells.join(' | ')} |`
const table = (head, rows) =>
  [row(...head), row(...head.map(() => '---')), ...rows.map((cells) => row(...cells))].join('\n')

/** @returns {string} the whole file */
export function thirdParty() {
  const all = crates()
  const libraries = all.filter(({ library }) => library)
  const bare = all.filter((crate) => crate.texts.length === 0)
  return `${[
    '# Third-party software',
    'What the addons of unsharp are made of besides unsharp itself, on all platforms together. Written by\n`node scripts/release/third-party.mjs`; no hand changes it. Where a licence can be chosen, unsharp takes MIT.',
    '## C libraries',
    'They encode pixels and decode nothing.',
    table(
      ['library', 'version', 'licence', 'source', 'by the crate'],
      libraries.map(({ library, name, version }) => [
        library.name,
        library.version,
        library.licence,
        library.source,
        `${name} ${version}`,
      ]),
    ),
    "A binary also holds the parts of the Rust standard library that it uses (MIT OR Apache-2.0, https://github.com/rust-lang/rust) and,\non Linux, LLVM's libunwind (Apache-2.0 WITH LLVM-exception, https://github.com/llvm/llvm-project).",
    'This software is based in part on the work of the Independent JPEG Group.',
    '## Crates',
    table(
      ['crate', 'version', 'licence', 'source'],
      all.map(({ name, version, licence, source }) => [name, version, licence, source]),
    ),
    '## Licences',
    ...texts(all).flatMap(section),
    `### ${bare.map(({ name, version }) => `${name} ${version}`).join(', ')}`,
    'These crates name their licence and bring no text of it; the licence of the same name above has it.',
  ].join('\n\n')}\n`
}

if (import.meta.filename === process.argv[1]) {
  const wanted = thirdParty()
  if (process.argv[2] !== '--check') writeFileSync(FILE, wanted)
  else if (readFileSync(FILE, 'utf8') !== wanted) {
    stop('THIRD_PARTY.md is not what the lock says. Write it anew: node scripts/release/third-party.mjs')
  }
}
