// unsharp/sharp against sharp 0.35.5: what Next does not call says that it is not there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import real from 'sharp-reference'
import sharp from '../lib/sharp.js'
import { photoFile } from './support/images.mjs'

const photo = photoFile('alps.jpg')

const notSupported = (message) => ({ name: 'UnsharpError', code: 'ERR_UNSHARP_NOT_SUPPORTED', message })

test('every other method of sharp is refused by its name, with what to do', () => {
  const ours = ['constructor', 'timeout', 'rotate', 'resize', 'avif', 'webp', 'jpeg', 'png', 'toBuffer', 'metadata']
  const theirs = Object.getOwnPropertyNames(real.prototype).filter((name) => !name.startsWith('_'))
  const image = sharp(photo)
  const others = theirs.filter((name) => !ours.includes(name))
  assert.ok(others.length > 50)
  for (const name of [...others, 'on', 'once', 'pipe', 'write', 'end']) {
    const message = new RegExp(`^${name}\\(\\) is not supported here: this sharp is unsharp/sharp, .* "real-sharp"`)
    assert.throws(() => image[name](), notSupported(message), name)
  }
})

test('everything else on the function is refused by its name', () => {
  const ours = ['block', 'unblock', 'cache', 'concurrency', 'versions']
  for (const name of Object.keys(real).filter((name) => !ours.includes(name))) {
    assert.throws(() => sharp[name], notSupported(new RegExp(`^sharp\\.${name} is not supported here`)), name)
  }
  for (const name of ours) assert.ok(sharp[name], name)
})

test('options that sharp knows and that would be lost are refused, and others ignored as sharp does', async () => {
  const image = sharp(photo)
  for (const [call, name] of [
    [() => sharp(photo, { failOn: 'none' }), 'failOn: "none"'],
    [() => sharp(photo, { density: 300 }), 'The option density of sharp()'],
    [() => sharp(photo, { pages: -1 }), 'The option pages of sharp()'],
    [() => sharp(photo, { unlimited: true }), 'The option unlimited of sharp()'],
    [() => sharp(photo, { raw: { width: 1, height: 1, channels: 3 } }), 'The option raw of sharp()'],
    [() => sharp('photo.jpg'), 'sharp() of anything but the bytes of an image'],
    [() => sharp({ create: {} }), 'sharp() of anything but the bytes of an image'],
    [() => sharp(), 'sharp() of anything but the bytes of an image'],
    [() => sharp([photo, photo]), 'sharp() of anything but the bytes of an image'],
    [() => sharp(new Uint8Array(new SharedArrayBuffer(8))), 'sharp() of a SharedArrayBuffer'],
    [() => image.rotate(90), 'rotate() by an angle'],
    [() => image.resize({ width: 5 }), 'resize() with an object as its first argument'],
    [() => image.resize(null, 5), 'resize() with a height alone'],
    [() => image.resize(5, 5, { fit: 'contain' }), 'fit: "contain"'],
    [() => image.resize(5, 5, { position: 'top' }), 'position: "top"'],
    [() => image.resize(5, 5, { background: 'red' }), 'The option background of resize()'],
    [() => image.avif({ lossless: true }), 'The option lossless of avif()'],
    [() => image.avif({ chromaSubsampling: '4:4:4' }), 'chromaSubsampling: "4:4:4"'],
    [() => image.webp({ nearLossless: true }), 'The option nearLossless of webp()'],
    [() => image.jpeg({ trellisQuantisation: true }), 'The option trellisQuantisation of jpeg()'],
    [() => image.png({ palette: true }), 'The option palette of png()'],
  ]) {
    assert.throws(call, ({ code, message }) => {
      assert.equal(code, 'ERR_UNSHARP_NOT_SUPPORTED')
      assert.ok(message.startsWith(`${name} is not supported here`), message)
      return true
    })
  }
  await assert.rejects(image.toBuffer({ resolveWithObject: true }), notSupported(/^resolveWithObject: true is not/))
  await assert.rejects(
    image.toBuffer(() => {}),
    notSupported(/^toBuffer\(\) with a callback is not/),
  )
  sharp(photo, { unheardOf: 1, failOn: 'warning', limitInputPixels: null })
    .resize(5, 5, { fit: 'cover', more: 1 })
    .webp({ q: 1 })
})

test('values that sharp refuses are refused in its words', () => {
  for (const call of [
    (sharp) => sharp(photo, { limitInputPixels: -1 }),
    (sharp) => sharp(photo).timeout({ seconds: -1 }),
    (sharp) => sharp(photo).timeout({ seconds: 1.5 }),
    (sharp) => sharp(photo).timeout({}),
    (sharp) => sharp(photo).resize(0),
    (sharp) => sharp(photo).resize('640'),
    (sharp) => sharp(photo).avif({ quality: 0 }),
    (sharp) => sharp(photo).webp({ quality: 101 }),
    (sharp) => sharp(photo).jpeg({ quality: 'x' }),
    (sharp) => sharp(photo).jpeg({ mozjpeg: 1 }),
    (sharp) => sharp(Buffer.alloc(0)),
    (sharp) => sharp.block({ operation: 'VipsForeignLoad' }),
  ]) {
    assert.throws(() => call(real))
    assert.throws(() => call(sharp), { code: 'ERR_UNSHARP_INVALID_OPTION', message: /^Expected / })
  }
})
