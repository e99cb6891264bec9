// Writes a platform package's bill of materials in CycloneDX: the crates as cargo-cyclonedx lists them, and the C libraries
// inside of some of them, of which cargo knows nothing.
//
//   node scripts/release/sbom.mjs PLATFORM FILE
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { underNpm } from '../pack.mjs'
import { featuresOf, platforms, readJson } from '../platforms.mjs'
import { installCargoTool } from '../setup.mjs'
import { root, run, stop } from '../shell.mjs'
import { crates } from './crates.mjs'

/** The parsed list of the crates. */
function ofCargo(triple, features) {
  const folder = installCargoTool('cargo-cyclonedx', '0.5.9')
  const env = folder ? { PATH: `${process.env.PATH}${path.delimiter}${folder}` } : {}
  const graph = [
    '--target',
    triple,
    '--no-build-deps',
    '--no-default-features',
    '--features',
    ['binding', ...features].join(','),
  ]
  // It writes beside each Cargo.toml of the workspace and nowhere else.
  const name = `sbom-${process.pid}`
  const how = ['--format', 'json', '--spec-version', '1.5', '--override-filename', name, '--quiet']
  run(['cargo', 'cyclonedx', ...how, ...graph], { env })
  const file = path.join(root, `${name}.json`)
  const members = readdirSync(path.join(root, 'crates')).map((crate) =>
    path.join(root, 'crates', crate, `${name}.json`),
  )
  try {
    return JSON.parse(readFileSync(file, 'utf8').replaceAll(`path+file://${root}#`, 'path+file:///unsharp#'))
  } finally {
    for (const written of [file, ...members]) rmSync(written, { force: true })
  }
}

/** @param {ReturnType<typeof crates>[number]} crate one with a C library */
function component({ library }) {
  return {
    type: 'library',
    'bom-ref': `c:${library.name}`,
    name: library.name,
    version: library.version,
    scope: 'required',
    licenses: [{ expression: library.licence }],
    purl: `pkg:generic/${library.name}@${encodeURIComponent(library.version)}`,
    externalReferences: [{ type: 'vcs', url: library.source }],
  }
}

/**
 * @param {string} platform one whose addon is under npm/
 * @param {string} file where the list goes
 */
export function writeSbom(platform, file) {
  const { triple } = platforms().get(platform) ?? stop(`There is no platform ${platform}.`)
  const bill = ofCargo(triple, featuresOf(platform))
  for (const crate of crates([triple]).filter(({ library }) => library)) {
    const owner = bill.components.find(({ name, version }) => name === crate.name && version === crate.version)
    // Left out by the features of this platform.
    if (!owner) continue
    const part = component(crate)
    bill.components.push(part)
    bill.dependencies.push({ ref: part['bom-ref'] })
    const edge = bill.dependencies.find(({ ref }) => ref === owner['bom-ref'])
    edge.dependsOn = [...(edge.dependsOn ?? []), part['bom-ref']]
  }
  const { name, version } = readJson(`npm/${platform}/package.json`)
  const content = createHash('sha256')
    .update(readFileSync(underNpm(platform)))
    .digest('hex')
  const { components: _, ...self } = bill.metadata.component
  bill.metadata.component = {
    ...self,
    name,
    version,
    purl: `pkg:npm/${name}@${version}`,
    hashes: [{ alg: 'SHA-256', content }],
  }
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, `${JSON.stringify(bill, null, 2)}\n`)
  renameSync(`${file}.new`, file)
}

if (import.meta.filename === process.argv[1]) {
  const [platform, file] = process.argv.slice(2)
  if (!file) stop('Which platform, and which file?')
  writeSbom(platform, path.resolve(file))
}
