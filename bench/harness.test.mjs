// What the harness around the benchmarks promises: numbers are read and drawn right, and a wrong option is one line.
// Nothing here is about speed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { figuresOf, meansOf } from './lib/curves.mjs'
import { filesOf, installedSizes } from './lib/installed.mjs'
import { documentOf, startRun } from './lib/machine.mjs'
import { barCharts, lineCharts, logTicks, roundTicks } from './lib/plot.mjs'
import { percentile } from './lib/stats.mjs'
import { readWrk } from './lib/wrk.mjs'

const run = (name, ...args) =>
  spawnSync(process.execPath, [path.join(import.meta.dirname, `${name}.mjs`), ...args], { encoding: 'utf8' })

describe('percentiles', () => {
  test('are values that were measured', () => {
    const values = Array.from({ length: 20 }, (_, index) => 20 - index)
    assert.equal(percentile(values, 50), 10)
    assert.equal(percentile(values, 95), 19)
    assert.equal(percentile(values, 100), 20)
    assert.equal(percentile([7], 1), 7)
    assert.ok(Number.isNaN(percentile([], 50)))
  })
})

describe('a chart', () => {
  test('has round ticks around all values', () => {
    assert.deepEqual(roundTicks(3, 27), [0, 5, 10, 15, 20, 25, 30])
    assert.deepEqual(roundTicks(0.12, 0.31), [0.1, 0.15, 0.2, 0.25, 0.3, 0.35])
    assert.deepEqual(logTicks(3, 300), [2, 5, 10, 20, 50, 100, 200, 500])
    for (const [low, high] of [
      [5, 5],
      [0, 0],
      [-3, 4],
    ]) {
      const ticks = roundTicks(low, high)
      assert.ok(ticks.length >= 2 && ticks[0] <= low && ticks.at(-1) >= high, `${low} to ${high}: ${ticks}`)
    }
  })

  const places = (svg) =>
    [...svg.matchAll(/<circle cx="([^"]+)" cy="([^"]+)"/g)].map(([, x, y]) => [Number(x), Number(y)])

  test('draws more to the right and higher up, and leaves out what was not measured', () => {
    const points = [
      { x: 10, y: 1 },
      { x: 20, y: 3 },
      { x: Number.NaN, y: 2 },
    ]
    const svg = lineCharts({ title: 't', charts: [{ title: 'c', x: 'x', y: 'y', series: [{ label: 'a', points }] }] })
    const [low, high, ...more] = places(svg)
    assert.equal(more.length, 0)
    assert.ok(high[0] > low[0] && high[1] < low[1])
  })

  test('on a logarithmic axis puts equal factors at equal distances', () => {
    const points = [10, 20, 40].map((x) => ({ x, y: 1 }))
    const chart = { title: 'c', x: 'x', y: 'y', logX: true, series: [{ label: 'a', points }] }
    const [a, b, c] = places(lineCharts({ title: 't', charts: [chart] })).map(([x]) => x)
    assert.ok(Math.abs(b - a - (c - b)) < 0.2)
  })

  test('of bars gives each its height, and names in it are text and not markup', () => {
    const bars = [
      { label: '<b>&"', value: 2 },
      { label: 'twice', value: 4 },
    ]
    const svg = barCharts({ title: 't', unit: 'ms', charts: [{ title: 'c', groups: [{ label: 'g', bars }] }] })
    const heights = [...svg.matchAll(/height="([\d.]+)" fill="#(?:4878a8|d1603d)"/g)].map(([, height]) =>
      Number(height),
    )
    // The squares of the legend come first.
    assert.deepEqual(heights.slice(0, 2), [10, 10])
    assert.ok(Math.abs(heights[3] / heights[2] - 2) < 0.01)
    assert.ok(svg.includes('&lt;b&gt;&amp;&quot;') && !svg.includes('<b>'))
  })

  test('without any number is still a picture', () => {
    const chart = { title: 'c', x: 'x', y: 'y', series: [{ label: 'a', points: [] }] }
    assert.match(lineCharts({ title: 't', charts: [chart] }), /^<svg [\s\S]*<\/svg>\n$/)
  })
})

describe('the range of qualities', () => {
  const point = (picture, bytes, score) => ({
    ...{ format: 'webp', peer: 'sharp', quality: 75, picture, bytes, score },
    ...{ distance: 1, cpuMs: 10 },
  })

  test('is averaged over pictures by factors for bytes and by points for scores', () => {
    const [mean, ...more] = meansOf([point('a', 100, 60), point('b', 400, 80)])
    assert.equal(more.length, 0)
    assert.equal(Math.round(mean.bytes), 200)
    assert.equal(mean.score, 70)
  })

  test('has a figure per format and a chart per picture in it', () => {
    const figures = figuresOf([point('a', 100, 60), point('b', 400, 80), { ...point('a', 90, 61), format: 'avif' }])
    assert.deepEqual(Object.keys(figures), ['webp', 'avif'])
    for (const title of ['SSIMULACRA2: a', 'SSIMULACRA2: b', 'mean of 2 pictures'])
      assert.ok(figures.webp.includes(title))
    assert.ok(!figures.avif.includes('SSIMULACRA2: b'))
  })
})

describe('a report of wrk', () => {
  const report = `Running 5s test @ http://127.0.0.1:1/
  Latency Distribution
     50%  812.00us
     75%    1.20ms
     99%    1.21s
  51234 requests in 5.01s, 1.62GB read
Requests/sec:  10226.35
`
  test('is read in ms', () => {
    assert.deepEqual(readWrk(report), { requests: 51234, perSecond: 10226.35, p50Ms: 0.812, p99Ms: 1210, errors: '' })
  })

  test('with failures among the answers is an error', () => {
    assert.throws(() => readWrk(`${report}  Non-2xx or 3xx responses: 7\n`), /7 answers were no success/)
  })
})

describe('what is installed', () => {
  test('is counted by package, its dependencies included and each once', (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'unsharp-installed-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const put = (name, content, more) => {
      const own = path.join(folder, 'node_modules', name)
      spawnSync('mkdir', ['-p', own])
      writeFileSync(path.join(own, 'package.json'), JSON.stringify({ name, ...more }))
      writeFileSync(path.join(own, 'index.js'), content)
      return path.join(own, 'index.js')
    }
    const entry = put('a', 'x'.repeat(100), {
      dependencies: { b: '1', missing: '1' },
      optionalDependencies: { c: '1' },
    })
    put('b', 'x'.repeat(1000), { dependencies: { a: '1' } })
    put('c', 'x'.repeat(5000), { libc: [process.report.getReport().header.glibcVersionRuntime ? 'musl' : 'glibc'] })
    const sizes = installedSizes(entry)
    assert.deepEqual(Object.keys(sizes), ['a', 'b'])
    assert.ok(sizes.a > 100 && sizes.a < 300 && sizes.b > 1000 && sizes.b < 1200)

    writeFileSync(path.join(path.dirname(entry), 'x.node'), 'x'.repeat(70))
    writeFileSync(path.join(path.dirname(entry), 'left-out.js'), 'x'.repeat(9000))
    const own = path.join(path.dirname(entry), 'package.json')
    writeFileSync(own, JSON.stringify({ name: 'a', files: ['index.js'] }))
    assert.deepEqual(filesOf(entry), { a: 100 + readFileSync(own).length, 'x.node': 70 })
  })
})

test('a document of a run names no folder of the machine', () => {
  const options = { images: '/home/somebody/pictures', json: 'out/x.json', rounds: 3 }
  const written = documentOf({ started: startRun(), options, results: 1 })
  assert.deepEqual(written.options, { images: 'pictures', json: 'x.json', rounds: 3 })
  assert.ok(written.machine.cores > 0 && written.results === 1)
})

describe('the command line', () => {
  test('of the harness lists every benchmark, and refuses one that is not there', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(import.meta.dirname, '../package.json'), 'utf8'))
    const listed = run('bench')
    assert.equal(listed.status, 0)
    const named = Object.keys(scripts).filter((name) => name.startsWith('bench:'))
    assert.deepEqual([...listed.stdout.matchAll(/^ {2}(bench:\w+)/gm)].map(([, name]) => name).sort(), named.sort())
    assert.equal(run('bench', 'nonsense').status, 1)
  })

  for (const [name, args, message] of [
    ['ssr', ['--quotas', '1,x'], '--quotas: "x" is not a number from 0 to 256'],
    ['ssr', ['--format', 'gif'], '--format: "gif" is none of webp, avif'],
    ['http', ['--seconds', '0'], '--seconds: "0" is not a whole number from 1 to 600'],
    ['memory', ['--peers', 'vips'], '--peers: "vips" is none of sharp, unsharp'],
    ['start', ['--rounds', '-1'], '--rounds'],
    ['publish', ['--only', 'all'], '--only: "all" is none of'],
  ]) {
    test(`of ${name} refuses ${args.join(' ')} in one line`, () => {
      const { status, stdout, stderr } = run(name, ...args)
      assert.equal(status, 1)
      assert.equal(stdout, '')
      assert.ok(stderr.includes(message), stderr)
    })
  }
})
