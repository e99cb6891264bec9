// What a process hears that has no addon to load.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { PLATFORMS } from '../lib/addons.js'
import { libcOfFile, thisPlatform } from '../lib/platform.js'
import { platforms, readJson } from '../scripts/platforms.mjs'

const LIB = path.resolve(import.meta.dirname, '../lib')

/** The error of a package with these files beside its lib, in a folder of this name. */
function failure(t, { files = {}, folder = 'unsharp' } = {}) {
  const temporary = mkdtempSync(path.join(tmpdir(), 'unsharp-native-'))
  t.after(() => rmSync(temporary, { recursive: true }))
  const dir = path.join(temporary, folder)
  mkdirSync(path.join(dir, 'lib'), { recursive: true })
  for (const name of ['addons.js', 'native.js', 'platform.js'])
    cpSync(path.join(LIB, name), path.join(dir, 'lib', name))
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text)
  try {
    createRequire(import.meta.url)(path.join(dir, 'lib/native.js'))
  } catch (cause) {
    return cause
  }
  throw new Error('it loaded')
}

/** The failure where this process is another platform. */
function failureOn(t, platform, cpu, options) {
  const own = { arch: process.arch, platform: process.platform }
  setPlatform({ arch: cpu, platform })
  try {
    return failure(t, options)
  } finally {
    setPlatform(own)
  }
}

function setPlatform({ arch, platform }) {
  Object.defineProperty(process, 'arch', { value: arch })
  Object.defineProperty(process, 'platform', { value: platform })
}

test('an addon that is not installed is a module not found, and the message says how to get it', (t) => {
  const { code, message } = failureOn(t, 'linux', 'arm64')
  assert.equal(code, 'MODULE_NOT_FOUND')
  const lines = message.split('\n')
  assert.match(lines[0], /^unsharp has no native addon for linux-arm64-gnu \(glibc, Node v\d+\.\d+\.\d+\)\.$/)
  assert.match(
    lines[1],
    /^Looked for the package unsharp-linux-arm64-gnu, and for unsharp\.linux-arm64-gnu\.node in \//,
  )
  assert.equal(lines[2], 'Fix: npm install --os=linux --cpu=arm64 --libc=glibc unsharp')
  assert.equal(lines.length, 3)
})

test('on systems with one libc the command names none', (t) => {
  assert.match(failureOn(t, 'darwin', 'arm64').message, /\nFix: npm install --os=darwin --cpu=arm64 unsharp$/)
  assert.match(
    failureOn(t, 'win32', 'x64').message,
    /unsharp-win32-x64-msvc.*\nFix: npm install --os=win32 --cpu=x64 unsharp$/s,
  )
})

test('in what pnpm installed the command is one of pnpm', (t) => {
  const folder = 'node_modules/.pnpm/unsharp@0.1.0/node_modules/unsharp'
  assert.match(
    failureOn(t, 'linux', 'x64', { folder }).message,
    /\nFix: pnpm add --os=linux --cpu=x64 --libc=glibc unsharp$/,
  )
})

test('on a platform without a package the message lists those that have one', (t) => {
  const { code, message } = failureOn(t, 'linux', 'riscv64')
  assert.equal(code, 'MODULE_NOT_FOUND')
  assert.match(
    message,
    /linux-riscv64-gnu.*packages for: linux-x64-gnu, .*\nFix: build it in a checkout .*unsharp\.linux-riscv64-gnu\.node/s,
  )
})

test('an addon that is there and does not load is another error, with the reason', (t) => {
  const { code, message } = failure(t, { files: { [`unsharp.${thisPlatform().name}.node`]: 'no library' } })
  assert.equal(code, 'ERR_UNSHARP_NO_ADDON')
  assert.match(message, /\n {2}.*unsharp\.[\w-]+\.node: (file too short|invalid ELF header)/)
})

test('the libc of a program is read from the loader that it names', (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'unsharp-libc-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const libcOf = (text) => {
    const file = path.join(dir, 'program')
    writeFileSync(file, `\x7fELF${'\0'.repeat(500)}${text}\0`)
    return libcOfFile(file)
  }
  assert.equal(libcOf('/lib/ld-musl-aarch64.so.1'), 'musl')
  assert.equal(libcOf('/lib64/ld-linux-x86-64.so.2'), 'glibc')
  assert.equal(libcOf('/lib/ld-linux-aarch64.so.1'), 'glibc')
  assert.equal(libcOf('no loader'), undefined)
  assert.equal(libcOfFile(path.join(dir, 'absent')), undefined)
})

test('there is a package for every platform that the loader knows, and one that npm chooses by the same names', () => {
  const found = [...platforms()].map(([name, { os, cpu }]) => {
    const manifest = readJson(`npm/${name}/package.json`)
    assert.equal(manifest.name, `unsharp-${name}`)
    assert.equal(manifest.main, `unsharp.${name}.node`)
    assert.deepEqual([manifest.os, manifest.cpu], [[os], [cpu]])
    const libc = { gnu: ['glibc'], musl: ['musl'] }[name.split('-')[2]]
    assert.deepEqual(manifest.libc, libc)
    return name
  })
  assert.deepEqual(found, PLATFORMS)
})
