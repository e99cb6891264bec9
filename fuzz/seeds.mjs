// Writes the first inputs of every target into a folder, small and valid ones of every variety. From these and from what
// the fuzzers found, `npm run fuzz -- minimise` makes what is committed under fuzz/corpus/.
//
//   node fuzz/seeds.mjs FOLDER
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import sharp from 'sharp-reference'
import { profiles } from './seeds/icc.mjs'

const folder = process.argv[2]
const root = path.resolve(import.meta.dirname, '..')

function put(target, name, bytes) {
  mkdirSync(path.join(folder, target), { recursive: true })
  writeFileSync(path.join(folder, target, name), bytes)
}

/** Noise over a slope, so that no coefficient is zero everywhere. */
function raw(width, height, channels) {
  const data = Buffer.alloc(width * height * channels)
  let state = 1
  for (let at = 0; at < data.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[at] = ((at * 5) & 255) ^ (state >>> 29)
  }
  return sharp(data, { raw: { width, height, channels } })
}

const OPTIONS = [
  [0, 8, 0, 74],
  [70, 5, 0, 74],
  [120, 4, 203, 0x4b],
  [170, 200, 0, 0x81],
  [210, 3, 0, 0x0d],
  [230, 0, 0, 0x0e],
  [255, 6, 0, 10],
]

/** An image for its decoder, for what reads headers, and for the whole way. */
function image(kind, name, bytes, options = 1) {
  const header = {
    jpeg: 'jpeg_header',
    png: 'png_header',
    webp: 'webp_header',
    tiff: 'tiff_header',
    avif: 'avif_container',
  }
  put(kind, name, bytes)
  put('header', `${kind}-${name}`, bytes)
  if (header[kind]) put(header[kind], name, bytes)
  for (let at = 0; at < options; at++) {
    const chosen = OPTIONS[(name.length + at * 3) % OPTIONS.length]
    put('optimize', `${kind}-${name}-${at}`, Buffer.concat([bytes, Buffer.from(chosen)]))
  }
}

for (const [name, options] of Object.entries({
  base: { progressive: false },
  progressive: { progressive: true },
  full: { chromaSubsampling: '4:4:4' },
  optimised: { optimizeScans: true, mozjpeg: true },
})) {
  image(
    'jpeg',
    `rgb-${name}`,
    await raw(21, 18, 3)
      .jpeg({ quality: 60, ...options })
      .toBuffer(),
    2,
  )
}
image('jpeg', 'gray', await raw(19, 9, 1).jpeg({ quality: 50 }).toBuffer())
image('jpeg', 'gray-progressive', await raw(19, 9, 1).jpeg({ quality: 50, progressive: true }).toBuffer())
image('jpeg', 'turned', await raw(17, 9, 3).withMetadata({ orientation: 6 }).jpeg().toBuffer(), 2)
image('jpeg', 'large', await raw(97, 66, 3).jpeg({ quality: 10 }).toBuffer())
const cmyk = await raw(17, 9, 3).toColourspace('cmyk').jpeg({ quality: 40 }).toBuffer()
image('jpeg', 'cmyk', withoutProfile(cmyk))

/** Without its APP2 segments, where a profile of half a megabyte lies. */
function withoutProfile(jpeg) {
  const parts = [jpeg.subarray(0, 2)]
  let at = 2
  while (jpeg[at] === 0xff && jpeg[at + 1] !== 0xda) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2)
    if (jpeg[at + 1] !== 0xe2) parts.push(jpeg.subarray(at, end))
    at = end
  }
  return Buffer.concat([...parts, jpeg.subarray(at)])
}

for (const [name, channels, options] of [
  ['gray', 1, {}],
  ['gray-alpha', 2, {}],
  ['rgb', 3, {}],
  ['rgba', 4, {}],
  ['rgb-interlaced', 3, { progressive: true }],
  ['rgba-interlaced', 4, { progressive: true }],
  ['palette', 3, { palette: true, colours: 16 }],
  ['palette-2', 3, { palette: true, colours: 2 }],
  ['palette-alpha', 4, { palette: true, colours: 32 }],
]) {
  image('png', name, await raw(11, 7, channels).png(options).toBuffer(), 2)
}
image('png', 'rgb-16', await raw(7, 5, 3).toColourspace('rgb16').png().toBuffer())
image('png', 'gray-16', await raw(7, 5, 1).toColourspace('grey16').png().toBuffer())
image('png', 'profile', await raw(7, 5, 3).withIccProfile('p3').png().toBuffer())
for (const depth of [1, 2, 4]) image('png', `gray-${depth}`, png(9, 3, depth, 0, 2))
image('png', 'key', png(4, 3, 8, 0, 4, [['tRNS', Buffer.from([0, 7])]]))
image('png', 'exif', png(4, 3, 8, 0, 4, [['eXIf', exif(true, 6)]]))
image('png', 'animated', png(4, 3, 8, 0, 4, [['acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])]]))

function png(width, height, depth, color, rowBytes, chunks = []) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = depth
  header[9] = color
  const rows = Buffer.alloc(height * (rowBytes + 1), 0x5a)
  for (let row = 0; row < height; row++) rows[row * (rowBytes + 1)] = row % 5
  const all = [['IHDR', header], ...chunks, ['IDAT', deflateSync(rows)], ['IEND', Buffer.alloc(0)]]
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...all.map(([name, body]) => chunk(name, body))])
}

function chunk(name, body) {
  const named = Buffer.concat([Buffer.from(name), body])
  const whole = Buffer.alloc(named.length + 8)
  whole.writeUInt32BE(body.length, 0)
  named.copy(whole, 4)
  whole.writeUInt32BE(crc32(named), named.length + 4)
  return whole
}

function crc32(bytes) {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

image('gif', 'one', await raw(11, 7, 3).gif({ colours: 8 }).toBuffer(), 2)
image('gif', 'clear', await raw(11, 7, 4).gif({ colours: 4 }).toBuffer())
image('gif', 'interlaced', await raw(11, 9, 3).gif({ progressive: true, colours: 16 }).toBuffer())
const strip = await raw(8, 12, 3).raw().toBuffer()
const frames = () => sharp(strip, { raw: { width: 8, height: 12, channels: 3, pageHeight: 6 } })
image(
  'gif',
  'frames',
  await frames()
    .gif({ colours: 4, delay: [10, 20] })
    .toBuffer(),
)

for (const [name, channels, options] of [
  ['lossy', 3, { quality: 40 }],
  ['lossy-alpha', 4, { quality: 40, alphaQuality: 40 }],
  ['lossy-alpha-fine', 4, { quality: 40, alphaQuality: 100, effort: 6 }],
  ['lossy-alpha-few', 4, { quality: 40, alphaQuality: 5 }],
  ['lossless', 3, { lossless: true }],
  ['lossless-alpha', 4, { lossless: true }],
  ['near', 3, { nearLossless: true, quality: 40 }],
]) {
  image('webp', name, await raw(19, 17, channels).webp(options).toBuffer(), 2)
}
image(
  'webp',
  'palette',
  await sharp(await raw(16, 16, 3).png({ palette: true, colours: 4 }).toBuffer())
    .webp({ lossless: true })
    .toBuffer(),
)
image(
  'webp',
  'frames',
  await frames()
    .webp({ delay: [10, 20] })
    .toBuffer(),
)
image('webp', 'profile', await raw(9, 9, 3).withMetadata({ orientation: 5 }).withIccProfile('p3').webp().toBuffer())

for (const compression of ['none', 'lzw', 'deflate', 'packbits', 'jpeg', 'ccittfax4']) {
  const isFax = compression === 'ccittfax4'
  const options = isFax ? { bitdepth: 1 } : { predictor: 'horizontal' }
  image(
    'tiff',
    compression,
    await raw(17, 9, isFax ? 1 : 3)
      .toColourspace(isFax ? 'b-w' : 'srgb')
      .tiff({ compression, ...options })
      .toBuffer(),
  )
}
image(
  'tiff',
  'tiles',
  await raw(33, 17, 3).tiff({ tile: true, tileWidth: 16, tileHeight: 16, compression: 'deflate' }).toBuffer(),
)
image('tiff', 'alpha', await raw(7, 9, 4).tiff({ compression: 'lzw', predictor: 'none' }).toBuffer())
image('tiff', 'gray-16', await raw(7, 9, 1).toColourspace('grey16').tiff({ compression: 'none' }).toBuffer())
image(
  'tiff',
  'float',
  await raw(5, 4, 3).toColourspace('scrgb').tiff({ compression: 'deflate', predictor: 'float' }).toBuffer(),
)
image('tiff', 'big', await raw(5, 4, 3).tiff({ compression: 'none', bigtiff: true }).toBuffer())

const avifs = path.join(root, 'tests/fixtures/avif')
for (const name of readdirSync(avifs).filter((name) => name.endsWith('.avif'))) {
  image('avif', name, readFileSync(path.join(avifs, name)))
}

const drawings = {
  plain: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="7"><rect width="5" height="5" fill="red"/></svg>',
  box: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"><circle cx="9" cy="9" r="4" stroke="#123"/></svg>',
  gradient:
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><defs><linearGradient id="a"><stop offset="0" stop-color="red"/><stop offset="1"/></linearGradient></defs><path d="M0 0L9 9H0Z" fill="url(#a)"/></svg>',
  filter:
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><filter id="a"><feGaussianBlur stdDeviation="2"/><feOffset dx="1"/><feBlend in2="SourceGraphic"/></filter><g filter="url(#a)"><rect width="5" height="5"/></g></svg>',
  mask: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><mask id="a"><rect width="3" height="9" fill="#fff"/></mask><clipPath id="b"><circle r="8"/></clipPath><rect mask="url(#a)" clip-path="url(#b)" width="9" height="9"/></svg>',
  pattern:
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><pattern id="a" width=".2" height=".2"><rect width="1" height="1"/></pattern><rect width="9" height="9" fill="url(#a)"/></svg>',
  use: '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><symbol id="a"><rect width="2" height="2"/></symbol><use href="#a" x="3"/><use xlink:href="#a"/></svg>',
  style:
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><style>.a > rect:first-child { fill: red !important } #b { opacity: .5 }</style><g class="a"><rect id="b" width="4" height="4" style="stroke: blue; stroke-dasharray: 1 2"/></g></svg>',
  entity:
    '<!DOCTYPE svg [<!ENTITY a "red">]><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect fill="&a;" width="4" height="4"/></svg>',
  image: `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image width="4" height="4" href="data:image/png;base64,${(await raw(4, 4, 3).png().toBuffer()).toString('base64')}"/></svg>`,
  nested:
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><svg x="1" y="1" viewBox="0 0 2 2"><text x="1">a</text></svg><switch><g systemLanguage="en"/></switch></svg>',
}
for (const [name, text] of Object.entries(drawings)) image('svg', name, Buffer.from(text))

function exif(big, orientation) {
  const bytes = Buffer.alloc(26)
  const [short, long] = big ? ['writeUInt16BE', 'writeUInt32BE'] : ['writeUInt16LE', 'writeUInt32LE']
  bytes.write(big ? 'MM' : 'II', 'latin1')
  bytes[short](42, 2)
  bytes[long](8, 4)
  bytes[short](1, 8)
  bytes[short](0x112, 10)
  bytes[short](3, 12)
  bytes[long](1, 14)
  bytes[short](orientation, 18)
  return bytes
}
put('exif', 'big', exif(true, 6))
put('exif', 'little', exif(false, 8))
put('exif', 'prefixed', Buffer.concat([Buffer.from('Exif\0\0'), exif(true, 3)]))

for (const [name, [choice, bytes]] of Object.entries(profiles)) {
  put('icc', name, Buffer.concat([Buffer.from([choice]), bytes]))
  if (choice === 1) {
    const packed = Buffer.concat([Buffer.from('p\0\0'), deflateSync(bytes)])
    image('png', `icc-${name}`, png(4, 3, 8, 2, 12, [['iCCP', packed]]))
  }
}

const texts = {
  request: [
    '\x00url=%2Fassets%2Fa.png&w=640&q=75\nimage/avif,image/webp,*/*;q=0.8',
    '\x01url=https%3A%2F%2Fa.example.org%2Fb.jpg%3Fc&w=1080&q=75\n*/*',
    '\x01url=https%3A%2F%2Fa.b%2Fx%2Fy%2Fz&w=16&q=1',
    '\x01url=http://example.com:81/%C3%A9%2f..%2f&w=3840&q=100\nimage/webp',
    '\x02url=%2Fassets%2Fa%2Fb.png&w=16&q=25\nimage/webp;q=0.5',
    '\x02url=https%3A%2F%2Fok.example.org%2F&w=640&q=75',
    '\x00url=%2F_next%2Fimage%3Furl%3Da&w=640&q=75',
  ],
  negotiate: [
    '\x03image/avif,image/webp,image/apng,*/*;q=0.8',
    '\x07image/*;q=0.2, image/png;v="a,b";q=1',
    '\x00text/html',
    '\x02*/*',
  ],
  pattern: [
    '**.example.com\n/a/**\nhttp://b.example.com/a/c.png',
    '*.com\n/!(a)/*\nhttps://x.com/b/c',
    'img{1..3}.e.com\n/[a-c]/@(d|e)?\nhttp://img2.e.com/b/dx',
    '!(a|b).c\n/**/*.{png,jpg}\nhttp://d.c/x/y/z.jpg',
  ],
  address: ['127.0.0.1', '0x7f.1', '[::ffff:10.0.0.1]', '[64:ff9b::a00:1]', 'example.com', '2130706433', 'localhost.'],
  response: [
    '/a/b.c.png\nVyJhIg\nwebp\nVyJhIg\n\ngzip\nmax-age=60',
    'https://example.com/\u00e9%20"\\.svg?q\nabc\nsvg\n"x", W/abc\nno-cache\nbr;q=1, gzip;q=0.5\ns-maxage="5", max-age=x',
    '/_next/static/media/a.png\n\nico\n*\n\nidentity\n',
  ],
  file_name: [
    '14400.1763683200000.kd-3_a.VyJhIg.webp',
    '60.1763683200000.VyJhIg.VyJhIg.jpeg.ERR_UNSHARP_DECODE',
    'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0',
  ],
  store_listing: [
    '<L><Name>bucket</Name><KeyCount>2</KeyCount><Key>image-cache/k-_1/60.1.a.b.webp</Key><Key>a//b</Key></L>',
    'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0/60.1763683200000.VyJhIg.VyJhIg.webp\n../x',
  ],
  store_contents: [
    'unsharp-manifest 1\nungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0 1 2 3 60.1763683200000.VyJhIg.VyJhIg.webp\n',
    '60.1763683200000.VyJhIg.VyJhIg.webp\nbody',
    '{"UpstreamStatus":{"status":404,"answered":404,"public":"p"}}',
  ],
}
for (const [target, lines] of Object.entries(texts)) {
  for (const [at, text] of lines.entries()) put(target, `${at}`, text)
}
put('address', 'bits', Buffer.from('00000000000000000000ffff7f000001', 'hex'))
const body = Buffer.from('body '.repeat(40))
for (const [name, packed] of Object.entries({
  gzip: gzipSync(body),
  'x-gzip': Buffer.concat([gzipSync(body), gzipSync(body), Buffer.alloc(3)]),
  deflate: deflateSync(body),
  ' Deflate': deflateRawSync(body),
  br: brotliCompressSync(body),
  'gzip, br': brotliCompressSync(gzipSync(body)),
})) {
  put('content_coding', name.trim().replace(/\W+/g, '-'), Buffer.concat([Buffer.from(`${name}\n`), packed]))
}
