// Ports of this machine.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** A port that nobody listens on. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

/** Whether somebody listens. */
export function canConnect(port) {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1')
    probe.once('connect', () => resolve(true) || probe.destroy())
    probe.once('error', () => resolve(false))
  })
}
