import { createRequire } from 'node:module'
import { SHARP } from './peers.mjs'

/** sharp, for making inputs and references and for looking at answers. */
export default createRequire(import.meta.url)(SHARP)
