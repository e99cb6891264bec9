// Pictures made from nothing but arithmetic, so that a run needs no files and every machine measures the
// same pixels. They stand in for photographs and graphics; numbers for publication come from real ones.
import sharp from './sharp.mjs'

/** A stream of numbers in 0..1 that is the same for the same seed (mulberry32). */
export function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * Like a photograph: colour that changes slowly, detail at every scale, objects with hard edges in front
 * of it and a little sensor noise. Answers raw RGB.
 */
export async function photoLike(width, height, seed) {
  const random = randomFrom(seed)
  const total = new Float32Array(width * height * 3).fill(118)
  // Each octave halves in size and loses strength, about as fast as in natural pictures.
  for (let cell = 1024, strength = 140; cell >= 2; cell /= 2, strength *= 0.74) {
    const octave = await smoothNoise(width, height, cell, random)
    for (let i = 0; i < total.length; i += 1) total[i] += (octave[i] / 255 - 0.5) * strength
  }
  for (let object = 0; object < 40; object += 1) {
    const colour = [random(), random(), random()].map((value) => (value - 0.5) * 170)
    const radius = (0.01 + random() * 0.07) * width
    ellipse(total, width, height, random() * width, random() * height, radius, radius * (0.4 + random()), colour)
  }
  const pixels = Buffer.alloc(total.length)
  for (let i = 0; i < total.length; i += 1) {
    pixels[i] = Math.max(0, Math.min(255, total[i] + (random() - 0.5) * 7))
  }
  return raw(pixels, width, height, 3)
}

/** Like a screenshot: flat areas, thin lines, rows of small glyphs and one smooth gradient. Raw RGB. */
export function graphic(width, height, seed) {
  const random = randomFrom(seed)
  const pixels = Buffer.alloc(width * height * 3, 250)
  const fill = (x, y, w, h, colour) => rectangle(pixels, width, height, 3, x, y, w, h, () => colour)
  const side = Math.round(width * 0.18)
  fill(0, 0, side, height, [32, 38, 52])
  const bar = Math.round(height * 0.07)
  rectangle(pixels, width, height, 3, side, 0, width - side, bar, (x) => [60 + (x * 150) / width, 90, 200])
  for (let card = 0; card < 6; card += 1) {
    const w = Math.round((width - side) / 3.4)
    const x = side + 30 + (card % 3) * (w + 24)
    const y = bar + 40 + Math.floor(card / 3) * Math.round(height * 0.45)
    const h = Math.round(height * 0.4)
    fill(x - 1, y - 1, w + 2, h + 2, [205, 208, 215])
    fill(x, y, w, h, [255, 255, 255])
    fill(x, y, w, Math.round(h * 0.3), [random() * 255, random() * 255, random() * 255])
    for (let line = 0; line < 9; line += 1) text(fill, x + 16, y + h * 0.36 + line * h * 0.065, w - 40, random)
  }
  return raw(pixels, width, height, 3)
}

/** Cut-out shapes with soft edges over nothing: real transparency at every level. Raw RGBA. */
export async function cutOut(width, height, seed) {
  const { pixels: colour } = await photoLike(width, height, seed)
  const pixels = Buffer.alloc(width * height * 4)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x
      const u = (x / width) * 2 - 1
      const v = (y / height) * 2 - 1
      const angle = Math.atan2(v, u)
      const edge = 0.72 + 0.16 * Math.sin(angle * 7) - Math.hypot(u, v)
      const alpha = Math.max(0, Math.min(1, edge * 9))
      colour.copy(pixels, i * 4, i * 3, i * 3 + 3)
      pixels[i * 4 + 3] = Math.round(alpha * 255)
    }
  }
  return raw(pixels, width, height, 4)
}

function raw(pixels, width, height, channels) {
  return { pixels, raw: { width, height, channels } }
}

async function smoothNoise(width, height, cell, random) {
  const [columns, rows] = [Math.ceil(width / cell) + 1, Math.ceil(height / cell) + 1]
  const points = Buffer.alloc(columns * rows * 3)
  for (let i = 0; i < points.length; i += 3) {
    // Brightness varies more than colour does.
    const light = random()
    for (let channel = 0; channel < 3; channel += 1) points[i + channel] = 255 * (light * 0.8 + random() * 0.2)
  }
  return sharp(points, { raw: { width: columns, height: rows, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .raw()
    .toBuffer()
}

function ellipse(total, width, height, cx, cy, rx, ry, colour) {
  for (let y = Math.max(0, Math.ceil(cy - ry)); y < Math.min(height, cy + ry); y += 1) {
    const half = rx * Math.sqrt(Math.max(0, 1 - ((y - cy) / ry) ** 2))
    const shade = 1 - (y - cy + ry) / (ry * 3)
    for (let x = Math.max(0, Math.ceil(cx - half)); x < Math.min(width, cx + half); x += 1) {
      for (let channel = 0; channel < 3; channel += 1) total[(y * width + x) * 3 + channel] += colour[channel] * shade
    }
  }
}

function rectangle(pixels, width, height, channels, left, top, w, h, colourAt) {
  for (let y = Math.max(0, Math.round(top)); y < Math.min(height, Math.round(top + h)); y += 1) {
    for (let x = Math.max(0, Math.round(left)); x < Math.min(width, Math.round(left + w)); x += 1) {
      const colour = colourAt(x)
      for (let c = 0; c < channels; c += 1) pixels[(y * width + x) * channels + c] = colour[c]
    }
  }
}

// One row of marks the size of letters: it has the edges of text without needing a font.
function text(fill, left, top, length, random) {
  const ink = [45, 50, 60]
  for (let x = left; x < left + length * (0.6 + random() * 0.4); x += 7) {
    if (random() < 0.16) continue
    fill(x, top, 1, 9, ink)
    if (random() < 0.6) fill(x, top + (random() < 0.5 ? 0 : 4), 5, 1, ink)
    if (random() < 0.5) fill(x + 4, top + 2, 1, 7, ink)
    if (random() < 0.4) fill(x, top + 8, 5, 1, ink)
  }
}
