// unsharp/sharp against sharp 0.35.5: the calls that Next makes give the same, and every other one says so.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import real from 'sharp-reference'
import { UnsharpError } from '../index.js'
import sharp from '../lib/sharp.js'
import { corners, inputs, meanDifference, photoFile } from './support/images.mjs'

const require = createRequire(import.meta.url)
const root = path.resolve(import.meta.dirname, '..')
const photo = photoFile('alps.jpg')

/** What Next 16 asks for, and 15, which differs in what it can be told; a busy machine must not fail a test. */
function next16(sharp, input, { width, height, quality = 75, contentType, mozjpeg = true, limitInputPixels }) {
  const transformer = sharp(input, { limitInputPixels, sequentialRead: undefined }).timeout({ seconds: 600 }).rotate()
  if (height) transformer.resize(width, height)
  else transformer.resize(width, undefined, { withoutEnlargement: true })
  if (contentType === 'image/avif') {
    transformer.avif({ quality: Math.max(Math.round(quality * (50 / 80)), 1), effort: 3 })
  } else if (contentType === 'image/webp') transformer.webp({ quality })
  else if (contentType === 'image/png') transformer.png({ quality })
  else if (contentType === 'image/jpeg') transformer.jpeg({ quality, mozjpeg })
  return transformer.toBuffer()
}

/** What Next 14 asks for. */
function next14(sharp, input, { width, height, quality = 75, contentType }) {
  const transformer = sharp(input, { sequentialRead: true })
  transformer.rotate()
  if (height) transformer.resize(width, height)
  else transformer.resize(width, undefined, { withoutEnlargement: true })
  if (contentType === 'image/avif') {
    assert.ok(transformer.avif)
    transformer.avif({ quality: Math.max(quality - 15, 0), chromaSubsampling: '4:2:0' })
  } else if (contentType === 'image/webp') transformer.webp({ quality })
  else if (contentType === 'image/png') transformer.png({ quality })
  else if (contentType === 'image/jpeg') transformer.jpeg({ quality, progressive: true })
  return transformer.toBuffer()
}

/** What next/og does. */
const og = (sharp, svg, width) => sharp(new TextEncoder().encode(svg)).resize(width).png().toBuffer()

/** What tells a file from another of the same picture. */
async function kind(file) {
  const { format, width, height, hasAlpha, isProgressive, isPalette, orientation } = await real(file).metadata()
  return { format, width, height, hasAlpha, isProgressive, isPalette, orientation }
}

async function assertAlike(ours, theirs, { levels = 4, bytes = [0.6, 1.4] } = {}) {
  const [a, b] = [await kind(ours), await kind(theirs)]
  assert.deepEqual(a, b)
  const difference = await meanDifference(ours, theirs)
  assert.ok(difference < levels, `${difference.toFixed(2)} levels of 255`)
  const ratio = ours.length / theirs.length
  assert.ok(ratio > bytes[0] && ratio < bytes[1], `${ratio.toFixed(2)} times the bytes`)
}

const TYPES = ['image/avif', 'image/webp', 'image/png', 'image/jpeg']

for (const [name, call] of Object.entries({ 'Next 15 and 16': next16, 'Next 14': next14 })) {
  for (const contentType of TYPES) {
    test(`${name}: ${contentType} looks and weighs as with sharp`, async () => {
      for (const width of [256, 828]) {
        for (const input of [photo, photoFile('bubble.png')]) {
          const wanted = { width, contentType }
          const [ours, theirs] = await Promise.all([call(sharp, input, wanted), call(real, input, wanted)])
          await assertAlike(ours, theirs)
        }
      }
    })
  }

  test(`${name}: the placeholder of a static import covers its few pixels`, async () => {
    for (const contentType of TYPES) {
      const wanted = { width: 8, height: 5, quality: 70, contentType }
      const [ours, theirs] = [await call(sharp, photo, wanted), await call(real, photo, wanted)]
      await assertAlike(ours, theirs, { levels: 8, bytes: [0.5, 1.6] })
      // Smaller than the placeholder, so that it is enlarged.
      const tiny = await real(photo).resize(4, 2).png().toBuffer()
      const [large, asTheirs] = [await call(sharp, tiny, wanted), await call(real, tiny, wanted)]
      assert.deepEqual((await kind(large)).width, 8)
      await assertAlike(large, asTheirs, { levels: 12, bytes: [0.5, 1.6] })
    }
  })
}

test('without an encoder the format of the input stays, with the settings of sharp', async () => {
  const made = await inputs()
  for (const name of ['jpeg progressive', 'png rgba', 'webp lossy', 'avif 4:2:0', 'gif static', 'tiff lzw']) {
    const wanted = { width: 320, contentType: 'image/apng' }
    const [ours, theirs] = [await next16(sharp, made[name], wanted), await next16(real, made[name], wanted)]
    const gif = name === 'gif static'
    const [a, b] = [await kind(ours), await kind(theirs)]
    assert.deepEqual([a.format, a.width, a.height, a.isPalette], [b.format, b.width, b.height, b.isPalette], name)
    const difference = await meanDifference(ours, theirs)
    assert.ok(difference < (gif ? 9 : 4), `${name}: ${difference.toFixed(2)} levels of 255`)
    const ratio = ours.length / theirs.length
    assert.ok(ratio > 0.5 && ratio < 1.6, `${name}: ${ratio.toFixed(2)} times the bytes`)
  }
})

test('without mozjpeg a JPEG is baseline', async () => {
  const wanted = { width: 320, contentType: 'image/jpeg', mozjpeg: false }
  await assertAlike(await next16(sharp, photo, wanted), await next16(real, photo, wanted))
})

test('an image is turned when asked, and else stays as it is stored', async () => {
  const image = await corners()
  const input = await image.jpeg({ quality: 95 }).withMetadata({ orientation: 6 }).toBuffer()
  for (const call of [
    (sharp) => sharp(input).rotate().resize(80).png().toBuffer(),
    (sharp) => sharp(input).resize(80).png().toBuffer(),
    (sharp) => sharp(input, { autoOrient: true }).resize(80, 90).png().toBuffer(),
  ]) {
    await assertAlike(await call(sharp), await call(real), { levels: 3, bytes: [0.3, 3] })
  }
})

test('without a size the image keeps its own', async () => {
  for (const call of [
    (sharp) => sharp(photoFile('bubble.png')).webp().toBuffer(),
    (sharp) => sharp(photoFile('bubble.png')).resize(undefined).webp({ quality: 50 }).toBuffer(),
  ]) {
    await assertAlike(await call(sharp), await call(real))
  }
})

test('of an animated GIF the first frame is taken, and an animated WebP is refused', async () => {
  const frame = { raw: { width: 60, height: 40, channels: 3 } }
  const frames = [200, 100].map((level) =>
    real(Buffer.alloc(60 * 40 * 3, level), frame)
      .png()
      .toBuffer(),
  )
  const animation = real(await Promise.all(frames), { join: { animated: true } })
  const gif = await animation.clone().gif().toBuffer()
  const [ours, theirs] = [sharp, real].map((sharp) => sharp(gif).resize(30).png().toBuffer())
  const difference = await meanDifference(await ours, await theirs)
  assert.ok(difference < 2, `${difference.toFixed(2)} levels of 255`)
  const webp = await animation.clone().webp().toBuffer()
  await assert.rejects(sharp(webp).resize(30).png().toBuffer(), { code: 'ERR_UNSHARP_DECODE', message: /animated/ })
})

/** What satori makes: outlines, masks, gradients, and images as data urls. */
function page() {
  const data = photo.toString('base64')
  return `<svg width="600" height="315" viewBox="0 0 600 315" xmlns="http://www.w3.org/2000/svg">
    <defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0%" stop-color="#1a2a6c"/><stop offset="100%" stop-color="#fdbb2d"/></linearGradient></defs>
    <mask id="m"><rect x="0" y="0" width="600" height="315" fill="#fff"/></mask>
    <rect x="0" y="0" width="600" height="315" fill="url(#g)" mask="url(#m)"/>
    <clipPath id="c"><path d="M40,40 h160 a20,20 0 0 1 20,20 v120 a20,20 0 0 1 -20,20 h-160 z"/></clipPath>
    <image x="40" y="40" width="180" height="160" href="data:image/jpeg;base64,${data}" preserveAspectRatio="xMidYMid slice" clip-path="url(#c)"/>
    <path fill="white" d="M260 80 L300 40 L340 80 Q300 120 260 80 Z M360 60 C380 20 420 20 440 60 S500 100 520 60 L520 120 L360 120 Z"/>
    <g opacity="0.6"><circle cx="420" cy="220" r="60" fill="#0f0"/><rect x="380" y="200" width="120" height="60" fill="#f0f" rx="8"/></g>
  </svg>`
}

test('next/og: an SVG becomes the PNG that sharp makes of it', async () => {
  for (const width of [600, 300, 1200]) {
    const [ours, theirs] = await Promise.all([og(sharp, page(), width), og(real, page(), width)])
    const [a, b] = [await kind(ours), await kind(theirs)]
    assert.deepEqual([a.format, a.width, a.height], [b.format, b.width, b.height])
    const difference = await meanDifference(ours, theirs)
    assert.ok(difference < 2, `${difference.toFixed(2)} levels of 255 at ${width} px`)
  }
  assert.deepEqual((await kind(await sharp(Buffer.from(page())).toBuffer())).format, 'png')
})

test('every quality of Next comes through to AVIF', async () => {
  const input = await real(photo).resize(64).png().toBuffer()
  const { optimize } = await import('../index.js')
  for (const quality of [1, 2, 10, 33, 50, 60, 75, 80, 90, 99, 100]) {
    const ours = await next16(sharp, input, { width: 64, quality, contentType: 'image/avif' })
    // Next rounds, so that two of its qualities may be one of sharp's.
    const near = [-1, 0, 1].map((by) => Math.min(Math.max(quality + by, 1), 100))
    const files = await Promise.all(near.map((quality) => optimize(input, { width: 64, quality, format: 'avif' })))
    assert.ok(
      files.some(({ data }) => data.equals(ours)),
      `quality ${quality}`,
    )
  }
  const best = await sharp(input).avif({ quality: 100 }).toBuffer()
  assert.deepEqual(best, await sharp(input).avif({ quality: 63 }).toBuffer())
})

test('each call changes the instance and returns it', async () => {
  const image = sharp(photo)
  for (const call of [
    () => image.timeout({ seconds: 0 }),
    () => image.rotate(),
    () => image.resize(64, 48),
    () => image.resize(64, undefined, { withoutEnlargement: true }),
    () => image.jpeg({ quality: 75, mozjpeg: true }),
    () => image.png(),
    () => image.webp({ quality: 75 }),
    () => image.avif({ quality: 47, effort: 3 }),
  ]) {
    assert.equal(call(), image)
  }
  const { format, width } = await kind(await image.toBuffer())
  assert.deepEqual([format, width], ['heif', 64])
  image.png()
  assert.equal((await kind(await image.toBuffer())).format, 'png', 'and again after the first result')
})

test('metadata() says what sharp says', async () => {
  const turned = await real(photo).resize(300, 200).withMetadata({ orientation: 6 }).jpeg().toBuffer()
  const all = { ...(await inputs()), turned, svg: Buffer.from(page()) }
  for (const [name, input] of Object.entries(all)) {
    const ours = await sharp(input).metadata()
    const theirs = await real(input).metadata()
    // sharp reads GIF as if it always had alpha.
    const fields = Object.keys(ours).filter((field) => !(name.startsWith('gif') && field === 'hasAlpha'))
    for (const field of fields) assert.equal(ours[field], theirs[field], `${field} of ${name}`)
    for (const field of ['format', 'mediaType', 'size', 'width', 'height'])
      assert.ok(field in ours, `${field} of ${name}`)
  }
  assert.equal((await sharp(turned).metadata()).orientation, 6)
  for (const input of [Buffer.from('no image'), Buffer.concat([Buffer.from('BM'), Buffer.alloc(64)])]) {
    await assert.rejects(sharp(input).metadata(), UnsharpError)
    await assert.rejects(real(input).metadata())
  }
})

test('the input may be any view of bytes', async () => {
  const exact = photo.buffer.slice(photo.byteOffset, photo.byteOffset + photo.length)
  const padded = new Uint8Array([0, 0, ...photo])
  const expected = await sharp(photo).resize(16).toBuffer()
  const even = Buffer.concat([photo, Buffer.alloc(photo.length % 2)])
  const words = new Uint16Array(even.buffer.slice(even.byteOffset, even.byteOffset + even.length))
  for (const input of [exact, padded.subarray(2), words, new DataView(exact), new Uint8ClampedArray(exact)]) {
    assert.deepEqual(await sharp(input).resize(16).toBuffer(), expected)
  }
})

test('limits hold, and what fails has its code and the line it was called from', async () => {
  const failsWith = (code) => (error) => {
    assert.equal(error.code, code)
    assert.match(error.stack, /^UnsharpError: .*\n(?:.*\n)*.*sharp\.test\.mjs/)
    return true
  }
  const { width, height } = await sharp(photo).metadata()
  const tooMany = next16(sharp, photo, { width: 64, contentType: 'image/webp', limitInputPixels: width * height - 1 })
  await assert.rejects(tooMany, failsWith('ERR_UNSHARP_TOO_MANY_PIXELS'))
  for (const limitInputPixels of [width * height, false, 0, true, undefined]) {
    assert.ok(await next16(sharp, photo, { width: 64, contentType: 'image/webp', limitInputPixels }))
  }
  await assert.rejects(sharp(photo.subarray(0, 9000)).resize(64).toBuffer(), failsWith('ERR_UNSHARP_DECODE'))
  await assert.rejects(sharp(Buffer.from('text')).resize(64).toBuffer(), failsWith('ERR_UNSHARP_NOT_AN_IMAGE'))
  const large = await real({ create: { width: 4000, height: 4000, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  const late = sharp(large).timeout({ seconds: 1 }).resize(4000).avif({ quality: 63 })
  // Only that the limit arrives: whether a second is enough depends on the machine.
  await late.toBuffer().catch(failsWith('ERR_UNSHARP_TIMEOUT'))
  const wide = await real({ create: { width: 4, height: 4000, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  await assert.rejects(sharp(wide).resize(16383).toBuffer(), failsWith('ERR_UNSHARP_TOO_LARGE'))
})

test('an SVG reads no file and nothing that takes too long', async () => {
  const picture = path.join(root, 'examples/next/public/photos/bubble.png')
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><image href="${picture}" width="20" height="10"/></svg>`
  const { data } = await real(await og(sharp, svg, 20))
    .raw()
    .toBuffer({ resolveWithObject: true })
  assert.ok(data.every((sample) => sample === 0))
  const bomb = `<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="2000"><filter id="f"><feMorphology radius="900"/></filter><rect width="2000" height="2000" filter="url(#f)"/></svg>`
  await assert.rejects(og(sharp, bomb, 2000), { code: 'ERR_UNSHARP_DECODE', message: /too long/ })
})

test('it is one function for require, import and await import, and no promise takes it for one of its kind', async () => {
  const imported = await import('../lib/sharp.js')
  assert.equal(imported.default, sharp)
  assert.equal(require('../lib/sharp.js'), sharp)
  assert.equal(require('unsharp/sharp'), sharp)
  assert.equal((await import('unsharp/sharp')).default, sharp)
  assert.equal(sharp.default, sharp)
  assert.equal(typeof sharp, 'function')
  assert.equal(imported.then, undefined)
  assert.equal(sharp.then, undefined)
  assert.equal(await sharp, sharp)
  const image = sharp(photo)
  assert.equal(await image, image)
  assert.ok(image instanceof sharp)
  assert.ok(new sharp(photo) instanceof sharp)
  const { inspect } = await import('node:util')
  for (const value of [sharp, image]) {
    assert.ok(inspect(value))
    assert.ok(`${String(value)}${JSON.stringify({ value })}`)
  }
  assert.deepEqual(Object.keys(sharp).sort(), ['block', 'cache', 'concurrency', 'unblock', 'versions'])
})

test('the versions are those that Next looks for', () => {
  assert.equal(sharp.versions.sharp, require('../npm/sharp/package.json').version)
  assert.equal(sharp.versions.unsharp, require('../package.json').version)
  assert.equal(sharp.versions.heif, real.versions.heif)
})

test('block, unblock and cache are taken and change nothing', async () => {
  assert.equal(sharp.block({ operation: ['VipsForeignLoad'] }), undefined)
  assert.equal(sharp.unblock({ operation: ['VipsForeignLoadPng'] }), undefined)
  assert.deepEqual(sharp.cache(false).files, real.cache(false).files)
  assert.equal(sharp.cache().memory.max, 0)
  assert.ok(await sharp(photo).resize(16).toBuffer())
})

/** Runs a program of its own, in which sharp is `sharp` and `threads()` says how many images may be in work. */
async function child(source) {
  const head = `const sharp = require('./lib/sharp.js'); const threads = require('./lib/native.js').concurrency;`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', `${head}${source}`], { cwd: root })
  return JSON.parse(stdout)
}

test('what Next does with concurrency() leaves all CPUs to the images, unless imgOptConcurrency is set', async () => {
  const next = (concurrency, divisor) => `
    const before = threads()
    sharp.block({ operation: ['VipsForeignLoad'] })
    if (sharp.concurrency() > 1) sharp.concurrency(${concurrency} ?? Math.floor(Math.max(sharp.concurrency() / ${divisor}, 1)))
    console.log(JSON.stringify([before, threads(), sharp.concurrency()]))`
  for (const divisor of [2, 4]) {
    const [before, after, said] = await child(next(undefined, divisor))
    assert.deepEqual([after, said], [before, before])
  }
  assert.deepEqual((await child(next(1, 2))).slice(1), [1, 1])
  const fourteen = await child(`console.log(JSON.stringify([sharp.concurrency(), threads()]))`)
  assert.equal(fourteen[0], 1, 'Next 14 leaves it alone')
  const set = await child(`
    const all = threads()
    const answers = [sharp.concurrency(1), sharp.concurrency(100000) === all, sharp.concurrency(1), sharp.concurrency(0) === all]
    console.log(JSON.stringify(answers))`)
  assert.deepEqual(set, [1, true, 1, true])
})
