//! True color to at most 256 colors, for PNG and GIF.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quantizr::{Histogram, Image, Options, QuantizeResult};

use crate::error::{Error, Result};
use crate::image::limits::Progress;

/// A picture as numbers of colors.
pub(super) struct Indexed {
    /// At most 256 of them: red, green, blue, straight alpha, by rising alpha.
    pub(super) colors: Vec<[u8; 4]>,
    /// One a pixel, row by row, each less than `colors.len()`.
    pub(super) indices: Vec<u8>,
}

/// Pixels on which counts of colors are tried out, because a clustering of all of them costs too much.
const SAMPLE: usize = 1 << 16;

/// Dithers `rgba` to a palette. 256 colors give the smallest error that can be had; of the palettes whose
/// error is at most `allowance` larger, this takes the one with the fewest colors. Errors are the squared
/// differences of the four samples, summed, on the 0..=255 scale, and averaged over the pixels.
///
/// # Errors
/// [`Error::Encode`] when the quantiser fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn quantize(
    rgba: &[u8],
    width: u32,
    height: u32,
    allowance: f64,
    progress: &Progress,
) -> Result<Indexed> {
    // The quantiser's clustering trusts 32-bit float sums and may panic where they round badly.
    catch_unwind(AssertUnwindSafe(|| dither(rgba, width as usize, height as usize, allowance, progress)))
        .unwrap_or_else(|_| Err(Error::Encode("palette: the quantiser failed".into())))
}

fn dither(rgba: &[u8], width: usize, height: usize, allowance: f64, progress: &Progress) -> Result<Indexed> {
    let image = Image::new(rgba, width, height).map_err(failed)?;
    let count = if allowance > 0.0 { fewest_colors(&sample(rgba), allowance, progress)? } else { 256 };
    let mut histogram = Histogram::new();
    histogram.add_image(&image);
    progress.check()?;
    let mut palette = cluster(&histogram, count)?;
    progress.check()?;
    palette.set_dithering_level(1.0).map_err(failed)?;
    let mut indices = vec![0; width * height];
    palette.remap_image(&image, &mut indices).map_err(failed)?;
    progress.check()?;
    Ok(Indexed { colors: colors(&palette), indices })
}

/// How many colors keep the error within `allowance` of what 256 of them have.
fn fewest_colors(sample: &[u8], allowance: f64, progress: &Progress) -> Result<i32> {
    let mut histogram = Histogram::new();
    histogram.add_image(&Image::new(sample, sample.len() / 4, 1).map_err(failed)?);
    let error_with = |count: i32| -> Result<f64> {
        progress.check()?;
        error_on(cluster(&histogram, count)?, sample)
    };
    let (mut count, mut error) = (256, error_with(256)?);
    let target = error + allowance;
    for fewer in [64, 16, 4, 2] {
        let larger = error_with(fewer)?;
        if larger > target {
            let between = interpolated((fewer, larger), (count, error), target);
            // A picture with few colors of its own has no such curve; one that has is met within a little.
            let fits = between < count && error_with(between)? <= target + allowance / 2.0;
            return Ok(if fits { between } else { count });
        }
        (count, error) = (fewer, larger);
    }
    Ok(count)
}

/// The count with which the error should be `target`, given one with a larger and one with a smaller error: it
/// falls about as a power of the count.
fn interpolated((fewer, larger): (i32, f64), (more, smaller): (i32, f64), target: f64) -> i32 {
    // Exact palettes have no error at all, of which there is no logarithm.
    let [larger, smaller, target] = [larger, smaller, target].map(|error| error + 0.01);
    let slope = (larger / smaller).ln() / (f64::from(more) / f64::from(fewer)).ln();
    let between = f64::from(fewer) * (larger / target).powf(1.0 / slope);
    (between.ceil() as i32).clamp(fewer, more)
}

fn cluster(histogram: &Histogram, count: i32) -> Result<QuantizeResult> {
    let mut options = Options::default();
    options.set_max_colors(count).map_err(failed)?;
    Ok(QuantizeResult::quantize_histogram(histogram, &options))
}

/// Pixels from all over the picture. The stride is odd, so that they don't stand in one column.
fn sample(rgba: &[u8]) -> Vec<u8> {
    let pixels = rgba.as_chunks::<4>().0;
    let stride = (pixels.len() / SAMPLE) | 1;
    pixels.iter().step_by(stride).flatten().copied().collect()
}

/// The error that `palette` has on `sample` without dithering.
fn error_on(mut palette: QuantizeResult, sample: &[u8]) -> Result<f64> {
    palette.set_dithering_level(0.0).map_err(failed)?;
    let pixels = sample.as_chunks::<4>().0;
    let mut indices = vec![0; pixels.len()];
    let image = Image::new(sample, pixels.len(), 1).map_err(failed)?;
    palette.remap_image(&image, &mut indices).map_err(failed)?;
    let colors = colors(&palette);
    let squares = pixels.iter().zip(indices).map(|(pixel, index)| {
        let color = colors[usize::from(index)];
        // All transparent pixels are one color, whatever their red, green and blue.
        let differing = if pixel[3] == 0 { 3..4 } else { 0..4 };
        differing.map(|i| u64::from(pixel[i].abs_diff(color[i])).pow(2)).sum::<u64>()
    });
    Ok(squares.sum::<u64>() as f64 / pixels.len() as f64)
}

fn colors(palette: &QuantizeResult) -> Vec<[u8; 4]> {
    let palette = palette.get_palette();
    palette.entries[..palette.count as usize].iter().map(|c| [c.r, c.g, c.b, c.a]).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn failed(error: quantizr::Error) -> Error {
    Error::Encode(format!("palette: {error:?}"))
}
