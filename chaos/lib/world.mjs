// What all scenarios need: sources, and the knowledge of what every variant of them is.
import { hashOf, knowVariants } from './known.mjs'
import { createLoad } from './load.mjs'
import { drawPictures, LOCAL } from './pictures.mjs'
import { BOMB, startSources } from './sources.mjs'
import { createTraffic, WIDTHS } from './traffic.mjs'

/**
 * @typedef {object} World
 * @property {Awaited<ReturnType<typeof startSources>>} sources
 * @property {Set<string>} hashes of all bodies that can rightly be in a cache
 * @property {(random: () => number, load: object, shares?: object, more?: object) => ReturnType<typeof createLoad>} traffic
 */

/** Pictures that take long to decode are for the soak. */
const isLight = ({ body }) => body.length < 1 << 20

/**
 * @param {{ after: (end: () => unknown) => void }} t
 * @param {(picture: import('./pictures.mjs').Picture) => boolean} [isWanted]
 * @returns {Promise<World>}
 */
export async function createWorld(t, isWanted = isLight) {
  const pictures = (await drawPictures()).filter(isWanted)
  const known = await knowVariants([...pictures, ...LOCAL], WIDTHS)
  const sources = await startSources(t, pictures)
  return {
    sources,
    hashes: new Set([...known.hashes(), hashOf(sources.cutPhoto), hashOf(BOMB)]),
    /** Traffic for one or more services. */
    traffic: (random, load, shares, more) => {
      const traffic = createTraffic({ ...{ random, pictures, sources, known, shares }, brokenStatus: 502, ...more })
      const made = createLoad({ ...traffic, ...load })
      t.after(made.close)
      return made
    },
  }
}
