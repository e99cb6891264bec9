// The pictures that the rows serve: every kind of file that Next tells apart, small enough to be quick.
import { deflateSync } from 'node:zlib'
import sharp from 'sharp-reference'
import { corners, photoFile } from '../../__test__/support/images.mjs'

const photo = () => sharp(photoFile('alps.jpg')).resize(480)
const glass = () => sharp(photoFile('bubble.png')).resize(400)

/** One PNG chunk. */
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

function crc32(bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

/** A PNG with an acTL chunk before its pixels, which makes it an animation. */
async function apng() {
  const png = await photo().resize(32).png().toBuffer()
  const control = Buffer.alloc(8)
  control.writeUInt32BE(2, 0)
  const head = png.subarray(0, 33)
  return Buffer.concat([head, chunk('acTL', control), png.subarray(33)])
}

/** Two frames of noise, stacked as sharp wants them. */
function frames() {
  const size = 24
  const data = Buffer.alloc(size * size * 2 * 3)
  for (let at = 0; at < data.length; at += 1) data[at] = (at * 37) % 251
  return sharp(data, { raw: { width: size, height: size * 2, channels: 3, pageHeight: size } })
}

/** A 16-bit PNG made by hand, of a slope in every channel. */
function png16(width = 300, height = 60) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([16, 2, 0, 0, 0], 8)
  const rows = Buffer.alloc(height * (1 + width * 6))
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * (1 + width * 6) + 1 + x * 6
      rows.writeUInt16BE(Math.floor((x / width) * 65535), at)
      rows.writeUInt16BE(Math.floor((y / height) * 65535), at + 2)
      rows.writeUInt16BE(20_000, at + 4)
    }
  }
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const ftyp = (brand, size = 32) => {
  const bytes = Buffer.alloc(size)
  bytes.writeUInt32BE(size, 0)
  bytes.write(`ftyp${brand}`, 4, 'latin1')
  bytes.write(brand, 16, 'latin1')
  return bytes
}

const padded = (hex, size = 64) => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(size)])

const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="teal"/></svg>'

/** So many pixels, in a small file, that no decoder gets done with them in a second: of a progressive jpeg each scan. */
function huge(size = 16_000) {
  const [create, limitInputPixels] = [{ width: size, height: size, channels: 3, background: '#456' }, false]
  return sharp({ create, limitInputPixels }).jpeg({ progressive: true }).toBuffer()
}

/** All pictures by name; with `slow` those too that only rows about time need. */
export async function pictures({ slow = false } = {}) {
  const turned = (orientation) => async () =>
    (await corners(300, 200)).jpeg({ quality: 92 }).withMetadata({ orientation }).toBuffer()
  const made = {
    jpeg: () => photo().jpeg({ quality: 90 }),
    'jpeg progressive': () => photo().jpeg({ quality: 90, progressive: true }),
    'jpeg gray': () => photo().grayscale().jpeg({ quality: 90 }),
    'jpeg cmyk': () => photo().toColourspace('cmyk').jpeg({ quality: 92 }),
    'jpeg p3': () => photo().withIccProfile('p3').jpeg({ quality: 92 }),
    'jpeg 4:4:4': () => photo().jpeg({ quality: 90, chromaSubsampling: '4:4:4' }),
    png: () => photo().png(),
    'png alpha': () => glass().png(),
    'png palette': () => photo().png({ palette: true }),
    'png interlaced': () => photo().png({ progressive: true }),
    'png gray': () => photo().grayscale().png(),
    'png gray alpha': () => glass().grayscale().png(),
    gif: () => photo().gif(),
    tiff: () => photo().tiff({ compression: 'lzw' }),
    webp: () => photo().webp({ quality: 90 }),
    'webp alpha': () => glass().webp({ quality: 90 }),
    'webp lossless': () => photo().webp({ lossless: true }),
    avif: () => photo().avif({ quality: 80, effort: 1 }),
    'avif alpha': () => glass().avif({ quality: 80, effort: 1 }),
    small: () => photo().resize(40).jpeg(),
    large: () => sharp(photoFile('alps.jpg')).resize(1200).jpeg({ quality: 92 }),
    'animated gif': () => frames().gif(),
    'animated webp': () => frames().webp(),
  }
  const entries = await Promise.all(Object.entries(made).map(async ([name, make]) => [name, await make().toBuffer()]))
  const all = Object.fromEntries(entries)
  for (let orientation = 1; orientation <= 8; orientation += 1)
    all[`turned ${orientation}`] = await turned(orientation)()
  return {
    ...all,
    ...(slow && { huge: await huge() }),
    'png 16 bit': png16(),
    'animated png': await apng(),
    svg: Buffer.from(svg),
    'svg large': Buffer.from(svg.replace('<rect', `${'<g/>'.repeat(600)}<rect`)),
    ico: padded('00000100', 2000),
    icns: padded('69636e73', 2000),
    bmp: padded('424d', 2000),
    jxl: padded('ff0a', 200),
    'jxl box': padded('0000000c4a584c200d0a870a', 200),
    heic: ftyp('heic'),
    jp2: padded('0000000c6a5020200d0a870a', 200),
    mif1: ftyp('mif1'),
    j2c: padded('ff4fff51', 200),
    pdf: Buffer.from('%PDF-1.7 no picture'),
    psd: padded('38425053', 200),
    ppm: Buffer.from('P6 2 2 255 aaaabbbbcccc'),
    cur: padded('00000200', 200),
    text: Buffer.from('this is text and no picture at all'),
    html: Buffer.from('<!doctype html><title>a page</title><p>no picture'),
    'one byte': Buffer.from([0xff]),
    'text that says ftypavif': Buffer.from('abc ftypavif and so on, and so on, and so on'),
    truncated: all.jpeg.subarray(0, Math.floor(all.jpeg.length / 2)),
    'no end': all.jpeg.subarray(0, all.jpeg.length - 2),
    'more behind': Buffer.concat([all.jpeg, Buffer.from('and something behind the picture')]),
    'bad checksum': damaged(all.png),
    'webp cut': all.webp.subarray(0, Math.floor(all.webp.length / 2)),
    'gif cut': all.gif.subarray(0, Math.floor(all.gif.length / 2)),
    'avif cut': all.avif.subarray(0, Math.floor(all.avif.length / 2)),
  }
}

/** The same PNG with one byte of its pixels changed. */
function damaged(png) {
  const copy = Buffer.from(png)
  copy[Math.floor(copy.length / 2)] ^= 0x55
  return copy
}
