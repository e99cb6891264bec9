// @ts-check
'use strict'

// Which addon this process needs. It must not cost much: it happens in every process that loads the package.

const { closeSync, openSync, readSync } = require('node:fs')

/** The libc of a Linux program as npm spells it. @typedef {'glibc' | 'musl'} Libc */

/**
 * The loader that a Linux program names is its libc's. The name stands in the first page of nearly every file.
 *
 * @param {string} program path of an ELF file
 * @returns {Libc | undefined} undefined where the name is elsewhere, as patched files have it, or there is none
 */
function libcOfFile(program) {
  const page = Buffer.alloc(4096)
  try {
    const file = openSync(program, 'r')
    try {
      readSync(file, page, 0, page.length, 0)
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
  if (page.includes('/ld-musl-')) return 'musl'
  return page.includes('/ld-linux') ? 'glibc' : undefined
}

/**
 * The same from Node's own report, which takes milliseconds. Not every runtime that calls itself Node has one.
 *
 * @returns {Libc}
 */
function libcOfReport() {
  const report = /** @type {any} */ (process.report)
  if (typeof report?.getReport !== 'function') return 'glibc'
  // The report looks up host names for open sockets unless told not to, which can take seconds.
  const excludeNetwork = report.excludeNetwork
  report.excludeNetwork = true
  try {
    const { header, sharedObjects = [] } = report.getReport()
    if (header?.glibcVersionRuntime) return 'glibc'
    return sharedObjects.some((/** @type {string} */ path) => path.includes('musl')) ? 'musl' : 'glibc'
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

/**
 * @typedef {object} Platform
 * @property {string} name as napi-rs spells it, such as `linux-x64-gnu`
 * @property {string} os as npm spells it
 * @property {string} cpu as npm spells it
 * @property {Libc} [libc] on Linux
 */

/** @returns {Platform} this process's */
function thisPlatform() {
  const { arch: cpu, platform: os } = process
  if (os === 'win32') return { name: `win32-${cpu}-msvc`, os, cpu }
  if (os !== 'linux') return { name: `${os}-${cpu}`, os, cpu }
  const libc = libcOfFile(process.execPath) ?? libcOfReport()
  return { name: `linux-${cpu}-${libc === 'musl' ? 'musl' : 'gnu'}`, os, cpu, libc }
}

module.exports = { libcOfFile, thisPlatform }
