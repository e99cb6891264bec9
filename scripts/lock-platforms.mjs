// Completes a package-lock.json that was written behind a registry mirror which carries only some platforms.
//
// `npm install` leaves an optional dependency out of the lock when the registry does not have it; `npm ci` then
// refuses that lock as out of sync. Those packages are binaries for other systems, so an entry with version, os
// and cpu is all that `npm ci` needs to know that it should skip them here. Run it after a dependency changed:
//   node scripts/lock-platforms.mjs [package-lock.json …]
import { readFileSync, writeFileSync } from 'node:fs'

const SYSTEMS = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  linuxmusl: 'linux',
  win32: 'win32',
}
const CPUS = ['arm64', 'x64', 'ia32', 'arm', 'ppc64le', 'ppc64', 'riscv64', 's390x', 'loong64', 'wasm32']
const CPU_NAMES = { ppc64le: 'ppc64', armv7: 'arm' }

/** The `os`, `cpu` and `libc` fields that a platform package's name stands for; undefined when it names none. */
export function platformOf(name) {
  const words = name.split(/[-/.]/)
  const os = words.map((word) => SYSTEMS[word]).find(Boolean)
  const cpuWord = words.find((word) => CPUS.includes(word) || word in CPU_NAMES)
  if (words.includes('wasm32')) return { cpu: ['wasm32'] }
  if (!os || !cpuWord) return undefined
  const libc =
    words.includes('musl') || words.includes('linuxmusl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined
  return { cpu: [CPU_NAMES[cpuWord] ?? cpuWord], ...(libc && { libc }), os: [os] }
}

/** Adds what is missing to a parsed lock and returns the names that were added. */
export function completeLock(lock) {
  const added = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const found = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((key) => key in lock.packages)
      const platform = platformOf(name)
      if (found || !platform || !/^\d/.test(version)) continue
      lock.packages[`node_modules/${name}`] = { version, dev: entry.dev, optional: true, ...platform }
      added.push(name)
    }
  }
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
  lock.packages = Object.fromEntries(sorted)
  return added
}

if (import.meta.filename === process.argv[1]) {
  const files = process.argv.slice(2)
  for (const file of files.length > 0 ? files : ['package-lock.json']) {
    const lock = JSON.parse(readFileSync(file, 'utf8'))
    const added = completeLock(lock)
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
    console.log(`${file}: ${added.length} platform packages added`)
  }
}
