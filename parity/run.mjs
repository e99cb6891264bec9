// Holds unsharp against Next with sharp, behaviour by behaviour.
//
//   node parity/run.mjs [--only ROW[,ROW…]] [--sides handler,alias] [--json FILE] [--verbose]
//
// Both run beside each other on the same build, get the same requests, and every difference in what they answer, fetch
// and keep is either on the list in differences.mjs or makes the run fail.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildApp, testApp } from '../scripts/example.mjs'
import { stop } from '../scripts/shell.mjs'
import { available } from './lib/sides.mjs'
import { printResult, printSum } from './lib/table.mjs'
import { ROWS, runSuite } from './suite.mjs'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    sides: { type: 'string' },
    json: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const sides = values.sides?.split(',') ?? available().filter((name) => name !== 'reference')
const wanted = values.only?.split(',')
const rows = ROWS.filter(({ id }) => !wanted || wanted.some((only) => id === only || id.startsWith(`${only}.`)))
if (rows.length === 0) stop(`There is no row ${values.only}.`)

// So that what was started is stopped.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

buildApp(testApp)
const results = await runSuite({ sides, rows, onResult: (result) => printResult(result, sides, values.verbose) })
printSum(results, sides)
if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
process.exitCode = results.some(({ sides }) => Object.values(sides).some(({ verdict }) => verdict === 'DIFFERENT'))
  ? 1
  : 0
