import { createRequire } from 'node:module'
import { SHARP } from './peers.mjs'

const sharp = createRequire(import.meta.url)(SHARP)
// It remembers files by their names, and answers are written over each other.
sharp.cache(false)

/** sharp, for making inputs and references and for looking at answers. */
export default sharp
