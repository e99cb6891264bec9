// Installs packed packages as people will, with every package manager, and has each installation make pictures with every Node
// that is supported and with the other runtimes.
//
//   node scripts/release/ways.mjs FOLDER      the folder has the tarballs that scripts/pack.mjs made
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { root, run, stop } from '../shell.mjs'
import { startRegistry } from './registry.mjs'

const system = process.platform === 'win32' ? 'win' : process.platform
const nodePackage = `node-${system}-${process.arch}`

/** The package managers and runtimes, all from npm. */
const TOOLS = {
  node20: `npm:${nodePackage}@20.20.2`,
  node22: `npm:${nodePackage}@22.23.3`,
  node24: `npm:${nodePackage}@24.21.0`,
  pnpm: '12.21.0',
  '@yarnpkg/cli-dist': '4.18.1',
  bun: '1.4.5',
  deno: '2.9.6',
  esbuild: '0.28.1',
}

/** What bundlers make of `require('unsharp')`. */
const BUNDLED = `
const { optimize } = require('unsharp')
optimize(Buffer.from(process.argv[2], 'base64'), { width: 1, format: 'webp' }).then(({ width }) => console.log('width=' + width))
`
/** A PNG of one pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** @returns {Record<string, string[]>} how each tool is called */
export function installTools() {
  const folder = path.join(root, 'target/release-tools')
  const manifest = JSON.stringify({ private: true, dependencies: TOOLS })
  const file = path.join(folder, 'package.json')
  const modules = path.join(folder, 'node_modules')
  if (!existsSync(modules) || readFileSync(file, 'utf8') !== manifest) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, manifest)
    run(['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
  }
  const binary = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
  const bin = (name) => path.join(modules, '.bin', name)
  return {
    'Node 20': [path.join(modules, 'node20', binary)],
    'Node 22': [path.join(modules, 'node22', binary)],
    'Node 24': [path.join(modules, 'node24', binary)],
    pnpm: [process.execPath, path.join(modules, 'pnpm/bin/pnpm.mjs')],
    yarn: [process.execPath, path.join(modules, '@yarnpkg/cli-dist/bin/yarn.js')],
    bun: [bin('bun')],
    deno: [bin('deno')],
    esbuild: [bin('esbuild')],
  }
}

/** Runs a program and resolves to what it printed; its failure is an error with all of that. The registry answers meanwhile. */
async function output([program, ...args], cwd, env) {
  const options = { cwd, env: { ...process.env, ...env }, shell: process.platform === 'win32' && program === 'npm' }
  return (await promisify(execFile)(program, args, options)).stdout
}

/**
 * Makes an app with smoke.mjs and, by npm, unsharp in its node_modules.
 *
 * @param {string} app an empty folder
 * @param {string} origin of the registry
 * @param {string[]} [flags] npm's, such as `--libc=musl`
 */
export async function installed(app, origin, flags = []) {
  writeFileSync(path.join(app, 'package.json'), '{"name":"app","private":true}')
  copyFileSync(path.join(import.meta.dirname, 'smoke.mjs'), path.join(app, 'smoke.mjs'))
  const cache = mkdtempSync(path.join(tmpdir(), 'unsharp-npm-'))
  try {
    await output(
      ['npm', 'install', 'unsharp', ...flags, '--registry', origin, '--cache', cache, '--no-audit', '--no-fund'],
      app,
    )
  } finally {
    rmSync(cache, { recursive: true })
  }
}

/**
 * @param {string} origin of the registry
 * @param {string} caches a folder for those of the package managers
 * @param {Record<string, string[]>} tools
 */
function managers(origin, caches, tools) {
  const yarn = (linker) => ({
    YARN_CACHE_FOLDER: path.join(caches, 'yarn'),
    YARN_ENABLE_GLOBAL_CACHE: 'false',
    YARN_ENABLE_TELEMETRY: '0',
    YARN_GLOBAL_FOLDER: path.join(caches, 'yarn-global'),
    YARN_NODE_LINKER: linker,
    // Without it `import` in a project of PnP finds nothing, whatever it imports.
    YARN_PNP_ENABLE_ESM_LOADER: 'true',
    YARN_NPM_REGISTRY_SERVER: origin,
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
  })
  const registry = ['--registry', origin]
  return {
    npm: {
      install: [
        'npm',
        'install',
        'unsharp',
        ...registry,
        '--cache',
        path.join(caches, 'npm'),
        '--no-audit',
        '--no-fund',
      ],
    },
    'pnpm, isolated': {
      install: [...tools.pnpm, 'add', 'unsharp', ...registry, '--store-dir', path.join(caches, 'pnpm')],
    },
    'yarn, node-modules': { install: [...tools.yarn, 'add', 'unsharp'], env: yarn('node-modules') },
    'yarn, PnP': { install: [...tools.yarn, 'add', 'unsharp'], env: yarn('pnp'), node: [...tools.yarn, 'node'] },
    bun: {
      install: [...tools.bun, 'add', 'unsharp', ...registry],
      env: { BUN_INSTALL_CACHE_DIR: path.join(caches, 'bun') },
    },
  }
}

/**
 * Every way, one after the other.
 *
 * @param {string[]} tarballs
 * @param {(way: string, outcome: string, failed: boolean) => void} report
 */
export async function tryWays(tarballs, report) {
  const tools = installTools()
  const registry = await startRegistry(tarballs)
  const place = realpathSync(mkdtempSync(path.join(tmpdir(), 'unsharp-ways-')))
  const attempt = async (way, work) => {
    try {
      report(way, (await work()).trim().split('\n').at(-1), false)
    } catch (cause) {
      report(way, `${cause.message}\n${cause.stdout ?? ''}${cause.stderr ?? ''}`, true)
    }
  }
  try {
    const known = managers(registry.origin, path.join(place, 'caches'), tools)
    for (const [name, { install, env, node = [process.execPath] }] of Object.entries(known)) {
      const dir = path.join(place, name.replaceAll(/\W+/g, '-'))
      mkdirSync(dir)
      writeFileSync(path.join(dir, 'package.json'), '{"name":"app","private":true}')
      // Without one yarn looks for a project above.
      if (name.startsWith('yarn')) writeFileSync(path.join(dir, 'yarn.lock'), '')
      copyFileSync(path.join(import.meta.dirname, 'smoke.mjs'), path.join(dir, 'smoke.mjs'))
      await attempt(name, async () => {
        const began = performance.now()
        await output(install, dir, env)
        const seconds = ((performance.now() - began) / 1000).toFixed(1)
        return `${(await output([...node, 'smoke.mjs'], dir, env)).trim()}, installed in ${seconds} s`
      })
    }
    const dir = path.join(place, 'npm')
    for (const name of ['Node 20', 'Node 22', 'Node 24', 'bun']) {
      await attempt(`${name}, from npm`, () => output([...tools[name], 'smoke.mjs'], dir))
    }
    await attempt('deno, from npm', () => output([...tools.deno, 'run', '--allow-all', '--no-lock', 'smoke.mjs'], dir))
    writeFileSync(path.join(dir, 'app.cjs'), BUNDLED)
    const away = path.join(place, 'away')
    mkdirSync(away)
    await attempt('bun build --compile', async () => {
      await output([...tools.bun, 'build', '--compile', 'app.cjs', '--outfile', path.join(away, 'app')], dir)
      return output([path.join(away, 'app'), PIXEL], away)
    })
    await attempt('esbuild, .node copied', async () => {
      await output(
        [
          ...tools.esbuild,
          'app.cjs',
          '--bundle',
          '--platform=node',
          '--loader:.node=copy',
          `--outdir=${away}`,
          '--out-extension:.js=.cjs',
        ],
        dir,
      )
      return output([process.execPath, path.join(away, 'app.cjs'), PIXEL], away)
    })
  } finally {
    await registry.close()
    rmSync(place, { recursive: true })
  }
}

/** The tarballs in a folder. */
export const tarballsIn = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => path.join(folder, name))

if (import.meta.filename === process.argv[1]) {
  const folder = process.argv[2] ?? stop('Which folder has the tarballs?')
  let failed = false
  await tryWays(tarballsIn(path.resolve(folder)), (way, outcome, isFailure) => {
    failed ||= isFailure
    console.log(`${isFailure ? 'FAILED' : 'ok    '} ${way}: ${outcome}`)
  })
  if (failed) process.exit(1)
}
