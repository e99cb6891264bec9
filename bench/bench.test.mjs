// What the benchmark promises: it compares the right numbers, and a peer that fails costs only its own cells.
// Nothing here is about speed. Run with `node --test bench/`; it needs sharp from the root's npm ci.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { compareAtEqualQuality, compareCell, summarize } from './lib/compare.mjs'
import { readOptions } from './lib/options.mjs'
import { SHARP } from './lib/peers.mjs'
import { geomean, median, pairedRatio, valueAtScore } from './lib/stats.mjs'

const RUN = fileURLToPath(new URL('./image.mjs', import.meta.url))

describe('the command line', () => {
  test('keeps the order of the report, drops doubles and always measures sharp', () => {
    const options = readOptions(['--formats', 'png,avif', '--widths', '1080,640,1080', '--peers', 'unsharp'])
    assert.deepEqual(options.formats, ['avif', 'png'])
    assert.deepEqual(options.widths, [640, 1080])
    assert.deepEqual(options.peers, ['sharp', 'unsharp'])
  })

  for (const args of [
    ['--formats', 'gif'],
    ['--widths', '0'],
    ['--widths', '640,'],
    ['--quality', '101'],
    ['--rounds', '1.5'],
    ['--inflight', '4x'],
    ['--peers', ''],
    ['--matched', '--no-quality'],
    ['--no-such-option'],
  ]) {
    test(`refuses ${args.join(' ')}`, () => assert.throws(() => readOptions(args), Error))
  }
})

describe('the arithmetic', () => {
  test('medians and geometric means', () => {
    assert.equal(median([9, 1, 5]), 5)
    assert.equal(median([4, 1, 2, 9]), 3)
    assert.ok(Number.isNaN(median([])))
    assert.ok(Math.abs(geomean([0.5, 2]) - 1) < 1e-12)
  })

  test('a machine that slows down during the run leaves the ratio alone', () => {
    assert.equal(pairedRatio([1, 10, 100], [2, 20, 200]), 0.5)
  })

  test('a curve is read between its points and never past its ends', () => {
    const points = [
      { score: 60, value: 10 },
      { score: 70, value: 30 },
      { score: 80, value: 40 },
    ]
    assert.equal(valueAtScore(points, 65), 20)
    assert.equal(valueAtScore(points, 80), 40)
    assert.equal(valueAtScore(points, 59.9), null)
    assert.equal(valueAtScore(points, 80.1), null)
    assert.equal(valueAtScore([], 70), null)
    assert.equal(valueAtScore(points, undefined), null)
  })
})

describe('a comparison', () => {
  const turn = (cpu, rss) => ({
    cpuMs: [cpu],
    wallMs: [cpu],
    latencyMs: [cpu],
    imagesPerSecond: [1 / cpu],
    rssGrowthBytes: [rss],
  })

  test('is a ratio for what is measured, a difference for the score, and null for what is missing', () => {
    const { unsharp, 'napi-rs': failed } = compareCell({
      sharp: {
        bytes: 200,
        score: 70,
        distance: 2,
        worstDistance: 4,
        alone: turn(40, 0),
        inflight: { 4: turn(40, 0), 16: turn(40, 8) },
      },
      unsharp: {
        bytes: 100,
        score: 68,
        distance: 1,
        alone: turn(10, 0),
        inflight: { 4: turn(20, 5), 16: turn(10, 2) },
      },
      'napi-rs': { error: 'no' },
    })
    assert.equal(failed, undefined)
    assert.deepEqual(
      { ...unsharp },
      {
        cpu: 0.25,
        wall: 0.25,
        bytes: 0.5,
        score: -2,
        distance: 0.5,
        worstDistance: null,
        'cpu×4': 0.5,
        'rss×4': null,
        'img/s×4': 2,
        'cpu×16': 0.25,
        'rss×16': 0.25,
        'img/s×16': 4,
      },
    )
  })

  test('at equal quality reads bytes and CPU where the sweep meets sharp, by each metric', () => {
    const settings = [
      [60, 60, 3, 100, 10],
      [70, 70, 2, 400, 20],
      [80, 80, 1, 1600, 30],
    ]
    const unsharp = settings.map(([quality, score, distance, bytes, cpuMs]) => ({
      quality,
      score,
      distance,
      bytes,
      cpuMs,
    }))
    const compare = (sharp) => compareAtEqualQuality({ sharp, unsharp }).unsharp
    const { ssimulacra2, butteraugli } = compare({ score: 65, distance: 1.5, bytes: 400, cpuMs: 30 })
    assert.ok(Math.abs(ssimulacra2.bytes - 0.5) < 1e-12)
    assert.equal(ssimulacra2.cpu, 0.5)
    assert.equal(ssimulacra2.quality, 65)
    assert.ok(Math.abs(butteraugli.bytes - 2) < 1e-12)
    assert.equal(butteraugli.quality, 75)
    const beyond = compare({ score: 90, distance: 0.5, bytes: 1, cpuMs: 1 })
    assert.equal(beyond.ssimulacra2.bytes, null)
    assert.equal(beyond.butteraugli.bytes, null)
  })

  test('names the worst picture, which is the highest ratio and the lowest score', () => {
    const rows = [
      { label: 'a', values: { cpu: 0.5, score: -3, 'img/s×4': 2 } },
      { label: 'b', values: { cpu: 2, score: 1, 'img/s×4': 0.5 } },
      { label: 'c', values: { cpu: null, score: null } },
    ]
    const summary = summarize(rows)
    assert.deepEqual(summary.cpu, { median: 1.25, mean: 1, worst: { value: 2, label: 'b' } })
    assert.deepEqual(summary.score, { median: -1, mean: -1, worst: { value: -3, label: 'a' } })
    assert.equal(summary['img/s×4'].worst.label, 'b')
  })
})

describe('a run', () => {
  let folder
  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'unsharp-bench-test-'))
    const { default: sharp } = await import('./lib/sharp.mjs')
    const create = {
      width: 200,
      height: 120,
      channels: 3,
      background: '#a05020',
      noise: { type: 'gaussian', mean: 128, sigma: 30 },
    }
    await sharp({ create }).jpeg().withMetadata({ orientation: 6 }).toFile(path.join(folder, 'turned.jpg'))
    await writeFile(path.join(folder, 'notes.txt'), 'not a picture')
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function started(...args) {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (printed += data))
    const code = await new Promise((resolve) => child.on('close', resolve))
    return { code, printed }
  }

  /** Runs the benchmark with `source` as the addon and answers its cells and what it printed. */
  async function bench(source, ...more) {
    const addon = path.join(folder, 'addon.cjs')
    await writeFile(
      addon,
      `const sharp = require(${JSON.stringify(createRequire(import.meta.url).resolve(SHARP))});\n${source}`,
    )
    const json = path.join(folder, 'out.json')
    const args = [
      RUN,
      '--images',
      folder,
      '--unsharp',
      addon,
      '--json',
      json,
      '--peers',
      'unsharp',
      '--formats',
      'webp',
    ]
    args.push('--widths', '64,500,900', '--rounds', '1', '--inflight', '1,2', '--no-decode', '--no-quality', ...more)
    const { code, printed } = await started(...args)
    assert.equal(code, 0, printed)
    return { ...JSON.parse(await readFile(json, 'utf8')), printed }
  }

  const working = `exports.optimize = async (input, { width, quality }) => ({
    data: await sharp(input).rotate().resize(width, undefined, { withoutEnlargement: true }).webp({ quality }).toBuffer(),
    outcome: 'optimized',
  });`

  test('measures every peer, turns pictures upright and asks a width past the picture only once', async () => {
    const { cells, versions, summary } = await bench(working)
    assert.deepEqual(
      cells.map(({ picture, width }) => [picture, width]),
      [
        ['turned', 64],
        ['turned', 500],
      ],
    )
    for (const { results, comparison } of cells) {
      assert.equal(results.unsharp.bytes, results.sharp.bytes)
      assert.equal(comparison.unsharp.bytes, 1)
      assert.ok(results.unsharp.alone.cpuMs.every((cpu) => cpu > 0))
      assert.deepEqual(Object.keys(results.sharp.inflight), ['1', '2'])
    }
    assert.match(versions.sharp, /^\d+\.\d+\.\d+/)
    assert.equal(summary.webp.ratios.unsharp.bytes.median, 1)
  })

  for (const [failure, source, reason] of [
    ['rejects', `exports.optimize = async () => { throw new Error('not today'); };`, /not today/],
    ['is missing', 'exports.version = 1;', /optimize is not a function/],
    [
      'kills its process',
      `exports.optimize = async () => process.kill(process.pid, 'SIGKILL');`,
      /its process died \(SIGKILL\)/,
    ],
    [
      'passes the picture through',
      `exports.optimize = async (data) => ({ data, outcome: 'bypass' });`,
      /outcome is bypass/,
    ],
    ['answers another question', working.replace('resize(width', 'resize(32'), /32 px wide instead of webp, 64 px/],
    [
      'answers nonsense',
      `exports.optimize = async () => ({ data: Buffer.from('?'), outcome: 'optimized' });`,
      /unsupported image format/,
    ],
  ]) {
    test(`goes on when optimize() ${failure}`, async () => {
      const { cells, printed } = await bench(source)
      assert.match(cells[0].results.unsharp.error, reason)
      assert.equal(cells[0].comparison.unsharp, undefined)
      assert.ok(cells.every(({ results }) => results.sharp.alone.cpuMs[0] > 0))
      assert.match(printed, /unsharp failed in \d of 2 cells/)
    })
  }

  test('says how to build an addon that is not there, and measures the rest', async () => {
    const { cells, printed } = await bench('throw new Error("no native binding");')
    assert.match(printed, /unsharp is not measured, try `npm run build`: no native binding/)
    assert.deepEqual(Object.keys(cells[0].results), ['sharp'])
  })

  test('refuses a folder without pictures in one line', async () => {
    const empty = path.join(folder, 'empty')
    await mkdir(empty)
    const { code, printed } = await started(RUN, '--images', empty, '--no-quality')
    assert.equal(code, 1)
    assert.equal(printed, `no picture in ${empty}\n`)
  })
})
