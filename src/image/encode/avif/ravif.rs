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

/// In pictures of up to as many pixels ravif itself smooths the colors below transparency, in two passes over all of
/// them that nothing can stop; in larger ones they are [`spread`].
const MOST_SMOOTHED: usize = 4 << 20;

/// The engine.
pub(super) struct Ravif;

impl Engine for Ravif {
    fn version(&self) -> String {
        "ravif".into()
    }

    fn encode(&self, mut pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>> {
        let quality = interpolate(quality, QUALITIES);
        let (width, height) = (pixels.width as usize, pixels.height as usize);
        let below_transparency = if width * height <= MOST_SMOOTHED {
            AlphaColorMode::UnassociatedClean
        } else {
            if pixels.layout == Layout::Rgba {
                spread(pixels.data.as_chunks_mut().0, width, progress)?;
            }
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

/// Gives each pixel that does not show the color of the nearest one above it that does, or else of the first one below,
/// or else, in a column of which nothing shows, of the column on the left: where transparency begins, no edge is left
/// in the colors, which would cost bytes for nothing.
fn spread(pixels: &mut [[u8; 4]], width: usize, progress: &Progress) -> Result<()> {
    let mut first_colors: Vec<Option<[u8; 3]>> = vec![None; width];
    for row in pixels.chunks_exact(width) {
        progress.check()?;
        for (first, &[r, g, b, alpha]) in first_colors.iter_mut().zip(row) {
            if alpha > 0 && first.is_none() {
                *first = Some([r, g, b]);
            }
        }
    }
    let mut colors = Vec::with_capacity(width);
    let mut left = [0; 3];
    for first in first_colors {
        left = first.unwrap_or(left);
        colors.push(left);
    }
    for row in pixels.chunks_exact_mut(width) {
        progress.check()?;
        for (color, pixel) in colors.iter_mut().zip(row) {
            if pixel[3] == 0 {
                pixel[..3].copy_from_slice(color);
            } else {
                color.copy_from_slice(&pixel[..3]);
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_takes_the_color_of_what_shows_near_it() {
        let (none, red, blue) = ([9, 9, 9, 0], [200, 0, 0, 1], [0, 0, 200, 255]);
        let hidden = |[r, g, b, _]: [u8; 4]| [r, g, b, 0];
        #[rustfmt::skip]
        let mut pixels = [
            none, none, none,
            red,  none, none,
            none, none, blue,
            blue, none, none,
        ];
        spread(&mut pixels, 3, &Progress::unbounded()).unwrap();
        #[rustfmt::skip]
        let expected = [
            hidden(red), hidden(red), hidden(blue),
            red,         hidden(red), hidden(blue),
            hidden(red), hidden(red), blue,
            blue,        hidden(red), hidden(blue),
        ];
        assert_eq!(pixels, expected);
    }
}
