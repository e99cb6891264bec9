// Chaos: what can go wrong goes wrong, under traffic, and every answer is held against what it has to be.
//
//   npm run chaos -- [--only kills,replicas,disk,clock,flaps] [--kills N] [--seed N] [--out FILE]
//
// Everything happens on loopback and in folders of its own. Needs a built addon, Linux, and for all scenarios an S3 server, a
// Redis and libfaketime, which it gets from the registries; what can't be had is left out, and a line says so. Ends with 1
// when something was wrong.
import { appendFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { serverPrograms } from '../__test__/support/redis.mjs'
import { startStores } from '../__test__/support/stores.mjs'
import { stop } from '../scripts/shell.mjs'
import { moveClock } from './clock.mjs'
import { breakDisk } from './disk.mjs'
import { flap } from './flaps.mjs'
import { killOne, killReplicas } from './kills.mjs'
import { findLibrary } from './lib/false-clock.mjs'
import { randomFrom } from './lib/random.mjs'
import { withScope } from './lib/scope.mjs'
import { createWorld } from './lib/world.mjs'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`Usage: npm run chaos [-- OPTIONS]

  --only NAME   one kind of trouble
  --kills N     default 200
  --seed N      of everything random, default 1
  --out FILE    the report`)
  process.exit(0)
}
const kills = Number(options.kills)
if (!(Number.isInteger(kills) && kills >= 5)) stop('--kills takes an integer of at least 5')
if (process.platform !== 'linux') stop('Chaos is made on Linux only.')

const S3 = 'UNSHARP_TEST_S3_MOTO'
const { redis, valkey = redis } = serverPrograms()
const part = (share) => Math.round(kills * share)

/** By name: `[what it is, of which group, how to run it]`; left out where what it needs is undefined. */
const SCENARIOS = [
  ['one service is killed', 'kills', (t, world, about) => killOne(t, world, { kills: part(0.6), ...about })],
  [
    'one of two replicas that share a folder is killed',
    'replicas',
    (t, world, about) => killReplicas(t, world, { kills: part(0.2), ...about }),
  ],
  redis && [
    'one of two replicas over Redis is killed',
    'replicas',
    (t, world, about) => killReplicas(t, world, { kills: part(0.2), redis, ...about }),
  ],
  [
    'the disk fills up, turns read-only and comes back',
    'disk',
    (t, world, about) => breakDisk(t, world, { answers: 3000, ...about }),
  ],
  [
    'the clocks of two replicas that share a folder jump',
    'clock',
    (t, world, about) => withLibrary((library) => moveClock(t, world, { library, answers: 2000, ...about })),
  ],
  valkey && [
    'the clocks of two replicas over Valkey jump',
    'clock',
    (t, world, about) =>
      withLibrary((library) => moveClock(t, world, { library, answers: 2000, redis: valkey, ...about })),
  ],
  ['a bucket and a Redis come and go', 'flaps', flapBoth],
].filter(Boolean)

const wanted = options.only?.split(',')
const groups = new Set(SCENARIOS.map(([, group]) => group))
const unknown = wanted?.find((group) => !groups.has(group))
if (unknown) stop(`There is no ${unknown}; there are ${[...groups].join(', ')}.`)

const report = []
const tell = (line) => {
  console.log(line)
  report.push(line)
}
tell(`chaos --kills ${kills} --seed ${options.seed}`)
tell(`Node ${process.version}, ${os.availableParallelism()} CPUs (${os.cpus()[0]?.model})`)
let failed = 0
for (const [at, [name, group, run]] of SCENARIOS.entries()) {
  if (wanted && !wanted.includes(group)) continue
  const about = { random: randomFrom(Number(options.seed) + at), say: (line) => console.error(`  ${line}`) }
  tell(`\n# ${name}`)
  try {
    const lines = await withScope(async (t) => run(t, await createWorld(t), about))
    for (const line of lines) tell(line)
    tell(`passed (load average ${os.loadavg()[0].toFixed(1)})`)
  } catch (error) {
    failed += 1
    tell(`FAILED: ${error.stack}`)
  }
}
tell('')
if (options.out) appendFileSync(options.out, `${report.join('\n')}\n`)
process.exit(failed === 0 ? 0 : 1)

function withLibrary(run) {
  const library = findLibrary()
  return library ? run(library) : ['left out']
}

async function flapBoth(t, world, about) {
  const { addresses, stop: stopStores } = await startStores([S3])
  t.after(stopStores)
  return flap(t, world, { flaps: 60, answers: 60, redis, bucket: addresses[S3], ...about })
}
