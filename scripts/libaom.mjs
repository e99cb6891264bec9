// @ts-check
// Finds or builds the newest libaom that can be stopped while it encodes, and has cargo link that one. The one that libaom-sys
// builds of its own accord is older and can't be stopped; with it the encoder answers with an error.
//
//   node scripts/libaom.mjs     prints { version, source, env } or null as JSON; `env` is what cargo needs
//
// Tried in this order, each failure with a line on stderr:
//   1. UNSHARP_LIBAOM: a folder with an installed static library, a source tarball, or `bundled` for 3. at once
//   2. the pinned source: Debian's source package, else the project's own release tarball
//   3. the source of 3.11 that comes with libaom-sys, for which the encoder has settings of its own
// Where all fail there is none, and AVIF is encoded by ravif.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

/** @typedef {{ version: string, source: string, env: Record<string, string> }} Libaom */
/** @typedef {(line: string) => void} Log */
/** @typedef {Record<string, string>} Compiler the variables CC, CXX, AR and RANLIB */

const VERSION = '3.14.1'
/** What libaom-sys brings. */
export const BUNDLED = '3.11.0'
/** The same release, packed twice: `debian` is what Debian ships, `release` is the project's own. */
const SHA256 = {
  debian: '4ef9882eda023582499511b845f4d4368a34c9886f545a7eea4ca20799d3c161',
  release: '44bf90dbd23e734d50e70a8c41c285193922938bd0d3bc2ee56764d181d55ef5',
}
const RELEASE_URL = `https://storage.googleapis.com/aom-releases/libaom-${VERSION}.tar.gz`
/** Where Debian's package debian-archive-keyring puts the keys. */
const KEYRINGS = ['pgp', 'gpg'].map((type) => `/usr/share/keyrings/debian-archive-keyring.${type}`)
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const CACHE = resolve(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'libaom')
/** Without this one a library is not used. */
const STOP_PATCH = join(ROOT, 'scripts', 'libaom-stop.patch')
/** Halves the memory of an encoder and its code, takes a tenth to a fifth off its time, and changes no byte of what comes out; says itself how. */
const PATCH = join(ROOT, 'scripts', 'libaom.patch')
/** What the first one adds to the library's header. */
const STOP_CONTROL = 'AV1E_SET_STOP_CALLBACK'

// Only the encoder, only 8 bits (the output is the same without high bit depth, and the code a third
// smaller), nothing that is not the library. The right SIMD code is chosen at run time.
const CMAKE_OPTIONS = [
  '-DCMAKE_BUILD_TYPE=Release',
  // A section for each function, so that the linker leaves out what is never called, and no tables for unwinding, since
  // nothing is thrown through C. Windows unwinds even a longjmp by them.
  ...(process.platform === 'win32'
    ? []
    : ['-DCMAKE_C_FLAGS=-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables']),
  '-DCMAKE_INSTALL_LIBDIR=lib',
  '-DBUILD_SHARED_LIBS=0',
  '-DCONFIG_PIC=1',
  '-DCONFIG_AV1_DECODER=0',
  '-DCONFIG_AV1_HIGHBITDEPTH=0',
  '-DCONFIG_DENOISE=0',
  '-DCONFIG_LIBYUV=0',
  '-DCONFIG_RUNTIME_CPU_DETECT=1',
  '-DCONFIG_WEBM_IO=0',
  '-DENABLE_DOCS=0',
  '-DENABLE_EXAMPLES=0',
  '-DENABLE_TESTS=0',
  '-DENABLE_TESTDATA=0',
  '-DENABLE_TOOLS=0',
]

/**
 * The best libaom that can be had here and the environment with which cargo links it, if there is one.
 *
 * @param {{ log?: Log, compiler?: Compiler }} [options] `log` gets one line for each step that fails and for a build
 * @returns {Promise<Libaom | undefined>}
 */
export async function libaomEnv({ log = (line) => console.error(line), compiler } = {}) {
  for (const find of [fromEnvironment, fromPinnedSource, fromBundledSource]) {
    try {
      const found = await find(log, compiler)
      if (found) return found
    } catch (error) {
      log(`libaom: ${find.label}: ${reason(error)}`)
    }
  }
}

/** @param {Log} log @param {Compiler} [compiler] */
async function fromEnvironment(log, compiler) {
  const given = process.env.UNSHARP_LIBAOM
  if (!given) return null
  if (given === 'bundled') return fromBundledSource(log, compiler)
  const path = resolve(given)
  if ((await stat(path)).isDirectory()) return installed(path, 'UNSHARP_LIBAOM')
  const digest = await sha256(path)
  const prefix = join(CACHE, `${digest.slice(0, 16)}-${await recipe(compiler)}`)
  if (!existsSync(prefix)) await build(path, prefix, log, compiler)
  return installed(prefix, 'UNSHARP_LIBAOM')
}
fromEnvironment.label = 'UNSHARP_LIBAOM'

/** @param {Log} log @param {Compiler} [compiler] */
async function fromPinnedSource(log, compiler) {
  const prefix = join(CACHE, `${VERSION}-${await recipe(compiler)}`)
  if (!existsSync(prefix)) {
    await requireTools()
    await inScratch(async (scratch) => build(await pinnedSource(scratch, log), prefix, log, compiler))
  }
  return installed(prefix, 'built')
}
fromPinnedSource.label = `the source of ${VERSION}`

/** @param {Log} log @param {Compiler} [compiler] */
async function fromBundledSource(log, compiler) {
  const prefix = join(CACHE, `${BUNDLED}-${await recipe(compiler)}`)
  if (!existsSync(prefix)) {
    await requireTools()
    const metadata = await run('cargo', ['metadata', '--format-version', '1', '--locked'], { cwd: ROOT })
    const crate = JSON.parse(metadata).packages.find(({ name }) => name === 'libaom-sys')
    await build(join(dirname(crate.manifest_path), 'vendor'), prefix, log, compiler)
  }
  return installed(prefix, 'bundled')
}
fromBundledSource.label = `the source of ${BUNDLED}`

async function requireTools() {
  const found = await Promise.all(['cmake', 'patch', 'perl'].map((program) => works(program, ['--version'])))
  if (found.includes(false)) throw new Error('building it needs cmake, patch and perl')
}

/**
 * @param {string} scratch
 * @param {Log} log
 */
async function pinnedSource(scratch, log) {
  try {
    return await checked(await debianSource(scratch), SHA256.debian)
  } catch (error) {
    log(`libaom: Debian's source package: ${reason(error)}`)
  }
  const response = await fetch(RELEASE_URL, { signal: AbortSignal.timeout(60_000) })
  if (!response.ok) throw new Error(`${RELEASE_URL} answers ${response.status}`)
  const file = join(scratch, `libaom-${VERSION}.tar.gz`)
  await writeFile(file, new Uint8Array(await response.arrayBuffer()))
  return checked(file, SHA256.release)
}

/**
 * Fetches the source package through apt, in folders of its own so that the machine's lists stay as they
 * are. The mirror is the one from which the machine gets its own Debian packages.
 *
 * @param {string} scratch
 */
async function debianSource(scratch) {
  const repositories = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'])
  const mirror = repositories.split('\n').find((uri) => /\/debian\/?$/.test(uri))
  if (!mirror) throw new Error('apt knows no Debian mirror here')
  // Where the keyring is elsewhere, apt looks among the keys that it trusts for everything.
  const key = KEYRINGS.find(existsSync)
  const apt = join(scratch, 'apt')
  for (const folder of ['lists/partial', 'cache/archives/partial']) await mkdir(join(apt, folder), { recursive: true })
  await writeFile(join(apt, 'sources.list'), `deb-src ${key ? `[signed-by=${key}] ` : ''}${mirror} sid main\n`)
  const options = [
    ['Dir::Etc::sourcelist', join(apt, 'sources.list')],
    ['Dir::Etc::sourceparts', '/dev/null'],
    ['Dir::State::lists', join(apt, 'lists')],
    ['Dir::Cache', join(apt, 'cache')],
    // The scratch folder belongs to whoever runs this, not to apt's own user.
    ['APT::Sandbox::User', ''],
    ['Acquire::Retries', '2'],
    ['Acquire::http::Timeout', '30'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`])
  await run('apt-get', [...options, 'update'], { cwd: scratch })
  await run('apt-get', [...options, 'source', '--download-only', `aom=${VERSION}-1`], { cwd: scratch })
  return join(scratch, `aom_${VERSION}.orig.tar.xz`)
}

/**
 * Compiles a source and moves the result to `prefix` in one step, so that what is there is whole.
 *
 * @param {string} given a tarball or a folder
 * @param {string} prefix
 * @param {Log} log
 * @param {Compiler} [compiler]
 */
async function build(given, prefix, log, compiler) {
  const env = { ...process.env, ...compiler }
  const jobs = String(availableParallelism())
  await inScratch(async (scratch) => {
    const source = join(scratch, 'source')
    if ((await stat(given)).isDirectory()) {
      await cp(given, source, { recursive: true })
    } else {
      await mkdir(source)
      await run('tar', ['-xf', given, '-C', source])
    }
    // Debian packs the files themselves, the project packs one folder.
    const entries = await readdir(source)
    const top = entries.length === 1 ? join(source, entries[0]) : source
    await patch(top, log)
    const ninja = (await works('ninja', ['--version'])) ? ['-G', 'Ninja'] : []
    const [work, staged] = [join(scratch, 'build'), join(scratch, 'installed')]
    log(`libaom: building ${given} with ${jobs} jobs, once`)
    const options = [`-DCMAKE_INSTALL_PREFIX=${prefix}`, ...(await cmakeOptions(compiler))]
    await run('cmake', ['-S', top, '-B', work, ...ninja, ...options], { env })
    await run('cmake', ['--build', work, '--parallel', jobs])
    await run('cmake', ['--install', work], { env: { ...process.env, DESTDIR: staged } })
    await rename(join(staged, prefix), prefix).catch((error) => {
      // Another process was faster, with the same result.
      if (!existsSync(prefix)) throw error
    })
  })
}

/**
 * A source that the second patch does not fit is built without it.
 *
 * @param {string} source
 * @param {Log} log
 */
async function patch(source, log) {
  await applied(STOP_PATCH, source)
  try {
    await applied(PATCH, source)
  } catch (error) {
    log(
      `libaom: without scripts/libaom.patch, so encoding takes more memory and time, and the addon is larger: ${reason(error)}`,
    )
  }
}

/**
 * Wholly or not at all.
 *
 * @param {string} file
 * @param {string} source
 */
async function applied(file, source) {
  const how = ['-p1', '--batch', '--forward', '--fuzz=0', '-d', source, '-i', file]
  await run('patch', [...how, '--dry-run'])
  await run('patch', how)
}

/** What names a build apart from its source, so that a change here is a new build. */
async function recipe(compiler = {}) {
  const hash = createHash('sha256')
  for (const file of [STOP_PATCH, PATCH, ...Object.values(compiler)]) hash.update(await readFile(file))
  const options = await cmakeOptions(compiler)
  return hash.update(options.join(' ')).digest('hex').slice(0, 8)
}

/**
 * clang's code is faster at -O2 than gcc's at -O3, which is cmake's choice, and a quarter smaller than its own there.
 * gcc's is a quarter smaller as well, but 6 % slower.
 *
 * @param {Compiler} [compiler]
 */
async function cmakeOptions(compiler) {
  const version = await run(compiler?.CC ?? process.env.CC ?? 'cc', ['--version']).catch(() => '')
  return version.includes('clang') ? [...CMAKE_OPTIONS, '-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG'] : CMAKE_OPTIONS
}

/**
 * @param {string} prefix
 * @param {string} source
 * @returns {Promise<Libaom>}
 */
async function installed(prefix, source) {
  const libdir = join(prefix, 'lib')
  if (!existsSync(join(libdir, 'libaom.a'))) throw new Error(`${libdir} holds no libaom.a`)
  const header = await readFile(join(prefix, 'include', 'aom', 'aomcx.h'), 'utf8')
  if (!header.includes(STOP_CONTROL)) throw new Error(`${prefix} was built without scripts/libaom-stop.patch`)
  const pkgconfig = join(libdir, 'pkgconfig')
  const version = /^Version:\s*(\S+)/m.exec(await readFile(join(pkgconfig, 'aom.pc'), 'utf8'))?.[1]
  if (!version) throw new Error(`${pkgconfig}/aom.pc names no version`)
  // libaom-sys takes the library only when all three are set, and builds again when one changes.
  const env = {
    LIB_AOM_STATIC_LIB_PATH: libdir,
    LIB_AOM_INCLUDE_PATH: join(prefix, 'include'),
    LIB_AOM_PKG_CONFIG_PATH: pkgconfig,
  }
  return { version, source, env }
}

/**
 * @template T
 * @param {(scratch: string) => Promise<T>} work
 */
async function inScratch(work) {
  await mkdir(CACHE, { recursive: true })
  // Beside the result, so that the rename stays within one file system.
  const scratch = await mkdtemp(join(CACHE, '.building-'))
  try {
    return await work(scratch)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/**
 * @param {string} file
 * @param {string} expected
 */
async function checked(file, expected) {
  const digest = await sha256(file)
  if (digest !== expected) throw new Error(`${file} has the SHA-256 ${digest}, not ${expected}`)
  return file
}

/** @param {string} file */
async function sha256(file) {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function works(command, args) {
  return run(command, args).then(
    () => true,
    () => false,
  )
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').ExecFileOptions} [options]
 * @returns {Promise<string>} what it printed, trimmed
 */
async function run(command, args, options) {
  const { stdout } = await promisify(execFile)(command, args, { ...options, encoding: 'utf8', maxBuffer: 64 << 20 })
  return stdout.trim()
}

/** @param {unknown} error */
function reason(error) {
  const { message, stderr } = /** @type {{ message?: string, stderr?: string }} */ (error ?? {})
  const lines = (stderr?.trim() || message?.trim() || String(error)).split('\n')
  return lines[lines.length - 1]
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify((await libaomEnv()) ?? null, null, 2))
}
