//! Inputs that get past the first check of their format: parts are changed, left out, doubled and exchanged, and the
//! lengths, offsets and checksums around them put right.

mod boxes;
mod bytes;
mod directory;
mod pieces;
mod png;

use fastrand::Rng;

use crate::targets::optimize::OPTION_BYTES;

/// What an input is made of.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Nothing that is known.
    Bytes,
    /// Text in which these words matter.
    Text(&'static [&'static str]),
    /// JPEG: marker segments and scans.
    Jpeg,
    /// PNG: chunks.
    Png,
    /// GIF: blocks.
    Gif,
    /// WebP: chunks in RIFF.
    Riff,
    /// AVIF: nested boxes, and offsets into one of them.
    Boxes,
    /// TIFF: a directory of entries.
    Tiff,
    /// A byte, and an ICC profile: a table of tags.
    Icc,
    /// Whichever of these an image begins like.
    Image,
    /// An image, and the bytes that choose what is made of it.
    ImageWithOptions,
}

/// Another input like `data`, of at most `max_len` bytes.
#[must_use]
pub fn mutated(data: &[u8], kind: Kind, max_len: usize, random: &mut Rng) -> Vec<u8> {
    let mut made = match kind {
        Kind::ImageWithOptions => {
            let (image, options) = data.split_at(data.len().saturating_sub(OPTION_BYTES));
            let mut options = options.to_vec();
            options.resize(OPTION_BYTES, 0);
            let mut image = image.to_vec();
            if random.u8(..4) == 0 {
                options[random.usize(..OPTION_BYTES)] = random.u8(..);
            } else {
                image = mutated(&image, Kind::Image, max_len.saturating_sub(OPTION_BYTES), random);
            }
            image.extend(options);
            image
        }
        _ => structured(data, kind, random).unwrap_or_else(|| {
            let mut plain = data.to_vec();
            bytes::mutate(&mut plain, random);
            plain
        }),
    };
    made.truncate(max_len);
    made
}

/// `None` when the input is not of that kind, and at times when it is: formats have checks of their own for bytes
/// that stand where none belong.
fn structured(data: &[u8], kind: Kind, random: &mut Rng) -> Option<Vec<u8>> {
    if random.u8(..4) == 0 {
        return None;
    }
    match kind {
        Kind::Bytes | Kind::ImageWithOptions => None,
        Kind::Text(words) => Some(bytes::with_word(data, words, random)),
        Kind::Jpeg => pieces::mutate(data, &pieces::JPEG, random),
        Kind::Png => png::mutate(data, random),
        Kind::Gif => pieces::mutate(data, &pieces::GIF, random),
        Kind::Riff => pieces::mutate(data, &pieces::RIFF, random),
        Kind::Boxes => boxes::mutate(data, random),
        Kind::Tiff => directory::mutate_tiff(data, random),
        Kind::Icc => directory::mutate_icc(data, random),
        Kind::Image => structured(data, kind_of(data), random),
    }
}

fn kind_of(data: &[u8]) -> Kind {
    match data {
        [0xff, 0xd8, ..] => Kind::Jpeg,
        [0x89, b'P', ..] => Kind::Png,
        [b'G', b'I', b'F', ..] => Kind::Gif,
        [b'R', b'I', b'F', b'F', ..] => Kind::Riff,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Kind::Boxes,
        [b'I', b'I', ..] | [b'M', b'M', ..] => Kind::Tiff,
        [b'<', ..] => Kind::Text(crate::targets::words::SVG),
        _ => Kind::Bytes,
    }
}

/// Makes the program of a target under `fuzz_targets/`: libFuzzer's own mutations and ours take turns.
#[macro_export]
macro_rules! libfuzzer {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<&$crate::Target> =
            std::sync::LazyLock::new(|| $crate::targets::named($name).expect("a target of this name"));
        libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            if seed % 3 == 0 {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let mut random = $crate::mutate::random(seed);
            let made = $crate::mutate::mutated(&data[..size], TARGET.kind, max_size, &mut random);
            data[..made.len()].copy_from_slice(&made);
            made.len()
        });
    };
}

/// The source of chance for one mutation.
#[must_use]
pub fn random(seed: u32) -> Rng {
    Rng::with_seed(seed.into())
}
