// Proves that no sharp is within reach of the app: neither in its node_modules nor where Next would find one.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** Every folder of the app's node_modules, at any depth, that holds sharp or its binaries. */
function installedSharps(modules) {
  const found = []
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const inside = path.join(folder, entry.name)
      if (entry.name === 'sharp' || entry.name === '@img') found.push(inside)
      // A link leads out of the app; the folders under a package that matter are scopes and its own node_modules.
      else if (entry.isDirectory() && entry.name.startsWith('@')) visit(inside)
      else if (entry.isDirectory()) visitModules(inside)
    }
  }
  const visitModules = (parent) => {
    const nested = path.join(parent, 'node_modules')
    if (readdirSync(parent).includes('node_modules')) visit(nested)
  }
  visit(modules)
  return found
}

/** What `require('sharp')` inside Next finds, searching upwards as Node does. */
function resolvedSharp(dir) {
  const appRequire = createRequire(path.join(dir, 'package.json'))
  const nextRequire = createRequire(appRequire.resolve('next/package.json'))
  try {
    return nextRequire.resolve('sharp')
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/** @returns {string[]} the places where a sharp was found; empty when there is none */
export function findSharp(dir) {
  const resolved = resolvedSharp(dir)
  const found = installedSharps(path.join(dir, 'node_modules'))
  return resolved === undefined ? found : [...found, resolved]
}

/** Says that there is no sharp, or ends the process. */
export function requireNoSharp(dir) {
  const found = findSharp(dir)
  if (found.length > 0) {
    console.error(`sharp must be absent, but it is here:\n  ${found.join('\n  ')}`)
    process.exit(1)
  }
  console.log('No sharp: none in node_modules, and Next finds none.')
}

if (import.meta.filename === process.argv[1]) requireNoSharp(path.resolve(import.meta.dirname, '..'))
