// A small ray marcher over a height field, with a sun, shadows, haze and clouds.

/** A well-mixed number in 0..1 for two integers. */
export function hash(x, y) {
  let h = Math.imul(x | 0, 0x27d4eb2d) ^ Math.imul(y | 0, 0x165667b1)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39)
  return ((h ^ (h >>> 15)) >>> 0) / 4294967296
}

export function smoothstep(from, to, value) {
  const t = Math.min(Math.max((value - from) / (to - from), 0), 1)
  return t * t * (3 - 2 * t)
}

export function mix(a, b, t) {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/** Smooth value noise, 0..1. */
export function noise(x, y) {
  const ix = Math.floor(x)
  const iy = Math.floor(y)
  const fx = x - ix
  const fy = y - iy
  const u = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
  const v = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
  const top = hash(ix, iy) + (hash(ix + 1, iy) - hash(ix, iy)) * u
  const bottom = hash(ix, iy + 1) + (hash(ix + 1, iy + 1) - hash(ix, iy + 1)) * u
  return top + (bottom - top) * v
}

/** Noise summed over octaves, each turned so that no grid shows; 0..1. */
export function fbm(x, y, octaves) {
  let sum = 0
  let weight = 0.5
  for (let i = 0; i < octaves; i += 1) {
    sum += noise(x, y) * weight
    weight *= 0.5
    ;[x, y] = [x * 1.6 - y * 1.2 + 17.3, x * 1.2 + y * 1.6 + 9.1]
  }
  return sum
}

/** The same with sharp crests, as eroded mountains have; 0..1. */
export function ridged(x, y, octaves) {
  let sum = 0
  let weight = 0.5
  let last = 1
  for (let i = 0; i < octaves; i += 1) {
    const crest = 1 - Math.abs(noise(x, y) * 2 - 1)
    const value = crest * crest
    sum += value * weight * last
    last = Math.min(0.35 + value, 1)
    weight *= 0.5
    ;[x, y] = [x * 1.6 - y * 1.2 + 17.3, x * 1.2 + y * 1.6 + 9.1]
  }
  return sum
}

function normalize([x, y, z]) {
  const length = Math.hypot(x, y, z)
  return [x / length, y / length, z / length]
}

/** Heights on a grid, so that marching a ray costs a lookup and not a sum of noise. */
function heightGrid(ground, { cells, depth, centre }) {
  const span = 2 * depth
  const x0 = centre - depth
  const heights = new Float32Array(cells * cells)
  for (let j = 0; j < cells; j += 1) {
    for (let i = 0; i < cells; i += 1) heights[j * cells + i] = ground(x0 + (i / cells) * span, (j / cells) * depth)
  }
  return (x, z) => {
    const gx = Math.min(Math.max(((x - x0) / span) * cells, 0), cells - 2)
    const gz = Math.min(Math.max((z / depth) * cells, 0), cells - 2)
    const i = Math.floor(gx)
    const j = Math.floor(gz)
    const fx = gx - i
    const fz = gz - j
    const at = j * cells + i
    const near = heights[at] + (heights[at + 1] - heights[at]) * fx
    const far = heights[at + cells] + (heights[at + cells + 1] - heights[at + cells]) * fx
    return near + (far - near) * fz
  }
}

const FAR = 190

/** The distance at which the ray meets the ground, or undefined. */
function march(heightAt, from, direction) {
  let t = 0.4
  let last = t
  while (t < FAR) {
    const above = from[1] + direction[1] * t - heightAt(from[0] + direction[0] * t, from[2] + direction[2] * t)
    if (above < 0) {
      let low = last
      let high = t
      for (let i = 0; i < 8; i += 1) {
        const middle = (low + high) / 2
        const y = from[1] + direction[1] * middle
        if (y < heightAt(from[0] + direction[0] * middle, from[2] + direction[2] * middle)) high = middle
        else low = middle
      }
      return high
    }
    last = t
    t += Math.max(above * 0.32, 0.012 + t * 0.0016)
  }
  return undefined
}

/** How much of the sun reaches a point, 0..1, with soft edges. */
function sunlight(heightAt, point, sun) {
  let light = 1
  for (let t = 0.25; t < 40; t *= 1.18) {
    const above = point[1] + sun[1] * t - heightAt(point[0] + sun[0] * t, point[2] + sun[2] * t)
    light = Math.min(light, 0.5 + (above * 9) / t)
    if (light <= 0) return 0
  }
  return Math.min(Math.max(light, 0), 1)
}

/** Renders a scene to RGB, 8 bits a channel. */
export function landscape({ width, height, camera, sun: towardsSun, ...scene }) {
  const sun = normalize(towardsSun)
  const heightAt = heightGrid(scene.ground, { cells: 2560, depth: 200, centre: camera.x })
  const eye = [camera.x, Math.max(camera.y, heightAt(camera.x, 0.5) + 2), camera.z]

  const skyAt = (direction) => {
    const up = Math.max(direction[1], 0)
    let colour = scene.sky(up, direction[0])
    const facing = Math.max(direction[0] * sun[0] + direction[1] * sun[1] + direction[2] * sun[2], 0)
    const glow = 0.28 * facing ** 8 + 0.5 * facing ** 220
    colour = colour.map((channel, i) => channel + glow * scene.sunColour[i] * 0.6)
    if (scene.clouds > 0 && up > 0.01) {
      const x = (direction[0] / (up + 0.05)) * 0.9 + 4
      const z = (direction[2] / (up + 0.05)) * 0.5
      const cover = fbm(x + fbm(x, z, 4), z * 1.6, 7)
      const cloud = smoothstep(0.72 - scene.clouds * 0.28, 0.86, cover) * smoothstep(0.01, 0.14, up)
      colour = mix(colour, mix([0.97, 0.96, 0.95], scene.haze.colour, smoothstep(0.6, 0.95, cover)), cloud * 0.85)
    }
    if (scene.stars) {
      const cell = [Math.floor((direction[0] / direction[2]) * 420), Math.floor((direction[1] / direction[2]) * 420)]
      const star = hash(cell[0], cell[1])
      if (star > 0.9945) colour = colour.map((channel) => channel + (star - 0.9945) * 110 * hash(cell[1], cell[0]) ** 2)
    }
    return colour
  }

  const shade = (direction) => {
    const hit = march(heightAt, eye, direction)
    const surfaceOfWater = scene.water === undefined ? undefined : (scene.water - eye[1]) / direction[1]
    const isWater = surfaceOfWater !== undefined && surfaceOfWater > 0 && surfaceOfWater < (hit ?? FAR * 4)
    const t = isWater ? surfaceOfWater : hit
    if (t === undefined) return skyAt(direction)
    const [x, y, z] = [eye[0] + direction[0] * t, eye[1] + direction[1] * t, eye[2] + direction[2] * t]
    let colour
    if (isWater) {
      const calm = Math.min(0.05, 1.2 / t)
      const normal = normalize([
        (fbm(x * 3, z * 5, 4) - 0.47) * calm * 6,
        1,
        (fbm(x * 3 + 50, z * 5, 4) - 0.47) * calm * 6,
      ])
      const along = 2 * (direction[0] * normal[0] + direction[1] * normal[1] + direction[2] * normal[2])
      const mirrored = normalize(direction.map((part, i) => part - along * normal[i]))
      mirrored[1] = Math.abs(mirrored[1])
      const depth = scene.water - scene.ground(x, z)
      const body = mix([0.24, 0.62, 0.6], [0.015, 0.12, 0.24], smoothstep(0, 3.2, depth))
      const mirrorsLand = t < FAR && march(heightAt, [x, 0.02, z], mirrored) !== undefined
      const seen = mirrorsLand ? [0.12, 0.16, 0.1] : skyAt(mirrored)
      const fresnel = 0.03 + 0.97 * (1 - Math.min(Math.abs(along / 2), 1)) ** 5
      colour = mix(body, seen, Math.min(fresnel, 0.75))
      const foam = smoothstep(0.35, 0, depth) * smoothstep(0.4, 0.6, fbm(x * 4, z * 4, 4))
      colour = mix(colour, [0.92, 0.95, 0.95], foam * 0.8)
    } else {
      const e = 0.004 + t * 0.0009
      const normal = normalize([
        scene.ground(x - e, z) - scene.ground(x + e, z),
        2 * e,
        scene.ground(x, z - e) - scene.ground(x, z + e),
      ])
      const facing = Math.max(normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2], 0)
      const lit = facing * (facing > 0 ? sunlight(heightAt, [x, y + 0.02, z], sun) : 0)
      const albedo = scene.surface(x, z, y, 1 - normal[1])
      colour = albedo.map(
        (part, i) => part * (scene.sunColour[i] * lit * 1.5 + scene.ambient[i] * (0.6 + 0.4 * normal[1])),
      )
    }
    const clear = Math.exp(-t * scene.haze.density)
    return mix(scene.haze.colour, colour, 0.08 + 0.92 * clear)
  }

  const pixels = Buffer.alloc(width * height * 3)
  for (let py = 0; py < height; py += 1) {
    for (let px = 0; px < width; px += 1) {
      const direction = normalize([
        ((px + 0.5) / width - 0.5) * camera.field * (width / height),
        (0.5 - (py + 0.5) / height) * camera.field + camera.pitch,
        1,
      ])
      const colour = shade(direction)
      const grain = (hash(px, py) + hash(px + 7919, py) - 1) * 0.016
      for (let i = 0; i < 3; i += 1) {
        // A film-like shoulder, then gamma, then contrast around the middle.
        const exposed = (1 - Math.exp(-colour[i] * 1.45)) / 0.84
        const bright = Math.min(Math.max(exposed, 0), 1) ** (1 / 1.25)
        const value = bright + (smoothstep(0, 1, bright) - bright) * 0.55 + grain
        pixels[(py * width + px) * 3 + i] = Math.round(Math.min(Math.max(value, 0), 1) * 255)
      }
    }
  }
  return pixels
}
