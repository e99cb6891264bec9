// The Next apps of this repository: installed and built.
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { installModules } from './setup.mjs'
import { root, run } from './shell.mjs'

/** The demo. */
export const example = path.join(root, 'examples/next')

/** The app that the tests of the handler ask. */
export const testApp = path.join(root, '__test__/next')

/** What is made, not written; and `server.mjs` with its scripts, which `next build` does not read. */
const NOT_BUILT_FROM = ['node_modules', '.next', '.parity', 'next-env.d.ts', 'scripts', 'server.mjs', 'README.md']

/** When the newest of the files that an app is built from was changed, ms. */
function changed(folder) {
  const names = readdirSync(folder)
    .filter((name) => !NOT_BUILT_FROM.includes(name))
    .map((name) => path.join(folder, name))
  const files = names.flatMap((name) => {
    if (!statSync(name).isDirectory()) return [name]
    return readdirSync(name, { recursive: true }).map((inner) => path.join(name, inner))
  })
  files.push(path.join(folder, 'node_modules/.package-lock.json'))
  return Math.max(...files.map((file) => statSync(file).mtimeMs))
}

/**
 * Installs an app and runs `next build`, unless the last build is newer than everything it was made of.
 *
 * @param {string} folder the app
 */
export function buildApp(folder) {
  installModules(folder)
  const built = path.join(folder, '.next/BUILD_ID')
  if (existsSync(built) && statSync(built).mtimeMs > changed(folder)) return
  run([path.join(folder, 'node_modules/.bin/next'), 'build'], { cwd: folder })
}
