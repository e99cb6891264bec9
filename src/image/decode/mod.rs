//! Bytes to pixels, by Rust decoders only.

pub mod avif;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod tiff;
pub mod webp;

use crate::error::Result;
use crate::image::limits::{Limits, Progress};

/// How the samples of one pixel lie in memory, 8 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One gray sample.
    Luma,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, straight (not premultiplied) alpha.
    Rgba,
    /// Cyan, magenta, yellow, black; 0 is no ink.
    Cmyk,
}

impl Layout {
    /// Bytes of one pixel.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Luma => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// Tightly packed rows, top to bottom; `data.len() == width * height * layout.channels()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    pub data: Vec<u8>,
    /// px
    pub width: u32,
    /// px
    pub height: u32,
    pub layout: Layout,
}

/// What the header says, read without decoding pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// px, as stored (before orientation)
    pub width: u32,
    /// px, as stored (before orientation)
    pub height: u32,
    /// EXIF orientation 1..=8; for AVIF irot/imir folded into the same numbers
    pub orientation: u8,
    pub has_alpha: bool,
    /// more than one frame: the input is passed through untouched
    pub animated: bool,
    /// bits per sample, 1..=16
    pub depth: u8,
    /// bytes of memory that decoding at full size takes, at most (pixels and the decoder's own buffers)
    pub decoded_bytes: u64,
}

/// A decoded image. `pixels` may be smaller than the header's size when the decoder could scale
/// (JPEG in the DCT); `source_width`/`source_height` then say which fractional box of `pixels` the
/// full image covers, so the resizer stays exact.
#[derive(Debug, Clone)]
pub struct Decoded {
    pub pixels: Pixels,
    /// px of `pixels` that the whole image covers horizontally: `width * n / 8` unrounded, else `pixels.width`
    pub source_width: f64,
    /// the same vertically
    pub source_height: f64,
    /// the embedded ICC profile, if any and if plausible in size
    pub icc: Option<Vec<u8>>,
    /// EXIF orientation 1..=8, still to be applied
    pub orientation: u8,
}

/// How large the result will be, in px before orientation; a decoder that scales may stop early.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub width: u32,
    pub height: u32,
}
