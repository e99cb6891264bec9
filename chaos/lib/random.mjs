// Chance that can be repeated.
import { randomFrom as numbersFrom } from '../../bench/lib/drawn.mjs'

/** Numbers in 0..1, the same for the same seed. */
export function randomFrom(seed) {
  const numbers = numbersFrom(seed)
  const random = () => numbers()
  /** An integer from 0 to below `n`. */
  random.below = (n) => Math.floor(random() * n)
  /** One of the items. */
  random.of = (items) => items[random.below(items.length)]
  /** One of the items, each as often as its share says. @param {[any, number][]} shares */
  random.weighted = (shares) => {
    let at = random() * shares.reduce((sum, [, share]) => sum + share, 0)
    for (const [item, share] of shares) {
      at -= share
      if (at < 0) return item
    }
    return shares.at(-1)[0]
  }
  return random
}
