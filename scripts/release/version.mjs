// Gives everything in the repository the version that package.json has. `npm version` calls it, and commits what it did:
//
//   npm version minor           sets the version everywhere, dates the changelog, commits and tags
//   node scripts/release/version.mjs [--check]      --check only says what has another version
//   node scripts/release/version.mjs --tag v1.2.3   the same, and whether the tag and the changelog have it
//   node scripts/release/version.mjs --notes        what the changelog says of it
//
// npm/sharp keeps its own version, which stands for the sharp that it takes the place of.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root, stop } from '../shell.mjs'

/** A file's text with the version in it; what does not look as it should is an error. */
function withVersion(file, pattern, version) {
  const before = readFileSync(path.join(root, file), 'utf8')
  if (!pattern.test(before)) throw new Error(`${file} has no place for a version like ${pattern}`)
  return [file, before, before.replace(pattern, (_, head, tail) => `${head}${version}${tail}`)]
}

/**
 * Where the version stands besides package.json.
 *
 * @param {string} version
 * @returns {[file: string, before: string, after: string][]}
 */
export function places(version) {
  const packages = readdirSync(path.join(root, 'npm')).filter((name) => name !== 'sharp')
  return [
    withVersion('Cargo.toml', /^(\[package\]\nname = "unsharp"\nversion = ")[^"]+(")/, version),
    withVersion('Cargo.lock', /(\[\[package\]\]\nname = "unsharp"\nversion = ")[^"]+(")/, version),
    withVersion('npm/sharp/package.json', /("unsharp": ")[^"]+(")/, version),
    ...packages.map((name) => withVersion(`npm/${name}/package.json`, /("version": ")[^"]+(")/, version)),
  ]
}

/**
 * The changelog with what was unreleased under the version.
 *
 * @param {string} changelog
 * @param {string} version
 * @param {string} date such as `2026-11-21`
 */
export function released(changelog, version, date) {
  if (changelog.includes(`\n## [${version}]`)) throw new Error(`the changelog has a section ${version} already`)
  if (notes(changelog, 'Unreleased') === '') throw new Error('the changelog says nothing under [Unreleased]')
  return changelog.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${version}] - ${date}\n`)
}

/**
 * What the changelog says of a version; empty where it has no such section.
 *
 * @param {string} changelog
 * @param {string} version
 */
export function notes(changelog, version) {
  const sections = changelog.split(/^## /m)
  const section = sections.find((text) => text.startsWith(`[${version}]`)) ?? '\n'
  return section.slice(section.indexOf('\n')).trim()
}

/** What keeps the version from being released, where `tag` has been given by that; empty when nothing does. */
function faults(version, changelog, tag) {
  const found = places(version)
    .filter(([, before, after]) => before !== after)
    .map(([file]) => `${file} has not ${version}`)
  if (tag !== undefined && tag !== `v${version}`) found.push(`the tag is ${tag}, and package.json has ${version}`)
  if (tag !== undefined && notes(changelog, version) === '') found.push(`the changelog says nothing of ${version}`)
  return found
}

if (import.meta.filename === process.argv[1]) {
  const [flag, tag] = process.argv.slice(2)
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const file = path.join(root, 'CHANGELOG.md')
  const changelog = readFileSync(file, 'utf8')
  if (flag === '--notes') console.log(notes(changelog, version))
  else if (flag !== undefined) {
    const found = faults(version, changelog, flag === '--tag' ? (tag ?? '') : undefined)
    if (found.length > 0) stop(found.join('\n'))
  } else {
    writeFileSync(file, released(changelog, version, new Date().toISOString().slice(0, 10)))
    for (const [name, , after] of places(version)) writeFileSync(path.join(root, name), after)
  }
}
