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

/** The texts, each once, with the crates that come with it. */
function texts(all) {
  const found = new Map()
  for (const crate of all) {
    for (const file of chosen(crate)) {
      const text = readFileSync(file, 'utf8').replaceAll('\r\n', '\n').replaceAll('\f', '').trim()
      // The same words, whatever the width of the lines.
      const key = text.replaceAll(/\s+/g, ' ')
      const entry = found.get(key) ?? { text, names: new Set() }
      entry.names.add(`${crate.name} ${crate.version}${crate.library ? ` with ${crate.library.name}` : ''}`)
      found.set(key, entry)
    }
  }
  return [...found.values()]
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
    ...texts(all).flatMap(({ names, text }) => [`### ${[...names].join(', ')}`, fenced(text)]),
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
