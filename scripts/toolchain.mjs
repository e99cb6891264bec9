// What cargo is called with: the features that this machine can build, and the environment they need. Every script
// takes it from here, because cargo builds everything anew when one of two calls has another environment.

import { execFileSync } from 'node:child_process'
import { encoderTools, howToInstall, installTools } from './setup.mjs'
import { has } from './shell.mjs'

/**
 * The addon is always built for a target by name, which has a folder of its own under target/. With the same name in
 * every call, the tests and the checks find there what has been compiled already.
 */
function hostTarget() {
  const printed = execFileSync('rustc', ['-vV'], { encoding: 'utf8' })
  return { CARGO_BUILD_TARGET: /^host: (.*)$/m.exec(printed)[1] }
}

/**
 * @returns {Promise<{ features: string[], env: Record<string, string> }>} the features of the codecs, without the
 *   tiers `server` and `binding`, and what cargo's environment has to hold
 */
export async function toolchain() {
  const missing = installTools(encoderTools)
  const nasm = process.arch !== 'x64' || has('nasm')
  const features = nasm ? ['asm'] : []
  if (missing.length > 0) {
    const lost = nasm ? 'AVIF is encoded by ravif' : 'AVIF is encoded by ravif and decoding is slower'
    console.log(`${howToInstall(missing)}. Building without: ${lost}.`)
  }
  // libaom's own build wants nasm as well; what it needs xz for, its script knows how to do without.
  if (!has('cmake') || !nasm) return { features, env: hostTarget() }

  const { libaomEnv } = await import('./libaom.mjs')
  const { env, source, version } = await libaomEnv({ log: console.log })
  console.log(`libaom ${version} (${source})`)
  return { features: [...features, 'libaom'], env: { ...env, ...hostTarget() } }
}
