#!/usr/bin/env node
// @ts-check
'use strict'

// `npx unsharp`: the service, and the variants of the bucket for operators and init containers. Exit codes: 0 done, 1 it failed, 2 the
// command line is wrong, 130 and 143 interrupted.

const { HELP, UsageError, readArguments } = require('./cli/arguments.js')
const { version } = require('../package.json')

const COMMANDS = {
  restore: () => require('./cli/restore.js'),
  push: () => require('./cli/push.js'),
  ls: () => require('./cli/ls.js'),
}

/** @param {string[]} argv @returns {Promise<number>} the exit code */
async function main(argv) {
  // Its flags are a table of their own.
  if (argv[0] === 'serve') return require('./cli/serve.js').run(argv.slice(1))
  const { command, options } = readArguments(argv)
  if (options.version) {
    console.log(version)
    return 0
  }
  if (options.help) {
    console.log(HELP[command ?? 'unsharp'])
    return 0
  }
  if (command === undefined) throw new UsageError('a command is missing')
  return COMMANDS[command]().run(options)
}

// Who reads no further, such as `head`, has seen enough.
process.stdout.on('error', (error) => {
  if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EPIPE') process.exit(0)
  throw error
})

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (cause) => {
    const isUsage = cause instanceof UsageError || cause?.code === 'ERR_UNSHARP_INVALID_OPTION'
    const hint = cause instanceof UsageError ? ' (see unsharp --help)' : ''
    console.error(`unsharp: ${cause instanceof Error ? cause.message : cause}${hint}`)
    process.exitCode = isUsage ? 2 : 1
  },
)
