//! AVIF by ravif (rav1e): Rust, slower, larger files.
//!
//! It stops between two of rav1e's functions, through the crate `profiling`.
//!
//! 8 bits, because 10 bits take more than twice the CPU time for 4 % fewer bytes.

use ::ravif::{AlphaColorMode, BitDepth, Encoder, Img, MatrixCoefficients, PixelRange};
use rgb::FromSlice;

use super::{Engine, Levels, interpolate};
use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;

/// rav1e's preset, 1 (slow) to 10. 9 and 10 grow the files by another tenth to a quarter.
const SPEED: u8 = 8;

/// Colors below transparency are smoothed in pictures of up to as many pixels, for fewer bytes: two passes over all of
/// them that nothing can stop.
const MOST_SMOOTHED: usize = 4 << 20;

/// The engine.
pub(super) struct Ravif;

impl Engine for Ravif {
    fn version(&self) -> String {
        "ravif".into()
    }

    fn encode(&self, pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>> {
        let quality = interpolate(quality, QUALITIES);
        let (width, height) = (pixels.width as usize, pixels.height as usize);
        let below_transparency = if width * height <= MOST_SMOOTHED {
            AlphaColorMode::UnassociatedClean
        } else {
            AlphaColorMode::UnassociatedDirty
        };
        // One thread: the pool that calls us is the only parallelism, and sized for the machine.
        let encoder = Encoder::new()
            .with_quality(quality)
            .with_alpha_quality(quality)
            .with_speed(SPEED)
            .with_bit_depth(BitDepth::Eight)
            .with_alpha_color_mode(below_transparency)
            .with_num_threads(Some(1));
        let asked = progress.clone();
        let made = profiling::stoppable(
            move || asked.check(),
            || match pixels.layout {
                Layout::Luma => encoder.encode_raw_planes_8_bit(
                    width,
                    height,
                    pixels.data.iter().map(|&gray| [gray, 128, 128]),
                    None::<[u8; 0]>,
                    PixelRange::Full,
                    MatrixCoefficients::BT601,
                ),
                // ravif leaves opaque alpha out by itself.
                Layout::Rgba => encoder.encode_rgba(Img::new(pixels.data.as_rgba(), width, height)),
                Layout::Rgb | Layout::Cmyk => {
                    encoder.encode_rgb(Img::new(pixels.data.as_rgb(), width, height))
                }
            },
        )?;
        made.map(|image| image.avif_file).map_err(|error| Error::Encode(format!("ravif: {error}")))
    }
}

/// Next's quality and the one of ravif that scores what sharp scores there, as in the table of libaom's levels.
/// Photographs differ by up to five either way; graphics would need up to twelve more.
const QUALITIES: &Levels = &[
    (1.0, 10.0),
    (10.0, 14.0),
    (25.0, 21.5),
    (50.0, 37.5),
    (60.0, 49.5),
    (75.0, 67.0),
    (90.0, 80.8),
    (100.0, 84.2),
];
