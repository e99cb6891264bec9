// @ts-check
'use strict'

/** Without a terminal, a line this often at most, milliseconds. */
const LINE_EVERY_MS = 5000

/** Cells of the bar. */
const WIDTH = 24

/** @typedef {{ done: number, total: number | undefined, bytes: number, text: string }} State */

/**
 * Shows on standard error how far a command has come: as a bar on a terminal, else as a line now and then.
 *
 * @param {string} verb
 */
function progress(verb) {
  const out = process.stderr
  const began = performance.now()
  let lastLine = began
  let isDrawn = false

  return {
    /** @param {State} state */
    show({ done, total, bytes, text }) {
      const amount = `${done}${total === undefined ? '' : `/${total}`} ${text}, ${size(bytes)}`
      if (out.isTTY) {
        const line = `${verb} ${bar(done, total)} ${amount}, ${seconds(performance.now() - began)}`
        // A line that wraps would not be overwritten.
        out.write(`\r\x1b[2K${line.slice(0, (out.columns || 80) - 1)}`)
        isDrawn = true
      } else if (performance.now() - lastLine >= LINE_EVERY_MS) {
        lastLine = performance.now()
        out.write(`unsharp: ${verb} ${amount}\n`)
      }
    },
    /** Clears the way for what is printed next. */
    end() {
      if (isDrawn) out.write('\r\x1b[2K')
      isDrawn = false
    },
  }
}

/** @param {number} done @param {number | undefined} total */
function bar(done, total) {
  const full = total ? Math.min(WIDTH, Math.round((done / total) * WIDTH)) : 0
  return `[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}]`
}

/** @param {number} bytes */
function size(bytes) {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}

module.exports = { progress, seconds, size }
