// What of a recorded profile is kept: the functions in C of the codecs. rustc's own optimiser gains from it what it loses, see
// docs/PERFORMANCE.md, and names of functions in Rust are others with every version.

/** Functions in Rust: with mangled names, or with that of their crate in front. */
const RUST = /^_[RZ]|^\w+\.[0-9a-f]+-cgu\.\d+;/

/** ring's: what a training without TLS never runs is called in every handshake all the same. */
const RING = /^ring_core_|^(aes_nohw|curve25519\w*|gfp_p\d+)\.c;/

/**
 * @param {string} text a profile as `llvm-profdata merge --text` writes it
 * @returns {string} the same with what is kept
 */
export function codecsOf(text) {
  const keep = (record) => {
    const name = record.split('\n').find((line) => line && !/^[#:]/.test(line))
    return name === undefined || !(RUST.test(name) || RING.test(name))
  }
  return text.split('\n\n').filter(keep).join('\n\n')
}
