// A part of `npm run parity`: Next with sharp and unsharp beside each other, on one config, held against each other.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { CONFIGS } from '../parity/configs.mjs'
import { DIFFERENCES } from '../parity/differences.mjs'
import { available } from '../parity/lib/sides.mjs'
import { ROWS, runSuite } from '../parity/suite.mjs'

/** Rows of much image work say most about the encoders, which tests of their own hold against sharp. */
const HEAVY = ['F7', 'E1', 'E2', 'E6', 'E6.1']

const sides = available().filter((name) => name !== 'reference')
const rows = ROWS.filter(
  ({ id, config = 'plain', slow, run }) => config === 'plain' && run && !slow && !HEAVY.includes(id),
)

test('what Next answers is what we answer', async (t) => {
  const results = await runSuite({ sides, rows })
  for (const { id, title, observations, sides } of results) {
    await t.test(`${id}: ${title}`, () => {
      assert.ok(observations > 0, 'the row looked at something')
      for (const [name, { differences = [] }] of Object.entries(sides)) {
        const unlisted = differences.filter(({ listed }) => !listed)
        assert.deepEqual(unlisted, [], `${name} differs from Next`)
      }
    })
  }
})

test('every listed difference is in docs/PARITY.md, and belongs to a row', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../docs/PARITY.md'), 'utf8')
  const ids = ROWS.map(({ id }) => id)
  for (const { id, rows } of DIFFERENCES) {
    assert.ok(page.includes(`\`${id}\``), `${id} is explained`)
    for (const row of rows ?? []) assert.ok(ids.includes(row), `${row} of ${id}`)
  }
})

test('every row has a name of its own and a config that exists', () => {
  const ids = ROWS.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  for (const { id, config = 'plain', run, why } of ROWS) {
    assert.ok(CONFIGS[config], id)
    assert.ok(run || why, `${id} is compared, or says why not`)
  }
})
