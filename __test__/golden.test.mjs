// Against sharp 0.35.5, with the calls that Next makes: the same size, turn and alpha, and nearly the same pixels.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp-reference'
import { metadata, optimize } from '../index.js'
import { corners, inputs, meanDifference, photoFile } from './support/images.mjs'

/** What Next does with sharp, but losslessly encoded, so that the encoders do not blur the comparison. */
const reference = (input, width) =>
  sharp(input).rotate().resize(width, undefined, { withoutEnlargement: true }).toColourspace('srgb').png().toBuffer()

/** A busy machine must not fail a test about pixels. */
const limits = { timeoutMs: 0 }

const lossless = async (input, width) => (await optimize(input, { width, format: 'png', quality: 100, limits })).data

const LIMIT = 2

for (const [name, input] of Object.entries(await inputs())) {
  test(`${name}: header, size, alpha and pixels are those of sharp`, async () => {
    const expected = await sharp(input).metadata()
    const header = await metadata(input)
    assert.deepEqual([header.width, header.height], [expected.width, expected.height])
    assert.equal(header.hasAlpha, expected.hasAlpha)

    for (const width of [640, 333, 64]) {
      const ours = await lossless(input, width)
      const theirs = await reference(input, width)
      const [a, b] = await Promise.all([sharp(ours).metadata(), sharp(theirs).metadata()])
      assert.deepEqual([a.width, a.height], [b.width, b.height])
      const difference = await meanDifference(ours, theirs)
      assert.ok(difference < LIMIT, `${difference.toFixed(2)} levels of 255 at ${width} px`)
    }
  })
}

for (const name of ['alps.jpg', 'dunes.jpg', 'islands.webp', 'canyon.avif', 'aurora.jpg', 'bubble.png']) {
  test(`${name} at the widths of Next looks as with sharp`, async () => {
    const input = photoFile(name)
    for (const width of [256, 640, 1080, 1920]) {
      const difference = await meanDifference(await lossless(input, width), await reference(input, width))
      assert.ok(difference < LIMIT, `${difference.toFixed(2)} levels of 255 at ${width} px`)
    }
  })
}

for (let orientation = 1; orientation <= 8; orientation += 1) {
  test(`EXIF orientation ${orientation} is applied and dropped`, async () => {
    const image = await corners()
    const input = await image.jpeg({ quality: 95 }).withMetadata({ orientation }).toBuffer()
    assert.equal((await metadata(input)).orientation, orientation)
    const ours = await lossless(input, 120)
    const theirs = await reference(input, 120)
    assert.equal((await sharp(ours).metadata()).orientation, undefined)
    const difference = await meanDifference(ours, theirs)
    assert.ok(difference < LIMIT, `${difference.toFixed(2)} levels of 255`)
  })
}

test('a wide-gamut profile is converted to sRGB and dropped', async () => {
  const input = await sharp(photoFile('dunes.jpg')).resize(900).withIccProfile('p3').jpeg({ quality: 95 }).toBuffer()
  assert.equal((await sharp(input).metadata()).icc !== undefined, true)
  const ours = await lossless(input, 640)
  assert.equal((await sharp(ours).metadata()).icc, undefined)
  const difference = await meanDifference(ours, await reference(input, 640))
  assert.ok(difference < LIMIT, `${difference.toFixed(2)} levels of 255`)
})

test('CMYK becomes sRGB, with a profile and without', async () => {
  const image = sharp(photoFile('dunes.jpg')).resize(900).toColourspace('cmyk').jpeg({ quality: 95 })
  for (const input of [await image.toBuffer(), await image.withIccProfile('cmyk').toBuffer()]) {
    assert.equal((await sharp(input).metadata()).space, 'cmyk')
    const output = await lossless(input, 640)
    const ours = await sharp(output).metadata()
    assert.deepEqual([ours.width, ours.space, ours.channels], [640, 'srgb', 3])
    const difference = await meanDifference(output, await reference(input, 640))
    assert.ok(difference < LIMIT, `${difference.toFixed(2)} levels of 255`)
  }
})

test('with a height, the image covers the box as sharp does it', async () => {
  const input = photoFile('alps.jpg')
  for (const [width, height] of [
    [300, 300],
    [200, 600],
    [640, 100],
  ]) {
    const ours = (await optimize(input, { width, height, format: 'png', quality: 100, limits })).data
    const theirs = await sharp(input).rotate().resize(width, height).png().toBuffer()
    const difference = await meanDifference(ours, theirs)
    assert.ok(difference < 3, `${difference.toFixed(2)} levels of 255 at ${width}x${height}`)
  }
})

test('at the quality of Next every format stays close to the picture', async () => {
  const input = photoFile('alps.jpg')
  const original = await reference(input, 640)
  for (const format of ['avif', 'webp', 'jpeg', 'png']) {
    const { data } = await optimize(input, { width: 640, quality: 75, format, limits })
    const difference = await meanDifference(data, original)
    assert.ok(difference < 5, `${format}: ${difference.toFixed(2)} levels of 255`)
  }
})

test("transparency of WebP comes out of sharp's decoder as it went in", async () => {
  const planes = {
    edges: (x, y) => ((Math.floor(x / 9) + Math.floor(y / 7)) % 3 === 0 ? 255 : 0),
    shadow: (x, y) => Math.min(255, Math.hypot(x - 60, y - 40) * 3),
    noise: (x, y) => (x * 7919 + y * 104729 + x * y * 31) % 251,
    'all of it': (x, y) => (x < 40 ? 0 : x < 80 ? (x * y) % 256 : 2 * y),
  }
  const [width, height] = [131, 90]
  for (const [name, level] of Object.entries(planes)) {
    const pixels = Buffer.alloc(width * height * 4, 120)
    for (let at = 0; at < width * height; at += 1) pixels[4 * at + 3] = level(at % width, Math.floor(at / width))
    const input = await sharp(pixels, { raw: { width, height, channels: 4 } })
      .png()
      .toBuffer()
    const { data } = await optimize(input, { width, format: 'webp', limits })
    const alpha = (image) => sharp(image).extractChannel(3).raw().toBuffer()
    assert.ok((await alpha(data)).equals(await alpha(input)), name)
  }
})

test('for the same photograph avif is smaller than webp, and webp than jpeg', async () => {
  // A picture for which sharp's sizes have this order too: where there is much fine grain, they have not.
  const input = photoFile('dunes.jpg')
  for (const quality of [50, 75, 100]) {
    const sizes = []
    for (const format of ['avif', 'webp', 'jpeg']) {
      sizes.push((await optimize(input, { width: 640, quality, format, limits })).data.length)
    }
    assert.deepEqual(
      sizes,
      [...sizes].sort((a, b) => a - b),
      `quality ${quality}`,
    )
  }
})
