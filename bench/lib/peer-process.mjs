import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url))

/** A request that has no answer after this long is given up, so that one hang can't hold the whole run. */
const GIVE_UP_MS = 15 * 60 * 1000

/** A peer in its own process. It is started on the first request and again after it died. */
export class PeerProcess {
  #name
  #entry
  #child = null
  #lastId = 0

  /**
   * @param {string} name one of PEERS
   * @param {string} entry the addon's entry; only unsharp needs it
   */
  constructor(name, entry) {
    this.#name = name
    this.#entry = entry
  }

  /** Starts the process. Rejects when the peer can't be loaded. */
  async start() {
    if (this.#child) return
    // Next's server runs with this NODE_ENV, and sharp's set-up depends on it.
    const env = { ...process.env, NODE_ENV: 'production' }
    const child = fork(CHILD, [this.#name, this.#entry], { execArgv: ['--expose-gc'], env })
    this.#child = child
    child.once('exit', () => {
      if (this.#child === child) this.#child = null
    })
    const { ready, error } = await answer(child, (message) => 'ready' in message)
    if (!ready) {
      await this.stop()
      throw new Error(error)
    }
  }

  /** Sends one request for child.mjs `measure`. Rejects when the peer does, and when its process dies. */
  async measure(request) {
    await this.start()
    this.#lastId += 1
    const id = this.#lastId
    const reply = answer(this.#child, (message) => message.id === id)
    this.#child.send({ id, request })
    const { result, error } = await reply
    if (error !== undefined) throw new Error(error)
    return result
  }

  async stop() {
    const child = this.#child
    this.#child = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    // Not disconnect(): an idle peer that keeps its own threads alive has to go too.
    child.kill('SIGKILL')
    await gone
  }
}

/** Measures one request in a process started for it alone, for numbers that depend on what ran before. */
export async function measureFresh(name, entry, request) {
  const peer = new PeerProcess(name, entry)
  try {
    return await peer.measure(request)
  } finally {
    await peer.stop()
  }
}

function answer(child, wanted) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      finish(reject, new Error(`no answer after ${GIVE_UP_MS / 60_000} minutes`))
    }, GIVE_UP_MS)
    function finish(settle, value) {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      settle(value)
    }
    function onMessage(message) {
      if (wanted(message)) finish(resolve, message)
    }
    function onExit(code, signal) {
      finish(reject, new Error(`its process died (${signal ?? `exit code ${code}`})`))
    }
    function onError(error) {
      finish(reject, error)
    }
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
  })
}
