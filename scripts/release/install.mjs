// Makes an app that has smoke.mjs and, by npm, packed packages in its node_modules.
//
//   node scripts/release/install.mjs FOLDER APP [--libc=musl …]      the folder has the tarballs; the flags are npm's
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { stop } from '../shell.mjs'
import { startRegistry } from './registry.mjs'
import { installed, tarballsIn } from './ways.mjs'

const [folder, app, ...flags] = process.argv.slice(2)
if (!app) stop('Which folder has the tarballs, and which is to become the app?')
mkdirSync(app, { recursive: true })
const registry = await startRegistry(tarballsIn(path.resolve(folder)))
try {
  await installed(path.resolve(app), registry.origin, flags)
} finally {
  await registry.close()
}
