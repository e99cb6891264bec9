// Hostile input, in bulk. What is run on it and what must hold is in fuzz/src/targets; docs/SECURITY.md has the figures.
//
//   npm run fuzz -- TARGET|all SECONDS            libFuzzer with AddressSanitizer; `all` shares the seconds out
//   npm run fuzz -- replay [SECONDS [TARGET…]]    the kept inputs and mutations of them, without libFuzzer; what CI runs
//   npm run fuzz -- coverage [SECONDS [TARGET…]]  the same, and how much of our own code that has run
//   npm run fuzz -- minimise [TARGET…]            makes fuzz/corpus/ anew from what has been found, and the seeds
//   npm run fuzz -- differential pattern|accept|pixels [COUNT [SEED]]     against Next's and sharp's own answers
//
// Everything is built with the stable compiler: its AddressSanitizer and coverage need a switch, not another toolchain.
// SANITIZER=none leaves AddressSanitizer out, which is twice as fast; ASM=1 takes the decoders' assembly in.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runWithCoverage } from './coverage.mjs'
import { testApp } from './example.mjs'
import { ASAN, addressSanitizer, host } from './sanitizer.mjs'
import { installModules, requireCompilers } from './setup.mjs'
import { attempt, has, root, run, stop } from './shell.mjs'
import { toolchain } from './toolchain.mjs'

const home = path.join(root, 'fuzz')
const manifest = ['--manifest-path', path.join(home, 'Cargo.toml')]
const targets = readdirSync(path.join(home, 'fuzz_targets')).map((name) => path.parse(name).name)

/** One input may take so long before it counts as a hang, seconds: the limit of its job, and ten times as much for the sanitizer. */
const TIMEOUT_SECS = 25

/** What is kept of a target at most, bytes: all of them together have to stay small. */
const KEPT_BYTES = 90 << 10

/** Where what libFuzzer finds is gathered between runs. */
const found = (target) => path.join(home, 'target/corpus', target)
const kept = (target) => path.join(home, 'corpus', target)
const regressions = (target) => path.join(home, 'regressions', target)

function sanitizer() {
  if (process.env.SANITIZER === 'none') return []
  const flags = addressSanitizer()
  if (flags.length === 0) console.log('This toolchain has no AddressSanitizer. Fuzzing without.')
  return flags
}

/** What `cargo fuzz` passes, in environment variables. */
function instrumentation() {
  const coverage = ['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares', 'stack-depth']
  const flags = ['-Cpasses=sancov-module', ...coverage.map((what) => `-Cllvm-args=-sanitizer-coverage-${what}`)]
  return {
    CARGO_BUILD_TARGET: host,
    CARGO_TARGET_DIR: path.join(home, 'target'),
    RUSTC_BOOTSTRAP: '1',
    RUSTFLAGS: [...flags, ...sanitizer(), '-Ccodegen-units=16', '--cfg=fuzzing'].join(' '),
  }
}

/** Builds the programs of these targets, and returns where they are. */
function buildPrograms(names) {
  requireCompilers()
  if (!has('c++')) stop('Missing: a C++ compiler, for libFuzzer. Install: sudo apt-get install g++')
  const env = instrumentation()
  const features = process.env.ASM ? ['--features', 'asm'] : []
  run(
    ['cargo', 'build', '--locked', '--release', ...manifest, ...features, ...names.flatMap((name) => ['--bin', name])],
    { env },
  )
  return path.join(env.CARGO_TARGET_DIR, host, 'release')
}

/**
 * Builds one of the programs that need no libFuzzer, from the dependencies that the addon for the tests is built from.
 *
 * @param {string} name
 * @param {{ counted?: boolean }} [options] whether our own code counts what of it is run
 */
async function buildPlain(name, { counted = false } = {}) {
  requireCompilers()
  const { env, features } = await toolchain()
  const folder = path.join(root, 'target')
  const chosen = ['--no-default-features', '--features', features.filter((feature) => feature === 'asm').join(',')]
  // cargo does not see the flag that the wrapper adds. The other level makes another build of our crates, and a quick one.
  const how = counted ? ['--config', 'profile.dev.package.unsharp-image.opt-level=1'] : []
  const wrapper = counted ? { RUSTC_WRAPPER: path.join(root, 'scripts/rustc-coverage.sh') } : {}
  run(['cargo', 'build', '--locked', ...manifest, ...how, ...chosen, '--bin', name], {
    env: { ...env, ...wrapper, CARGO_TARGET_DIR: folder },
  })
  return path.join(folder, host, 'debug', name)
}

function fuzz(names, seconds) {
  const programs = buildPrograms(names)
  const share = Math.max(1, Math.floor(seconds / names.length))
  const failed = names.filter((target) => {
    const artifacts = path.join(home, 'artifacts', target, '/')
    for (const folder of [found(target), artifacts]) mkdirSync(folder, { recursive: true })
    const inputs = [found(target), kept(target), regressions(target)].filter((folder) => existsSync(folder))
    const options = [
      `-max_total_time=${share}`,
      `-timeout=${TIMEOUT_SECS}`,
      '-rss_limit_mb=2048',
      '-print_final_stats=1',
    ]
    const command = [
      path.join(programs, target),
      ...inputs,
      ...options,
      '-max_len=8192',
      `-artifact_prefix=${artifacts}`,
    ]
    return !attempt(command, { env: ASAN })
  })
  if (failed.length > 0) stop(`Failed: ${failed.join(', ')}. The inputs are under fuzz/artifacts.`)
}

/** The smallest set of inputs that reaches what all of them reach. */
function minimise(names) {
  const programs = buildPrograms(names)
  const seeds = mkdtempSync(path.join(tmpdir(), 'unsharp-seeds-'))
  installModules()
  run([process.execPath, path.join(home, 'seeds.mjs'), seeds])
  for (const target of names) {
    const sources = [path.join(seeds, target), kept(target), found(target)].filter((folder) => existsSync(folder))
    const merged = mkdtempSync(path.join(tmpdir(), 'unsharp-merged-'))
    run([path.join(programs, target), '-merge=1', `-timeout=${TIMEOUT_SECS}`, merged, ...sources], { env: ASAN })
    rmSync(kept(target), { recursive: true, force: true })
    mkdirSync(kept(target), { recursive: true })
    copySmallest(merged, kept(target))
    rmSync(merged, { recursive: true })
  }
  rmSync(seeds, { recursive: true })
}

/** The smallest files first, as far as there is room. */
function copySmallest(from, to) {
  const files = readdirSync(from).map((name) => ({ name, bytes: statSync(path.join(from, name)).size }))
  files.sort((one, other) => one.bytes - other.bytes || (one.name < other.name ? -1 : 1))
  let bytes = 0
  for (const file of files) {
    bytes += file.bytes
    if (bytes > KEPT_BYTES) break
    // Sixteen letters of the hash that libFuzzer names it by.
    cpSync(path.join(from, file.name), path.join(to, file.name.slice(0, 16)))
  }
}

async function differential(kind, args) {
  const kinds = readdirSync(path.join(home, 'differential')).map((name) => path.parse(name).name)
  if (!kinds.includes(kind) || kind === 'lib') stop('Compare what? pattern, accept or pixels.')
  installModules()
  if (kind !== 'pixels') installModules(testApp)
  const env = { UNSHARP_ANSWER: await buildPlain('answer') }
  run([process.execPath, path.join(home, 'differential', `${kind}.mjs`), ...args], { env })
}

const [what, ...rest] = process.argv.slice(2)
if (what === 'replay') run([await buildPlain('replay'), ...rest])
else if (what === 'coverage') {
  const program = await buildPlain('replay', { counted: true })
  runWithCoverage([program, ...rest], path.join(home, 'target/coverage'))
} else if (what === 'differential') await differential(rest[0], rest.slice(1))
else if (what === 'minimise') minimise(rest.length > 0 ? rest : targets)
else if (what === 'all' || targets.includes(what)) fuzz(what === 'all' ? targets : [what], Number(rest[0] ?? 60))
else stop(`Fuzz what? all, replay, coverage, minimise, differential, or one of:\n  ${targets.join(' ')}`)
