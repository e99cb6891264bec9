// What a process hears that has no addon to load.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'

const NATIVE = path.resolve(import.meta.dirname, '../lib/native.js')

/** The error of a package with these files beside its lib. */
function failure(t, files = {}) {
  const dir = mkdtempSync(path.join(tmpdir(), 'unsharp-native-'))
  t.after(() => rmSync(dir, { recursive: true }))
  mkdirSync(path.join(dir, 'lib'))
  cpSync(NATIVE, path.join(dir, 'lib/native.js'))
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text)
  try {
    createRequire(import.meta.url)(path.join(dir, 'lib/native.js'))
  } catch (cause) {
    return cause
  }
  throw new Error('it loaded')
}

test('an addon that is not installed is a module not found, and the message says how to get it', (t) => {
  const { code, message } = failure(t)
  assert.equal(code, 'MODULE_NOT_FOUND')
  assert.match(message, /no native addon for linux-\w+-gnu.*Fix: npm install unsharp-linux-\w+-gnu/s)
})

test('an addon that is there and does not load is another error, with the reason', (t) => {
  const { code, message } = failure(t, { 'unsharp.linux-x64-gnu.node': 'no library' })
  assert.equal(code, 'ERR_UNSHARP_NO_ADDON')
  assert.match(message, /unsharp\.linux-x64-gnu\.node: file too short|invalid ELF header/)
})
