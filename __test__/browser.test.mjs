// The demo in a real browser: every picture decodes, and the browser picks the width that fits the window.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { choices, photos } from '../examples/next/app/photos.js'

const EXAMPLE = path.resolve(import.meta.dirname, '../examples/next')

/** A folder for screenshots, when somebody wants to look at them. */
const { SCREENSHOTS } = process.env

const VIEWPORTS = {
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, columns: 1 },
  desktop: { viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1, columns: 3 },
}

const profile = mkdtempSync(path.join(tmpdir(), 'unsharp-chromium-'))
let server
let origin

/** Debian's chromium, found as a shell would find it. */
function findChromium() {
  const found = (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'chromium'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
  assert.ok(found, 'chromium is not installed')
  return found
}

before(async () => {
  rmSync(path.join(EXAMPLE, '.next/cache/images'), { recursive: true, force: true })
  server = spawn(process.execPath, ['server.mjs'], {
    cwd: EXAMPLE,
    env: { ...process.env, PORT: '0', NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = []
  origin = await new Promise((resolve, reject) => {
    createInterface(server.stdout).on('line', (line) => {
      lines.push(line)
      const found = /http:\/\/localhost:(\d+)/.exec(line)
      if (found) resolve(`http://127.0.0.1:${found[1]}`)
    })
    server.on('exit', (code) => reject(new Error(`the demo ended with ${code}`)))
  })
  assert.match(lines.join('\n'), /No sharp/)
})

after(async () => {
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null], 'the demo stops cleanly')
  rmSync(profile, { recursive: true, force: true })
})

/** Opens the page, scrolls through it and reads what each picture became. */
async function visit(context, as) {
  const page = await context.newPage()
  const problems = []
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  await page.goto(`${origin}/${as ? `?as=${as}` : ''}`)
  const images = page.locator('figure img')
  for (const image of await images.all()) {
    await image.scrollIntoViewIfNeeded()
    await image.evaluate((element) => element.decode())
  }
  // The last row of each list of facts is there once the picture's request has been measured.
  await page.waitForFunction((count) => document.querySelectorAll('dl').length === count, photos.length)
  const pictures = await images.evaluateAll((elements) =>
    elements.map((element) => ({
      natural: element.naturalWidth,
      shown: element.getBoundingClientRect().width,
      left: Math.round(element.getBoundingClientRect().left),
      candidate: Number(new URL(element.currentSrc).searchParams.get('w')),
      widths: element.srcset.split(',').map((one) => Number(/ (\d+)w$/.exec(one.trim())[1])),
      type: element.closest('figure').querySelector('.type').textContent,
      facts: element.closest('figure').querySelector('dl').textContent,
    })),
  )
  return { page, pictures, problems }
}

async function withBrowser({ viewport, deviceScaleFactor }, use) {
  const context = await chromium.launchPersistentContext(mkdtempSync(path.join(profile, 'user-')), {
    executablePath: findChromium(),
    headless: true,
    viewport,
    deviceScaleFactor,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  })
  try {
    return await use(context)
  } finally {
    await context.close()
  }
}

for (const [name, { columns, ...device }] of Object.entries(VIEWPORTS)) {
  test(`on a ${name} every picture decodes and has the width that fits`, async () => {
    await withBrowser(device, async (context) => {
      const { page, pictures, problems } = await visit(context, '')
      assert.equal(pictures.length, photos.length)
      assert.equal(new Set(pictures.map(({ left }) => left)).size, columns)
      const viewportWidth = device.viewport.width
      const slot = viewportWidth >= 1080 ? 0.31 : viewportWidth >= 680 ? 0.47 : 0.94
      const needed = viewportWidth * slot * device.deviceScaleFactor
      for (const { candidate, facts, natural, type, widths } of pictures) {
        assert.ok(natural > 0)
        assert.equal(candidate, Math.min(...widths.filter((width) => width >= needed)))
        assert.equal(type, 'avif', 'this browser knows AVIF')
        assert.match(facts, /MISS|HIT/)
        assert.doesNotMatch(facts, /unknown|NaN|undefined/)
      }
      assert.deepEqual(problems, [])
      if (SCREENSHOTS) {
        mkdirSync(SCREENSHOTS, { recursive: true })
        await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true })
      }
    })
  })
}

test('the switch changes what is served', async () => {
  const expected = { avif: /^avif$/, webp: /^webp$/, none: /^(jpeg|png)$/ }
  await withBrowser(VIEWPORTS.desktop, async (context) => {
    for (const { as } of choices.filter((choice) => choice.as !== '')) {
      const { pictures, problems } = await visit(context, as)
      for (const { natural, type } of pictures) {
        assert.ok(natural > 0)
        assert.match(type, expected[as])
      }
      assert.deepEqual(problems, [])
    }
  })
})

test('asking the server again gets hits', async () => {
  await withBrowser(VIEWPORTS.desktop, async (context) => {
    const { page } = await visit(context, 'webp')
    await page.getByRole('button', { name: 'Ask the server again' }).click()
    for (const image of await page.locator('figure img').all()) await image.scrollIntoViewIfNeeded()
    await page.waitForFunction((count) => document.querySelectorAll('.cache.hit').length === count, photos.length)
  })
})
