// The layer rule: dependencies point one way.
//
//   binding -> service -> handler -> request, negotiate, key, cache, flight, upstream, response, … -> image -> error
//
// napi is named in src/binding only, and the core tier has no runtime and no network in its graph.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root, stop } from './shell.mjs'

/** The higher a module, the more it may name. Modules that are not listed stand on the level of `request`. */
const LEVELS = { error: 0, image: 1, handler: 3, service: 4, binding: 5 }
const MIDDLE = 2

/** Crates that bring in a runtime, the network or Node. */
const NOT_IN_CORE = /^(napi|napi-.*|tokio|hyper|reqwest|rustls|object_store|redis)$/

const level = (module) => LEVELS[module] ?? MIDDLE

/** Rust source without what is no code: comments and the contents of strings. */
function codeOf(source) {
  return source.replace(/\/\/.*$/gm, '').replace(/"(?:[^"\\]|\\.)*"/g, '""')
}

/** The top-level modules of the crate that a source file names. */
function modulesNamedIn(code) {
  const single = [...code.matchAll(/\bcrate::(\w+)/g)].map(([, name]) => name)
  const grouped = [...code.matchAll(/\bcrate::\{([\s\S]*?)\};/g)].flatMap(([, list]) => {
    // Only the first name of each item on the outer level is a module of the crate.
    const outer = list.replace(/\{[^{}]*\}/g, '')
    return outer.split(',').map((item) => item.trim().split('::')[0])
  })
  // `crate::Result` and `crate::Error` are error's, re-exported at the root.
  return new Set([...single, ...grouped].filter((name) => /^[a-z]/.test(name)))
}

/** What breaks the rule in the sources, as lines for the reader. */
export function brokenImports(sources, modules) {
  return sources.flatMap(({ file, source }) => {
    const own = file.split(/[/.]/)[0]
    if (own === 'lib') return []
    const code = codeOf(source)
    const broken = [...modulesNamedIn(code)]
      .filter((name) => name !== own && modules.has(name))
      .filter((name) => level(name) > level(own) || (level(name) === level(own) && level(own) !== MIDDLE))
      .map((name) => `src/${file} names crate::${name}`)
    if (own !== 'binding' && /\bnapi(_derive)?\b/.test(code)) broken.push(`src/${file} names napi`)
    return broken
  })
}

function readSources() {
  const folder = path.join(root, 'src')
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.rs'))
    .map((file) => ({ file, source: readFileSync(path.join(folder, file), 'utf8') }))
}

function cratesOfCore() {
  const args = ['tree', '--no-default-features', '-e', 'normal', '--prefix', 'none', '--format', '{p}']
  const tree = execFileSync('cargo', args, { cwd: root, encoding: 'utf8' })
  return new Set(tree.split('\n').map((line) => line.split(' ')[0]))
}

if (import.meta.filename === process.argv[1]) {
  const sources = readSources()
  const modules = new Set(sources.map(({ file }) => file.split(/[/.]/)[0]).filter((name) => name !== 'lib'))
  const broken = brokenImports(sources, modules)
  const inCore = [...cratesOfCore()].filter((name) => NOT_IN_CORE.test(name))
  broken.push(...inCore.map((name) => `the core tier depends on ${name}`))
  if (broken.length > 0) stop(`The layer rule is broken:\n  ${broken.join('\n  ')}`)
  console.log(`Layers: ${sources.length} source files and the core tier's dependencies point one way.`)
}
