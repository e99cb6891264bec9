// Sends the traffic over connections that are kept open, and judges every answer.
import { Agent, request } from 'node:http'

/** What a client sees of a server that is killed or not there. */
const SEVERED = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

/** Faults that are described; of the others only the number is told. */
const MOST_FAULTS = 20

/**
 * @param {object} options
 * @param {() => import('./traffic.mjs').Request} options.next
 * @param {() => number} options.port where to send the next request
 * @param {number} [options.connections]
 * @param {(port: number) => boolean} [options.mayBreak] whether the server on this port may go away at any time
 * @param {(asked: import('./traffic.mjs').Request, status: number) => void} [options.onRight] told of every right answer
 */
export function createLoad({ next, port, connections = 64, mayBreak = () => false, onRight = () => {} }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' })
  const counts = { sent: 0, answered: 0, left: 0, severed: 0, wrong: 0 }
  const [statuses, kinds, caches] = [new Map(), new Map(), new Map()]
  const faults = []
  const count = (map, name) => map.set(name, (map.get(name) ?? 0) + 1)

  function wrong(asked, why) {
    counts.wrong += 1
    if (faults.length < MOST_FAULTS)
      faults.push(`${asked.kind}: ${why}   ${asked.method} ${asked.path} ${asked.headers.accept}`)
  }

  function judge(asked, status, headers, chunks) {
    counts.answered += 1
    count(statuses, status)
    if (headers['x-nextjs-cache']) count(caches, headers['x-nextjs-cache'])
    const fault = asked.fault({ status, headers, body: Buffer.concat(chunks) })
    if (fault) wrong(asked, fault)
    else onRight(asked, status)
  }

  /** Resolves when the request is over, however it ends. */
  function send(asked) {
    counts.sent += 1
    count(kinds, asked.kind.split(':')[0])
    return attempt(asked)
  }

  function attempt(asked) {
    return new Promise((done) => {
      const { method, path, headers, leaves } = asked
      const to = port()
      const sent = request({ host: '127.0.0.1', port: to, agent, method, path, headers })
      let [left, answering] = [false, false]
      const leave = () => {
        left = true
        counts.left += 1
        sent.destroy()
      }
      const fail = (error) => {
        if (left) return done()
        // The server has closed an idle connection in the moment in which it was taken for this request.
        if (sent.reusedSocket && !answering && SEVERED.has(error.code)) return done(attempt(asked))
        // A part of an answer that the client knows to be a part has been served to nobody.
        if (mayBreak(to) && SEVERED.has(error.code)) counts.severed += 1
        else wrong(asked, `${error.code ?? ''} ${error.message}`)
        done()
      }
      sent.on('error', fail)
      // Whoever leaves gets no end of the answer. Where it is over already, this changes nothing.
      sent.on('close', done)
      sent.on('response', (answer) => {
        answering = true
        if (leaves) return leave()
        const chunks = []
        answer.on('data', (chunk) => chunks.push(chunk))
        answer.on('error', fail)
        answer.on('end', () => {
          if (answer.complete) judge(asked, answer.statusCode, answer.headers, chunks)
          done()
        })
      })
      sent.end()
      // Half of those who leave do so as soon as they have asked.
      if (leaves && counts.sent % 2) sent.once('finish', () => setImmediate(leave))
    })
  }

  return {
    ...{ counts, statuses, kinds, caches, faults },
    /**
     * Sends requests until `isOver`, which is asked before each.
     *
     * @param {() => boolean} isOver
     */
    run: async (isOver) => {
      const work = async () => {
        while (!isOver()) await send(next())
      }
      await Promise.all(Array.from({ length: connections }, work))
    },
    close: () => agent.destroy(),
    /** In words, for a report. */
    summary: () => {
      const list = (map) => [...map].toSorted(([a], [b]) => (a > b ? 1 : -1)).map(([name, times]) => `${name} ${times}`)
      return [
        `requests: ${counts.sent} sent, ${counts.answered} answered, ${counts.left} clients left before their answer${counts.severed > 0 ? `, ${counts.severed} cut off` : ''}`,
        `kinds: ${list(kinds).join(', ')}`,
        `statuses: ${list(statuses).join(', ')}`,
        `X-Nextjs-Cache: ${list(caches).join(', ')}`,
        `wrong answers: ${counts.wrong}`,
        ...faults.map((fault) => `  ${fault}`),
      ]
    },
  }
}
