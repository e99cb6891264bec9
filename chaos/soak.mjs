// Soak: very many mixed requests against one process, whose memory, files and threads must stop growing.
//
//   npm run soak -- [--requests N] [--mode handler|service] [--connections N] [--seed N] [--out FILE] [--plot FILE.svg]
//
// Linux only: what a process takes is read from /proc. Needs a built addon; with --mode handler also the test app's build
// (both are there after `npm test`). Ends with 1 when an answer was wrong or something grew.
import { appendFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { stop } from '../scripts/shell.mjs'
import { runSoak } from './lib/soak.mjs'

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '300000' },
    mode: { type: 'string', default: 'service' },
    connections: { type: 'string', default: '64' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    plot: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`Usage: npm run soak [-- OPTIONS]

  --mode service|handler  what is soaked, default service
  --requests N            default 300000
  --connections N         default 64
  --seed N                of everything random, default 1
  --out FILE              the report
  --plot FILE             memory, files and threads as an SVG`)
  process.exit(0)
}
const requests = Number(options.requests)
if (!(requests >= 1000)) stop('--requests takes a number of at least 1000')
if (!['handler', 'service'].includes(options.mode)) stop('--mode takes handler or service')
if (process.platform !== 'linux') stop('What a process takes can only be read on Linux.')

const { lines, svg, failures } = await runSoak({
  ...{ requests, mode: options.mode, seed: Number(options.seed), connections: Number(options.connections) },
  say: (line) => console.error(line),
})
const load = os.loadavg().map((value) => value.toFixed(1))
const report = [
  `soak --mode ${options.mode} --requests ${requests} --connections ${options.connections} --seed ${options.seed}`,
  `Node ${process.version}, ${os.availableParallelism()} CPUs (${os.cpus()[0]?.model}), load average at the end ${load.join(' ')}`,
  ...lines,
  failures.length === 0 ? 'passed' : `FAILED: ${failures.join('; ')}`,
  '',
].join('\n')
console.log(report)
if (options.out) appendFileSync(options.out, `${report}\n`)
if (options.plot) writeFileSync(options.plot, svg)
process.exit(failures.length === 0 ? 0 : 1)
