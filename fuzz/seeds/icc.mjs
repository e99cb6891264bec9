// ICC profiles of every kind that is read, as small as they can be.

/** An ICC profile of these tags. */
function profile(space, tags, pcs = 'XYZ ', kind = 'mntr') {
  const header = Buffer.alloc(128)
  header.writeUInt32BE(0x04300000, 8)
  header.write(kind, 12, 'latin1')
  header.write(space, 16, 'latin1')
  header.write(pcs, 20, 'latin1')
  header.write('acsp', 36, 'latin1')
  header.writeInt32BE(0xf6d6, 68)
  header.writeInt32BE(0x10000, 72)
  header.writeInt32BE(0xd32d, 76)
  const table = Buffer.alloc(4 + tags.length * 12)
  table.writeUInt32BE(tags.length, 0)
  let offset = 128 + table.length
  for (const [at, [name, body]] of tags.entries()) {
    table.write(name, 4 + at * 12, 'latin1')
    table.writeUInt32BE(offset, 8 + at * 12)
    table.writeUInt32BE(body.length, 12 + at * 12)
    offset += body.length
  }
  const whole = Buffer.concat([header, table, ...tags.map(([, body]) => body)])
  whole.writeUInt32BE(whole.length, 0)
  return whole
}

const fixed = (...numbers) =>
  Buffer.concat(
    numbers.map((number) => {
      const bytes = Buffer.alloc(4)
      bytes.writeInt32BE(Math.round(number * 65536))
      return bytes
    }),
  )
const xyz = (...numbers) => Buffer.concat([Buffer.from('XYZ \0\0\0\0', 'latin1'), fixed(...numbers)])
const para = (kind, ...numbers) =>
  Buffer.concat([Buffer.from('para\0\0\0\0', 'latin1'), Buffer.from([0, kind, 0, 0]), fixed(...numbers)])
const curve = (...levels) => {
  const bytes = Buffer.alloc(12 + levels.length * 2 + (levels.length % 2) * 2)
  bytes.write('curv', 0, 'latin1')
  bytes.writeUInt32BE(levels.length, 8)
  for (const [at, level] of levels.entries()) bytes.writeUInt16BE(level, 12 + at * 2)
  return bytes
}
/** A table of one or two bytes a sample with two points a side. */
function table(bits, channels) {
  const points = 2 ** channels
  const [kind, size] = bits === 8 ? ['mft1', 1] : ['mft2', 2]
  const head = Buffer.alloc(bits === 8 ? 48 : 52)
  head.write(kind, 0, 'latin1')
  head.set([channels, 3, 2, 0], 8)
  fixed(1, 0, 0, 0, 1, 0, 0, 0, 1).copy(head, 12)
  const entries = bits === 8 ? 256 : 2
  if (bits === 16) head.set([0, 2, 0, 2], 48)
  const samples = Buffer.alloc((entries * channels + points * 3 + entries * 3) * size)
  for (let at = 0; at < samples.length; at++) samples[at] = at * 7
  return Buffer.concat([head, samples])
}
function stages() {
  const head = Buffer.alloc(32)
  head.write('mAB ', 0, 'latin1')
  head.set([3, 3], 8)
  const curves = Buffer.concat([para(0, 1), para(0, 1), para(0, 1)])
  const matrix = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
  const grid = Buffer.alloc(20 + 24)
  grid.set([2, 2, 2])
  grid[16] = 1
  const parts = [curves, matrix, curves, grid, curves]
  let offset = 32
  for (const [at, part] of parts.entries()) {
    head.writeUInt32BE(offset, 12 + at * 4)
    offset += part.length
  }
  return Buffer.concat([head, ...parts])
}
const colorants = [
  ['rXYZ', xyz(0.5151, 0.2412, -0.0011)],
  ['gXYZ', xyz(0.292, 0.6922, 0.0419)],
  ['bXYZ', xyz(0.1571, 0.0666, 0.7841)],
  ['wtpt', xyz(0.9642, 1, 0.8249)],
]
const curves = (make) => ['rTRC', 'gTRC', 'bTRC'].map((name) => [name, make()])
/** ICC profiles by name, each with the first byte of its input, which chooses the layout of the pixels. */
export const profiles = {
  parametric: [1, profile('RGB ', [...colorants, ...curves(() => para(3, 2.4, 0.95, 0.05, 0.08, 0.04))])],
  gamma: [2, profile('RGB ', [...colorants, ...curves(() => curve(0x1c0))])],
  table: [1, profile('RGB ', [...colorants, ...curves(() => curve(0, 0x2000, 0x7000, 0xffff))])],
  gray: [
    0,
    profile('GRAY', [
      ['wtpt', xyz(0.9642, 1, 0.8249)],
      ['kTRC', curve(0x233)],
    ]),
  ],
  'rgb-8': [
    1,
    profile(
      'RGB ',
      [
        ['A2B0', table(8, 3)],
        ['A2B1', table(8, 3)],
      ],
      'Lab ',
    ),
  ],
  'rgb-16': [2, profile('RGB ', [['A2B0', table(16, 3)]], 'Lab ')],
  'cmyk-8': [3, profile('CMYK', [['A2B0', table(8, 4)]], 'Lab ', 'prtr')],
  'cmyk-16': [3, profile('CMYK', [['A2B0', table(16, 4)]], 'Lab ', 'prtr')],
  stages: [1, profile('RGB ', [['A2B0', stages()]], 'Lab ')],
}
