// The packages as they are published, in a new Next app outside the repository.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { pack } from '../scripts/pack.mjs'
import { BROWSER, imagePath, send } from './support/app.mjs'

const PLATFORM = 'linux-x64-gnu'
const skip = process.platform === 'linux' && process.arch === 'x64' ? false : `there is no package for this platform`

const SERVER = `
  import { createServer } from 'node:http'
  import next from 'next'
  import { createImageHandler, optimize } from 'unsharp'

  const app = next({ dir: import.meta.dirname })
  await app.prepare()
  const handle = app.getRequestHandler()
  const images = await createImageHandler({ dir: import.meta.dirname, handle })
  const server = createServer(async (req, res) => (await images(req, res)) || handle(req, res))
  server.listen(0, '127.0.0.1', () => console.log('port=' + server.address().port))
`

test('the packed packages work in a new Next app outside the repository', { skip }, async (t) => {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'unsharp-app-')))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const tarballs = pack(path.join(dir, 'tarballs'), PLATFORM)

  // The main package names the platform's by version; overrides make npm take the tarball for it.
  const [main, platform] = tarballs.map((file) => `file:${path.relative(dir, file)}`)
  const manifest = {
    private: true,
    dependencies: {
      next: '16.4.6',
      react: '19.3.1',
      'react-dom': '19.3.1',
      unsharp: main,
      [`unsharp-${PLATFORM}`]: platform,
    },
    overrides: { sharp: 'npm:@img/sharp-win32-ia32@0.35.5' },
  }
  writeFileSync(path.join(dir, 'package.json'), JSON.stringify(manifest))
  mkdirSync(path.join(dir, 'app'))
  mkdirSync(path.join(dir, 'public'))
  const source = path.join(import.meta.dirname, 'next')
  for (const name of ['app/layout.jsx', 'public/photo.jpg']) cpSync(path.join(source, name), path.join(dir, name))
  writeFileSync(path.join(dir, 'app/page.jsx'), 'export default function Page() { return <h1>A new app</h1> }\n')
  writeFileSync(path.join(dir, 'server.mjs'), SERVER)
  writeFileSync(
    path.join(dir, 'next.config.mjs'),
    `export default { images: { formats: ['image/avif', 'image/webp'] } }\n`,
  )

  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
  const options = { cwd: dir, env, stdio: ['ignore', 'ignore', 'inherit'] }
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  execFileSync('npm', ['install', ...quiet], options)
  const modules = path.join(dir, 'node_modules')
  assert.equal(existsSync(path.join(modules, 'sharp')), false, 'there is no sharp')
  assert.equal(
    existsSync(path.join(modules, `unsharp/unsharp.${PLATFORM}.node`)),
    false,
    'no addon in the main package',
  )
  assert.equal(existsSync(path.join(modules, `unsharp-${PLATFORM}/unsharp.${PLATFORM}.node`)), true)
  execFileSync(path.join(modules, '.bin/next'), ['build'], options)

  const server = spawn(process.execPath, ['server.mjs'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    const ended = once(server, 'exit')
    server.kill()
    await ended
  })
  const port = await new Promise((resolve, reject) => {
    createInterface(server.stdout).on('line', (line) => line.startsWith('port=') && resolve(Number(line.slice(5))))
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  const answer = await send({ port, path: imagePath({ url: '/photo.jpg' }), headers: { accept: BROWSER } })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'image/avif')
  assert.match((await send({ port, path: '/' })).text, /A new app/)
})
