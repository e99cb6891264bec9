// wrk, the load of the server benchmarks: one of its threads asks faster than a Node client on a whole CPU could.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Asks for one url as often as `connections` can.
 *
 * @param {string} url
 * @param {{ connections: number, threads: number, on: string, seconds: number, accept: string }} load `on`: the CPUs
 *   that it may use, as taskset writes them
 * @returns {Promise<{ requests: number, perSecond: number, p50Ms: number, p99Ms: number, errors: string }>}
 * @throws {Error} when an answer was no success: an error page would look fast
 */
export async function wrk(url, { connections, threads, on, seconds, accept }) {
  const flags = [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Accept: ${accept}`, url]
  const child = spawn('taskset', ['-c', on, 'wrk', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`wrk ended with ${code}`)
  return readWrk(text)
}

/** What a report of wrk says. */
export function readWrk(text) {
  const number = (pattern) => Number(pattern.exec(text)?.[1] ?? Number.NaN)
  const bad = number(/Non-2xx or 3xx responses: (\d+)/)
  if (bad > 0) throw new Error(`${bad} answers were no success`)
  return {
    requests: number(/(\d+) requests in/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: latencyMs(text, '50%'),
    p99Ms: latencyMs(text, '99%'),
    errors: /Socket errors: (.*)/.exec(text)?.[1] ?? '',
  }
}

/** wrk writes us, ms, s or m. */
function latencyMs(text, percentile) {
  const [, value, unit] = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s|m)\\b`).exec(text) ?? []
  return Number(value) * { us: 0.001, ms: 1, s: 1000, m: 60_000 }[unit]
}
