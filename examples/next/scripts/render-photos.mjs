// Renders the pictures of the demo, so that every pixel of them is ours to give away (CC0).
//
//   node scripts/render-photos.mjs [name …]
//
// They are computed landscapes with the traits that make photographs hard to compress: fine texture, haze, soft
// gradients in the sky, grain. The results are committed; nobody needs to run this to see the demo. The files are
// written by sharp, under a name that Next can not find, from the development dependencies of the repository.
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp-reference'
import { fbm, landscape, mix, noise, ridged, smoothstep } from './landscape.mjs'

const OUT = fileURLToPath(new URL('../public/photos/', import.meta.url))

/** Blends colours by position: `stops` is [[at, [r, g, b]], …] with rising `at`. */
function ramp(stops, at) {
  let colour = stops[0][1]
  for (let i = 1; i < stops.length; i += 1) {
    const [from] = stops[i - 1]
    const [to, next] = stops[i]
    colour = mix(colour, next, smoothstep(from, to, at))
  }
  return colour
}

const scenes = {
  // High mountains over a valley, early light from the left.
  alps: () => ({
    file: 'alps.jpg',
    encode: (image) => image.jpeg({ quality: 84, mozjpeg: true }),
    width: 2880,
    height: 1920,
    camera: { x: 30, y: 15.5, z: 0, pitch: -0.07, field: 0.95 },
    sun: [-0.75, 0.36, 0.35],
    sunColour: [1.28, 1.08, 0.84],
    ambient: [0.24, 0.31, 0.44],
    sky: (up) =>
      ramp(
        [
          [0, [0.93, 0.85, 0.76]],
          [0.1, [0.72, 0.79, 0.87]],
          [0.55, [0.24, 0.43, 0.7]],
        ],
        up,
      ),
    haze: { density: 0.0042, colour: [0.62, 0.69, 0.78] },
    clouds: 0.55,
    ground: (x, z) => {
      const valley = smoothstep(2, 26, Math.abs(x - 30 - 6 * noise(z * 0.05, 7)))
      return valley * (ridged(x * 0.045, z * 0.045, 9) * 24 - 4) + fbm(x * 0.5, z * 0.5, 5) * 1.4 + z * 0.02
    },
    surface: (x, z, y, steep) => {
      const patches = fbm(x * 1.7, z * 1.7, 5)
      const meadow = mix([0.15, 0.2, 0.08], [0.29, 0.28, 0.12], patches)
      const forest = mix([0.045, 0.09, 0.05], [0.09, 0.14, 0.07], fbm(x * 9, z * 9, 3))
      const rock = mix([0.26, 0.24, 0.23], [0.42, 0.39, 0.36], fbm(x * 3, z * 3 + y * 4, 5))
      let colour = mix(meadow, forest, smoothstep(0.45, 0.6, fbm(x * 0.35 + 9, z * 0.35, 4)))
      colour = mix(colour, rock, smoothstep(0.3, 0.55, steep + y * 0.018))
      const snow = smoothstep(9.5, 12.5, y + patches * 5 - steep * 6)
      return mix(colour, [0.93, 0.95, 0.99], snow)
    },
  }),
  // Dunes late in the day: long shadows, ripples, very soft gradients.
  dunes: () => ({
    file: 'dunes.jpg',
    encode: (image) => image.jpeg({ quality: 82, mozjpeg: true }),
    width: 2400,
    height: 1600,
    camera: { x: 62, y: 17, z: 0, pitch: -0.2, field: 0.85 },
    sun: [0.8, 0.33, 0.5],
    sunColour: [1.5, 1.06, 0.64],
    ambient: [0.27, 0.23, 0.29],
    sky: (up) =>
      ramp(
        [
          [0, [0.98, 0.8, 0.6]],
          [0.16, [0.72, 0.72, 0.77]],
          [0.6, [0.27, 0.45, 0.7]],
        ],
        up,
      ),
    haze: { density: 0.0045, colour: [0.85, 0.66, 0.5] },
    clouds: 0.15,
    ground: (x, z) => {
      const bend = 9 * noise(x * 0.03, z * 0.03)
      // A dune rises slowly and falls off steeply: a skewed wave.
      const wave = (((x * 0.055 + z * 0.028 + bend * 0.14) % 1) + 1) % 1
      const dune = wave < 0.68 ? smoothstep(0, 0.68, wave) : 1 - smoothstep(0.68, 1, wave)
      const large = dune * (3.4 + 3.2 * noise(x * 0.02 + 5, z * 0.03))
      const ripple = Math.sin((x * 1.1 + z * 2.6 + 3.4 * noise(x * 0.22, z * 0.22)) * 4.6) * 0.012
      return large + ripple + fbm(x * 0.12, z * 0.12, 4) * 2
    },
    surface: (x, z) => mix([0.55, 0.33, 0.17], [0.7, 0.46, 0.26], fbm(x * 0.6, z * 0.6, 6)),
  }),
  // Islands in a calm sea, at noon.
  islands: () => ({
    file: 'islands.webp',
    encode: (image) => image.webp({ quality: 86, effort: 6 }),
    width: 2560,
    height: 1440,
    camera: { x: 52, y: 17, z: 0, pitch: -0.2, field: 1.05 },
    sun: [0.3, 0.72, 0.42],
    sunColour: [1.2, 1.13, 1],
    ambient: [0.32, 0.38, 0.46],
    sky: (up) =>
      ramp(
        [
          [0, [0.86, 0.92, 0.95]],
          [0.2, [0.5, 0.71, 0.89]],
          [0.6, [0.16, 0.41, 0.74]],
        ],
        up,
      ),
    haze: { density: 0.0035, colour: [0.66, 0.78, 0.87] },
    clouds: 0.75,
    water: 0,
    ground: (x, z) => (fbm(x * 0.05 + 31, z * 0.05, 8) - 0.53) * 38,
    surface: (x, z, y, steep) => {
      const green = mix([0.09, 0.17, 0.05], [0.22, 0.28, 0.09], fbm(x * 4, z * 4, 5))
      const rock = mix([0.3, 0.27, 0.23], [0.48, 0.44, 0.38], fbm(x * 2, z * 2 + y * 3, 4))
      const sand = [0.78, 0.69, 0.5]
      const land = mix(green, rock, smoothstep(0.35, 0.6, steep))
      return mix(sand, land, smoothstep(0.25, 0.7, y + noise(x * 2, z * 2) * 0.3))
    },
  }),
  // Red rock in terraces.
  canyon: () => ({
    file: 'canyon.avif',
    encode: (image) => image.avif({ quality: 66, effort: 5 }),
    width: 2400,
    height: 1600,
    camera: { x: 42, y: 17, z: 0, pitch: -0.14, field: 0.92 },
    sun: [-0.6, 0.48, 0.1],
    sunColour: [1.32, 1.1, 0.84],
    ambient: [0.26, 0.27, 0.34],
    sky: (up) =>
      ramp(
        [
          [0, [0.89, 0.85, 0.78]],
          [0.15, [0.6, 0.74, 0.87]],
          [0.6, [0.17, 0.39, 0.69]],
        ],
        up,
      ),
    haze: { density: 0.0035, colour: [0.74, 0.68, 0.68] },
    clouds: 0.4,
    ground: (x, z) => {
      const raw = fbm(x * 0.05 + 3, z * 0.05 + 3, 7) * 1.5 - 0.2
      const steps = raw * 7
      const terrace = (Math.floor(steps) + smoothstep(0.55, 0.95, steps - Math.floor(steps))) / 7
      return (terrace * 0.8 + raw * 0.2) * 17 + fbm(x * 1.3, z * 1.3, 4) * 0.5
    },
    surface: (x, z, y, steep) => {
      const layer = 0.5 + 0.5 * Math.sin(y * 5.5 + 2 * noise(x * 0.3, z * 0.3))
      const rock = mix([0.42, 0.19, 0.11], [0.66, 0.4, 0.26], layer * 0.7 + 0.3 * fbm(x * 3, z * 3 + y * 5, 5))
      const scrub = mix([0.4, 0.3, 0.2], [0.2, 0.23, 0.13], smoothstep(0.5, 0.62, fbm(x * 5, z * 5, 4)))
      return mix(scrub, rock, smoothstep(0.12, 0.35, steep))
    },
  }),
  // Night, with an aurora: dark tones, where encoders like to show bands.
  aurora: () => ({
    file: 'aurora.jpg',
    encode: (image) => image.jpeg({ quality: 86, mozjpeg: true }),
    width: 2400,
    height: 1600,
    camera: { x: 46, y: 5, z: 0, pitch: 0.16, field: 0.95 },
    sun: [-0.3, 0.4, -0.5],
    sunColour: [0.17, 0.23, 0.25],
    ambient: [0.04, 0.09, 0.1],
    sky: (up, x) => {
      const base = ramp(
        [
          [0, [0.06, 0.11, 0.15]],
          [0.3, [0.025, 0.05, 0.1]],
          [0.8, [0.01, 0.015, 0.045]],
        ],
        up,
      )
      const fold = up - 0.2 - 0.12 * Math.sin(x * 3 + 2 * noise(x * 2, 4)) - 0.08 * noise(x * 5, 1)
      const rays = 0.45 + 0.55 * fbm(x * 38 + 3 * noise(x * 3, 2), up * 0.8, 4)
      const veil = smoothstep(-0.05, 0.02, fold) * Math.exp(-Math.max(fold, 0) * 5.5) * rays
      const tint = mix([0.16, 0.9, 0.5], [0.48, 0.22, 0.72], smoothstep(0.08, 0.4, fold))
      return base.map((channel, i) => channel + tint[i] * veil * 0.85)
    },
    stars: true,
    haze: { density: 0.006, colour: [0.04, 0.1, 0.12] },
    clouds: 0,
    ground: (x, z) => (ridged(x * 0.04 + 8, z * 0.04, 8) - 0.15) * smoothstep(8, 60, z) * 22 + fbm(x, z, 4) * 0.5,
    surface: (x, z, _y, steep) => {
      const snow = smoothstep(0.62, 0.35, steep - 0.1 * fbm(x * 2, z * 2, 4))
      return mix([0.12, 0.13, 0.15], [0.85, 0.9, 0.95], snow)
    },
  }),
}

/** A soap bubble with real transparency: iridescent at the rim, nearly clear in the middle. */
async function bubble() {
  const size = 800
  const pixels = Buffer.alloc(size * size * 4)
  for (let py = 0; py < size; py += 1) {
    for (let px = 0; px < size; px += 1) {
      const x = (px / size) * 2 - 1
      const y = (py / size) * 2 - 1
      const radius = Math.hypot(x, y) / 0.94
      if (radius >= 1.004) continue
      const depth = Math.sqrt(Math.max(1 - radius * radius, 0))
      const swirl = fbm(x * 2.2 + 2.4 * noise(x * 1.7, y * 1.7), y * 3.4 + depth, 4)
      // The film is thinner at the top, and its path longer towards the rim: interference turns both into colour.
      const film = (1.1 + 0.6 * y + 0.9 * swirl) / (0.5 + 0.5 * depth)
      const tint = [0, 1, 2].map((i) => 0.5 + 0.5 * Math.cos(film * (3.6 + i * 0.7) + i * 1.1))
      const rim = (1 - depth) ** 2.4
      const lamp =
        Math.exp(-((x + 0.4) ** 2 * 30 + (y + 0.46) ** 2 * 70)) +
        0.5 * Math.exp(-((x - 0.42) ** 2 + (y - 0.5) ** 2) * 90)
      const edge = smoothstep(1.004, 0.996, radius)
      const alpha = Math.min(0.1 + 0.72 * rim + 0.3 * swirl * swirl + lamp, 1) * edge
      const at = (py * size + px) * 4
      for (let i = 0; i < 3; i += 1) {
        const value = (0.35 + 0.65 * tint[i]) * (0.75 + 0.4 * rim) + lamp * 0.9
        pixels[at + i] = Math.round(Math.min(Math.max(value, 0), 1) * 255)
      }
      pixels[at + 3] = Math.round(alpha * 255)
    }
  }
  const image = sharp(pixels, { raw: { width: size, height: size, channels: 4 } })
  await image.png({ compressionLevel: 9, effort: 10, quality: 95, palette: false }).toFile(`${OUT}bubble.png`)
}

mkdirSync(OUT, { recursive: true })
const wanted = process.argv.slice(2)
for (const [name, describe] of Object.entries(scenes)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const { encode, file, height, width, ...scene } = describe()
  const raw = landscape({ width, height, ...scene })
  const { size } = await encode(sharp(raw, { raw: { width, height, channels: 3 } })).toFile(`${OUT}${file}`)
  console.log(`${file} ${width}x${height} ${Math.round(size / 1024)} KB`)
}
if (wanted.length === 0 || wanted.includes('bubble')) await bubble()
