// @ts-check
// Writes src/image/color/cmyk.lut: what sharp makes of CMYK pixels without a profile, on a grid of 9 levels of each ink.
// The addon interpolates between these samples (mean error 0.8 of 255), so such an image looks as it does in Next with sharp.
// Run by hand when sharp changes its default CMYK profile: node scripts/cmyk-lut.mjs
import { writeFileSync } from 'node:fs'
import sharp from 'sharp'

const LEVELS = 9
const level = Array.from({ length: LEVELS }, (_, step) => Math.round((step * 255) / (LEVELS - 1)))
const pixels = Buffer.from(
  level.flatMap((c) => level.flatMap((m) => level.flatMap((y) => level.flatMap((k) => [c, m, y, k])))),
)
const { data } = await sharp(cmykTiff(pixels, LEVELS ** 2, LEVELS ** 2))
  .toColourspace('srgb')
  .raw()
  .toBuffer({ resolveWithObject: true })
if (data.length !== LEVELS ** 4 * 3) throw new Error(`sharp gave ${data.length} bytes`)
writeFileSync(new URL('../src/image/color/cmyk.lut', import.meta.url), data)

/**
 * The smallest uncompressed CMYK TIFF: header, one strip, one directory (TIFF 6.0, section 16).
 * @param {Buffer} strip @param {number} width @param {number} height
 */
function cmykTiff(strip, width, height) {
  const bits = 8 + strip.length
  const directory = bits + 8
  /** @type {[tag: number, type: 3 | 4, count: number, value: number][]} */
  const entries = [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, 4, bits],
    [259, 3, 1, 1],
    [262, 3, 1, 5],
    [273, 4, 1, 8],
    [277, 3, 1, 4],
    [278, 4, 1, height],
    [279, 4, 1, strip.length],
    [284, 3, 1, 1],
    [332, 3, 1, 1],
  ]
  const file = Buffer.alloc(directory + 2 + entries.length * 12 + 4)
  file.write('II*\0', 'latin1')
  file.writeUInt32LE(directory, 4)
  strip.copy(file, 8)
  for (let sample = 0; sample < 4; sample++) file.writeUInt16LE(8, bits + sample * 2)
  file.writeUInt16LE(entries.length, directory)
  entries.forEach(([tag, type, count, value], index) => {
    const at = directory + 2 + index * 12
    file.writeUInt16LE(tag, at)
    file.writeUInt16LE(type, at + 2)
    file.writeUInt32LE(count, at + 4)
    if (type === 3 && count === 1) file.writeUInt16LE(value, at + 8)
    else file.writeUInt32LE(value, at + 8)
  })
  return file
}
