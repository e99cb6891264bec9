// @ts-check
'use strict'

const fs = require('node:fs')
const path = require('node:path')

/** From here on the excludes are an option of their own; before, an experimental one. */
const STABLE_EXCLUDES = 15_000

/** @typedef {Record<string, any>} Config */

/**
 * Leaves sharp and libvips out of what a standalone build copies, unless the app itself depends on sharp.
 *
 * @param {Config} config
 * @param {{ version: number, dist: string | undefined, wanted: boolean | undefined }} next
 * @returns {Config}
 */
function withoutSharp(config, { version, dist, wanted }) {
  if (!(wanted ?? !dependsOnSharp())) return config
  const patterns = foldersOf(dist).flatMap((folder) => {
    // Next takes them relative to the app. One with `../**` in it makes Turbopack fail.
    const relative = path.relative(process.cwd(), folder).split(path.sep).join('/')
    return path.basename(folder) === '.pnpm'
      ? [`${relative}/sharp@*/**`, `${relative}/@img+*/**`]
      : [`${relative}/sharp/**`, `${relative}/@img/**`]
  })
  const place = version >= STABLE_EXCLUDES ? config : { ...config.experimental }
  // The key stands for every trace: the server's, and those of the routes, of which one with next/og asks for sharp too.
  const before = place.outputFileTracingExcludes
  const outputFileTracingExcludes = { ...before, '*': [...(before?.['*'] ?? []), ...patterns] }
  return place === config
    ? { ...config, outputFileTracingExcludes }
    : { ...config, experimental: { ...place, outputFileTracingExcludes } }
}

function dependsOnSharp() {
  try {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(fs.readFileSync('package.json', 'utf8'))
    return 'sharp' in { ...dependencies, ...devDependencies, ...optionalDependencies }
  } catch {
    return false
  }
}

/** Where Next finds sharp: the node_modules from Next's place upwards, and pnpm's store. @param {string | undefined} dist */
function foldersOf(dist) {
  const folders = new Set([path.resolve('node_modules')])
  for (let at = dist; at && at !== path.dirname(at); at = path.dirname(at)) {
    if (path.basename(at) === 'node_modules' || path.basename(at) === '.pnpm') folders.add(at)
  }
  return [...folders].filter((folder) => fs.existsSync(folder))
}

module.exports = { withoutSharp }
