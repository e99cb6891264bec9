// Command lines of the benchmarks. What can't be used ends the run in one line that names the option.
import { parseArgs } from 'node:util'

/**
 * Reads a command line, or ends the process with the reason or, asked for help, with `usage`.
 *
 * @param {string} usage
 * @param {import('node:util').ParseArgsConfig['options']} options
 * @param {(values: Record<string, any>) => object} read turns what was given into what the benchmark needs
 */
export function readArgs(usage, options, read) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } })
    if (!values.help) return read(values)
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
  console.log(usage)
  process.exit(0)
}

/** A whole number within bounds. */
export function wholeNumber(option, text, [low, high]) {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= low && value <= high)) {
    throw new Error(`--${option}: ${JSON.stringify(text)} is not a whole number from ${low} to ${high}`)
  }
  return value
}

/** Whole numbers within bounds, in rising order and each once. */
export function wholeNumbers(option, text, bounds) {
  const list = text.split(',').map((part) => wholeNumber(option, part.trim(), bounds))
  return [...new Set(list)].sort((a, b) => a - b)
}

/** Numbers within bounds, fractions among them, in rising order and each once. */
export function numbers(option, text, [low, high]) {
  const list = text.split(',').map((part) => {
    const value = /^\d+(\.\d+)?$/.test(part.trim()) ? Number(part) : Number.NaN
    if (value >= low && value <= high) return value
    throw new Error(`--${option}: ${JSON.stringify(part.trim())} is not a number from ${low} to ${high}`)
  })
  return [...new Set(list)].sort((a, b) => a - b)
}

/** Some of `allowed`, in the order of that list. */
export function namesOf(option, text, allowed) {
  const list = text.split(',').map((part) => part.trim())
  const unknown = list.find((name) => !allowed.includes(name))
  if (unknown !== undefined) {
    throw new Error(`--${option}: ${JSON.stringify(unknown)} is none of ${allowed.join(', ')}`)
  }
  return allowed.filter((name) => list.includes(name))
}
