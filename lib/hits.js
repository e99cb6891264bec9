// @ts-check
'use strict'

// Answers from memory at the least cost: what goes out again and again is kept as Node sends it, so that a hit takes one
// small native call and neither a copy of the body nor new headers.

/** @typedef {import('../native.d.cts').NativeHit} NativeHit */
/** @typedef {import('../native.d.cts').NativeHandler} NativeHandler */

/** One answer may take this part of the limit, so that a few large ones don't drive all others out. */
const LARGEST_SHARE = 8

/** What an answer takes besides its body: bytes. */
const OVERHEAD_BYTES = 2048

/** Which variants there are, how old they may be and what is answered is the addon's to say, each time. */
class Hits {
  /** Answers given. */
  count = 0
  #handler
  #limit
  #bytes = 0
  /** @type {Map<number, NativeHit>} by number, the one that was used last at the end */
  #kept = new Map()

  /** @param {NativeHandler} handler */
  constructor(handler) {
    this.#handler = handler
    this.#limit = handler.hitBytes
  }

  /**
   * The answer from memory, if there is one that depends on nothing else in the request.
   *
   * @param {string} url
   * @param {import('node:http').IncomingHttpHeaders} headers
   * @returns {NativeHit | null}
   */
  find(url, headers) {
    // All other conditions count beside this one only, and the types that an Accept-Encoding matters for are never hits.
    if (headers['if-none-match']) return null
    const number = this.#handler.hit(url, headers.accept)
    if (number === null) return null
    const answer = this.#recall(number) ?? this.#keep(this.#handler.hitAnswer(url, headers.accept))
    if (answer) this.count += 1
    return answer
  }

  /** @param {number} number */
  #recall(number) {
    const answer = this.#kept.get(number)
    if (answer) {
      this.#kept.delete(number)
      this.#kept.set(number, answer)
    }
    return answer
  }

  /** @param {NativeHit | null} answer */
  #keep(answer) {
    if (answer === null) return null
    const bytes = size(answer)
    if (bytes > this.#limit / LARGEST_SHARE) return answer
    this.#kept.set(answer.number, answer)
    this.#bytes += bytes
    for (const [number, oldest] of this.#kept) {
      if (this.#bytes <= this.#limit) break
      this.#kept.delete(number)
      this.#bytes -= size(oldest)
    }
    return answer
  }
}

/** @param {NativeHit} answer */
function size({ body }) {
  return body.length + OVERHEAD_BYTES
}

module.exports = { Hits }
