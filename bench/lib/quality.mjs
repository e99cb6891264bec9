import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import sharp from './sharp.mjs'

const CRATE = fileURLToPath(new URL('../quality', import.meta.url))

// Transparency is looked at on paper and on a dark page; the worse of the two counts.
const BACKGROUNDS = { white: 255, dark: 26 }
// Behind a format without alpha Next (sharp) puts black, so that is what a right answer looks like.
const FLATTENED = { black: 0 }

/** Scores answers with SSIMULACRA2 and butteraugli, by the program in bench/quality. */
export class Scorer {
  #program
  #answers
  #folder
  #source = { file: '' }
  #reference = { key: '' }

  /**
   * Builds the program when it isn't built yet and starts it.
   *
   * @param {string} folder a temporary folder for raw pixels, the size of two pictures
   * @throws {Error} when there is no cargo or the build fails
   */
  constructor(folder) {
    this.#folder = folder
    const args = ['build', '--release', '--locked', '--quiet', '--target-dir', 'target']
    const { status, error } = spawnSync('cargo', args, { cwd: CRATE, stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) throw new Error(`cargo could not build bench/quality: ${error?.message ?? `exit ${status}`}`)
    const name = process.platform === 'win32' ? 'unsharp-quality.exe' : 'unsharp-quality'
    this.#program = spawn(path.join(CRATE, 'target', 'release', name), { stdio: ['pipe', 'pipe', 'inherit'] })
    // A write to a program that has died shows up as its missing answer.
    this.#program.stdin.on('error', () => {})
    this.#answers = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]()
  }

  /**
   * How near the encoded picture `output` (a file) comes to what it was made from. The reference is the
   * source, decoded in full, turned upright, in sRGB and scaled to the output's size with Lanczos3, without loss.
   *
   * Answers `{ score, distance, worstDistance }`: SSIMULACRA2, where 100 is equal, and butteraugli's 3-norm and
   * maximum, where 0 is.
   *
   * @param {{ file: string }} picture the source
   * @param {string} output
   */
  async score(picture, output) {
    const seen = await pixelsOf(sharp(output))
    const reference = await this.#referenceOf(picture.file, seen.width, seen.height)
    const lostAlpha = reference.translucent && !seen.hasAlpha
    const found = []
    const backgrounds = lostAlpha ? FLATTENED : reference.translucent || seen.translucent ? BACKGROUNDS : { white: 255 }
    for (const background of Object.values(backgrounds)) {
      const files = [path.join(this.#folder, 'reference.rgb'), path.join(this.#folder, 'output.rgb')]
      await writeFile(files[0], flatten(reference, background))
      await writeFile(files[1], flatten(seen, background))
      found.push(await this.#ask([seen.width, seen.height, ...files].join('\t')))
    }
    return {
      score: Math.min(...found.map(([score]) => score)),
      distance: Math.max(...found.map(([, distance]) => distance)),
      worstDistance: Math.max(...found.map(([, , distance]) => distance)),
    }
  }

  async stop() {
    const gone = once(this.#program, 'close')
    this.#program.stdin.end()
    await gone
  }

  async #ask(line) {
    this.#program.stdin.write(`${line}\n`)
    const { value, done } = await this.#answers.next()
    if (done) throw new Error('the scoring program died')
    const [kind, ...fields] = value.split('\t')
    if (kind !== 'score') throw new Error(fields[0])
    return fields.map(Number)
  }

  async #referenceOf(file, width, height) {
    const key = `${width}x${height} ${file}`
    if (this.#reference.key !== key) {
      // Decoded on its own first: in one go sharp would let the JPEG decoder shrink, which costs detail.
      if (this.#source.file !== file) this.#source = { file, ...(await pixelsOf(sharp(file).rotate())) }
      const { pixels, ...size } = this.#source
      const raw = { width: size.width, height: size.height, channels: 4 }
      const resized = sharp(pixels, { raw }).resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
      this.#reference = { key, ...(await pixelsOf(resized)) }
    }
    return this.#reference
  }
}

async function pixelsOf(image) {
  const { hasAlpha } = await image.metadata()
  const upright = image.toColourspace('srgb').ensureAlpha().raw({ depth: 'uchar' })
  const { data: pixels, info } = await upright.toBuffer({ resolveWithObject: true })
  let translucent = false
  for (let i = 3; hasAlpha && !translucent && i < pixels.length; i += 4) translucent = pixels[i] < 255
  return { pixels, width: info.width, height: info.height, hasAlpha, translucent }
}

/** RGBA over one gray level, as RGB. */
function flatten({ pixels }, background) {
  const flat = Buffer.allocUnsafe((pixels.length / 4) * 3)
  for (let from = 0, to = 0; from < pixels.length; from += 4, to += 3) {
    const alpha = pixels[from + 3]
    for (let channel = 0; channel < 3; channel += 1) {
      flat[to + channel] = Math.round((pixels[from + channel] * alpha + background * (255 - alpha)) / 255)
    }
  }
  return flat
}
