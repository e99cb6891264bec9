// Platformatic's optimizer as a peer of the service.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { freePort } from '../../__test__/support/ports.mjs'
import { installModules } from '../../scripts/setup.mjs'

const FOLDER = path.resolve(import.meta.dirname, '../peers/platformatic')

/** What starts it, over the same upstream as the others. Installs it the first time. */
export async function platformatic(upstream) {
  installModules(FOLDER)
  // It looks for a build, and takes an empty one.
  mkdirSync(path.join(FOLDER, '.next'), { recursive: true })
  const port = await freePort()
  const node = path.join(FOLDER, 'node_modules/node/bin/node')
  const env = { NODE_ENV: 'production', PORT: String(port), PEER_FALLBACK: upstream.origin }
  return { command: [node, 'start.mjs'], cwd: FOLDER, env, port }
}
