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
 * @param {{ compiler?: Record<string, string>, wanted?: string[] }} [options] variables that name a C compiler other than
 *   the system's, and the features that are wanted where they can be had; default: all
 * @returns {Promise<{ features: string[], env: Record<string, string>, libaom?: string }>} the features of the codecs,
 *   without the tiers `server` and `binding`, what cargo's environment has to hold, and the version of libaom
 */
export async function toolchain({ compiler, wanted = ['asm', 'libaom'] } = {}) {
  const missing = installTools(encoderTools)
  const nasm = process.arch !== 'x64' || has('nasm')
  const features = nasm && wanted.includes('asm') ? ['asm'] : []
  if (missing.length > 0) {
    const lost = nasm ? 'AVIF is encoded by ravif' : 'AVIF is encoded by ravif and decoding is slower'
    console.log(`${howToInstall(missing)}. Building without: ${lost}.`)
  }
  // libaom's own build wants nasm as well; what it needs xz for, its script knows how to do without.
  if (!has('cmake') || !nasm || !wanted.includes('libaom')) return { features, env: hostTarget() }

  const { libaomEnv } = await import('./libaom.mjs')
  const found = await libaomEnv({ compiler, log: console.log })
  if (!found) {
    console.log('There is no libaom. Building without: AVIF is encoded by ravif.')
    return { features, env: hostTarget() }
  }
  const { env, source, version } = found
  console.log(`libaom ${version} (${source})`)
  return { features: [...features, 'libaom'], env: { ...env, ...hostTarget() }, libaom: version }
}
