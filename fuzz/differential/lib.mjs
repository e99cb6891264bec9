// What the three comparisons share: our side as a child process, chance that can be repeated, and the report.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'

export const root = path.resolve(import.meta.dirname, '../..')

/** Loads Next's own modules, from the app that the tests build. */
export const requireNext = createRequire(path.join(root, '__test__/next/package.json'))

/**
 * Our side: `ask(questions)` gives the answers in the same order. `end()` ends it.
 *
 * @param {'pattern' | 'accept' | 'pixels'} mode
 */
export function ours(mode) {
  const child = spawn(process.env.UNSHARP_ANSWER, [mode], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  child.on('exit', (code, signal) => {
    if (code !== 0) {
      console.error(`Our side ended with ${signal ?? code}.`)
      process.exit(1)
    }
  })
  return {
    async ask(questions) {
      child.stdin.write(`${JSON.stringify(questions)}\n`)
      return JSON.parse((await lines.next()).value)
    },
    end: () => child.stdin.end(),
  }
}

/** A source of chance that gives the same for the same seed. */
export function chance(seed) {
  let state = seed >>> 0
  const random = (below) => {
    // xorshift32 after a step of an LCG, for the low bits of the latter have short periods.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    let mixed = state ^ (state >>> 15)
    mixed = Math.imul(mixed, 0x2c1b3c6d) >>> 0
    mixed ^= mixed >>> 12
    return (mixed >>> 0) % below
  }
  const pick = (list) => list[random(list.length)]
  return { random, pick, some: (list, most) => Array.from({ length: 1 + random(most) }, () => pick(list)).join('') }
}

/** Prints the first differences and how many there are, and sets the exit code. */
export function report(what, compared, differences) {
  for (const line of differences.slice(0, 20)) console.log(line)
  console.log(`${what}: ${compared} compared, ${differences.length} differ`)
  if (differences.length > 0) process.exitCode = 1
}
