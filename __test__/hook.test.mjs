// Who gets unsharp for sharp, in every kind of process. A folder `next/dist` stands for Next.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'

const REGISTER = path.resolve(import.meta.dirname, '../lib/register.js')
const SHARP = path.resolve(import.meta.dirname, '../lib/sharp.js')

const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'unsharp-hook-')))
after(() => rmSync(dir, { recursive: true }))

function write(name, text) {
  mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
  writeFileSync(path.join(dir, name), text)
}

write('node_modules/sharp/index.js', "module.exports = 'the real one'")
const ask = "exports.required = () => require.resolve('sharp'); exports.imported = () => import('sharp')"
write('node_modules/next/dist/server/ask.js', ask)
write('node_modules/not-next/ask.js', ask)
write('app.js', ask)
write(
  'print.js',
  `exports.print = async () => {
    for (const name of ['next/dist/server/ask.js', 'not-next/ask.js', './app.js']) {
      const { required, imported } = require(name)
      const { default: sharp } = await imported()
      console.log(name, required(), sharp === require(required()))
    }
  }`,
)
write('main.js', "require('./print.js').print()")
write(
  'worker.js',
  `const { Worker, isMainThread } = require('node:worker_threads')
  if (isMainThread) new Worker(__filename)
  else require('./print.js').print()`,
)
write(
  'cluster.js',
  `const cluster = require('node:cluster')
  if (cluster.isPrimary) cluster.fork()
  else require('./print.js').print().then(() => process.exit())`,
)

const REAL = path.join(dir, 'node_modules/sharp/index.js')
const EXPECTED = [`next/dist/server/ask.js ${SHARP} true`, `not-next/ask.js ${REAL} true`, `./app.js ${REAL} true`]

const ways = {
  '-r': (script) => [['-r', REGISTER, script]],
  '--import': (script) => [['--import', REGISTER, script]],
  'NODE_OPTIONS=--require': (script) => [[script], { NODE_OPTIONS: `--require ${REGISTER}` }],
  'NODE_OPTIONS=--import': (script) => [[script], { NODE_OPTIONS: `--import ${REGISTER}` }],
}
for (const [way, command] of Object.entries(ways)) {
  for (const script of ['main.js', 'worker.js', 'cluster.js']) {
    test(`${way} makes unsharp the sharp of Next, and of nobody else, in ${script}`, () => {
      const [args, env] = command(script)
      const printed = execFileSync(process.execPath, args, {
        cwd: dir,
        env: { ...process.env, ...env },
        encoding: 'utf8',
      })
      assert.deepEqual(printed.trim().split('\n'), EXPECTED)
    })
  }
}

test('hooking in loads no addon and may be done twice', () => {
  const script = `
    require(${JSON.stringify(REGISTER)})
    delete require.cache[${JSON.stringify(REGISTER)}]
    require(${JSON.stringify(REGISTER)})
    require('./print.js')
    const addons = process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node'))
    console.log(addons.length, require('next/dist/server/ask.js').required())`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: dir, encoding: 'utf8' })
  assert.equal(stdout, `0 ${SHARP}\n`, stderr)
})

test('a process that listens without being Next is left alone', () => {
  const script = `require('node:http').createServer().listen(0, function () {
    setImmediate(setImmediate, () => {
      const { sharedObjects } = process.report.getReport()
      console.log(sharedObjects.filter((file) => file.endsWith('.node')).length)
      this.close()
    })
  })`
  const { stdout, stderr } = spawnSync(process.execPath, ['-r', REGISTER, '-e', script], { cwd: dir, encoding: 'utf8' })
  assert.deepEqual([stdout, stderr], ['0\n', ''])
})
