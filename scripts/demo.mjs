// Builds everything the demo needs and starts it on PORT (default 3000).
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { buildAddon } from './build.mjs'
import { buildApp, example } from './example.mjs'
import { stop } from './shell.mjs'

const port = process.env.PORT || '3000'
if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) stop(`PORT must be a number up to 65535, not ${port}`)

/** The build takes minutes, so a port that is taken is better known before it. */
async function requireFreePort() {
  const probe = createServer()
  await new Promise((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(Number(port), () => probe.close(resolve))
  }).catch((error) => {
    if (error.code === 'EACCES') stop(`Port ${port} needs more rights. Choose another one: PORT=3001 npm run demo`)
    stop(`Port ${port} is taken. Choose another one: PORT=${Number(port) + 1} npm run demo`)
  })
}

await requireFreePort()
await buildAddon('fast')
buildApp(example)

const server = spawn(process.execPath, ['server.mjs'], {
  cwd: example,
  env: { ...process.env, PORT: port, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
  stdio: ['ignore', 'inherit', 'inherit'],
})
// Ctrl-C reaches the server by itself, as part of the terminal's group; a signal to this process alone does not.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill('SIGTERM'))
server.on('exit', (code, signal) => process.exit(signal ? 1 : code))
