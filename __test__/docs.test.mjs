// What the documents tell people to type works: every command in them is run here, with addresses that exist, or is
// run by a test that is named here. Code and links are what they seem.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { APP, startApp, tempFolder } from './support/app.mjs'
import { cleanEnv, startService } from './support/service.mjs'
import { bucketAndCache, writeVariant } from './support/variants.mjs'

const root = path.resolve(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const CLI = path.join(root, manifest.bin.unsharp)

const inFolder = (folder) =>
  readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => path.join(folder, name))
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'bench/README.md',
  ...inFolder('docs'),
  ...inFolder('deploy'),
]
const text = (page) => readFileSync(path.join(root, page), 'utf8')

/** The fenced blocks of a page in one of these languages. */
function blocks(page, ...languages) {
  return [...text(page).matchAll(/^ *```(\w+)\n(.*?)^ *```/gms)]
    .filter(([, language]) => languages.includes(language))
    .map(([, , code]) => code)
}

/** The commands of all pages, each with the page that has it first. */
const commands = new Map()
for (const page of pages) {
  const lines = blocks(page, 'sh').flatMap((code) => code.replaceAll('\\\n', ' ').split('\n'))
  const inline = [...text(page).matchAll(/`((?:npm|npx|node|curl) [^`\n]+)`/g)].map(([, command]) => command)
  for (const line of [...lines, ...inline]) {
    for (const command of line.replace(/\s+#.*$/, '').split(' && ')) {
      if (command.trim() && !commands.has(command.trim())) commands.set(command.trim(), page)
    }
  }
}

/** What other tests and CI itself run, by the words that are found there. */
const ELSEWHERE = {
  'npm install unsharp': ['__test__/pack.test.mjs', "'install'"],
  'node -r unsharp/register server.js': ['__test__/ways.test.mjs', 'unsharp/register'],
  'npm ci': ['scripts/setup.mjs', "'ci'"],
  'npm install': ['scripts/setup.mjs', "'ci'"],
  'npm install --omit=optional': ['__test__/ways.test.mjs', '--omit=optional'],
  'npm install --os=linux --cpu=x64 --libc=musl sharp': [],
  'npm install --os=linux --cpu=arm64 --libc=musl unsharp': ['__test__/native.test.mjs', '--os=linux --cpu=arm64'],
  'npm ls unsharp': [],
  'npm audit signatures': [],
  'npm run bench:NAME -- --help': [],
  'sudo apt-get install wrk': [],
}

/** Flags that stand for something of the reader's, and what they are in the test. */
const PLACES = [
  [/--fallback \S+/, '--fallback http://127.0.0.1:1'],
  [/--storage redis:\S+/, '--storage memory'],
  [/--store s3:\S+/, '--store memory:'],
  [/--next-dir \S+/, `--next-dir ${APP}`],
  [/--config \S+/, ''],
  [/--host \S+/, ''],
  [/--port \d+/, ''],
]

describe('every command in the documents', () => {
  for (const [command, page] of commands) {
    test(`${command} (${page})`, (t) => runCommand(t, command))
  }
})

async function runCommand(t, command) {
  if (command in ELSEWHERE) {
    const [file, words] = ELSEWHERE[command]
    if (file) assert.ok(text(file).includes(words), `${file} runs it`)
    return
  }
  const [program, ...args] = command.split(/\s+/)
  if (program === 'npx' && args[0] === 'unsharp') return runUnsharp(t, command)
  if (program === 'curl') return runCurl(t, command)
  if (program === 'npm') return checkScript(command)
  if (program === 'node' && args[0] !== '--test') return assert.ok(existsSync(path.join(root, args[0])), args[0])
  if (program === 'node') return checkPaths(args)
  if (program === 'cargo') return checkPaths(args)
  assert.match(command, /^UNSHARP_[A-Z]+=\S+$/, 'a kind of command that this test knows')
}

/** Starts the service, or runs the command on a bucket in a folder. */
async function runUnsharp(t, command) {
  const [subcommand, ...given] = command.split(/\s+/).slice(2)
  if (subcommand === 'serve') {
    const flags = PLACES.reduce((line, [from, to]) => line.replace(from, to), given.join(' '))
    const service = await startService(t, { flags: flags.split(/\s+/).filter(Boolean) })
    assert.equal((await service.get('/healthz')).status, 200)
    return
  }
  const { bucket, store, dir } = bucketAndCache(t)
  writeVariant(bucket, 1)
  const args = [CLI, subcommand, ...given, '--store', store, ...(subcommand === 'ls' ? [] : ['--dir', dir])]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: cleanEnv() })
  assert.equal(status, 0, stderr)
}

/** Asks the server that the page has told to start. */
async function runCurl(t, command) {
  const app = await startApp(t)
  const { error, stdout, stderr } = spawnSync('sh', ['-c', command.replace('http://localhost:3000', app.origin)], {
    encoding: 'utf8',
  })
  if (error?.code === 'ENOENT' || /not found/.test(stderr)) return t.skip('there is no curl')
  assert.match(stdout, /^HTTP\/1\.1 200/)
  assert.match(stdout, /^content-type: image\/(avif|webp)/im)
}

/** A script of package.json, which knows the flags that it is given. */
function checkScript(command) {
  const words = command.split(/\s+/)
  const name = words[1] === 'run' ? words[2] : words[1]
  assert.ok(manifest.scripts[name], `package.json has ${name}`)
  const flags = words.filter((word) => word.startsWith('--') && word.length > 2)
  if (flags.length === 0) return
  const file = manifest.scripts[name].split(' ')[1]
  const { stdout } = spawnSync(process.execPath, [file, '--help'], { cwd: root, encoding: 'utf8' })
  for (const flag of flags) assert.ok(stdout.includes(flag), `${file} --help tells of ${flag}`)
}

function checkPaths(args) {
  for (const word of args.filter((word) => word.includes('/'))) assert.ok(existsSync(path.join(root, word)), word)
}

test('every piece of JavaScript in the documents can be parsed, and imports what is there', (t) => {
  const folder = tempFolder(t)
  for (const page of pages) {
    for (const [at, code] of blocks(page, 'js', 'ts').entries()) {
      const file = path.join(folder, `${at}.mjs`)
      writeFileSync(file, code)
      const { status, stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' })
      assert.equal(status, 0, `${page}: ${stderr}`)
      for (const [, name] of code.matchAll(/(?:from |import\()'(unsharp[^']*)'/g)) {
        const entry = name.replace(/^unsharp/, '.')
        assert.ok(manifest.exports[entry], `${page}: ${name}`)
      }
    }
  }
})

test('every name that the documents import from unsharp is exported', async () => {
  const all = await import(pathToFileURL(path.join(root, 'index.js')).href)
  for (const page of pages) {
    for (const code of blocks(page, 'js', 'ts')) {
      for (const [, loaded, imported] of code.matchAll(
        /\{([^{}]+)\} = await import\('unsharp'\)|import \{([^{}]+)\} from 'unsharp'/g,
      )) {
        for (const name of (loaded ?? imported).split(',').filter(Boolean))
          assert.ok(name.trim() in all, `${page}: ${name}`)
      }
    }
  }
})

test('every link between the documents leads somewhere', () => {
  const anchor = (heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
      .trim()
      .replaceAll(' ', '-')
  for (const page of pages) {
    for (const [, link] of text(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [file, hash] = link.split('#')
      const target = file ? path.join(path.dirname(page), file) : page
      assert.ok(existsSync(path.join(root, target)), `${page}: ${link}`)
      if (!hash || !target.endsWith('.md')) continue
      const headings = [...text(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading))
      assert.ok(headings.includes(hash), `${page}: ${link}`)
    }
  }
})
