//! CMYK to sRGB, by the embedded profile or by a table.

use moxcms::{ColorProfile, Layout as IccLayout, ProfileVersion, TransformOptions};

use super::INTENTS;
use crate::image::decode::{Layout, Pixels};

/// Pixels converted at a time.
const BATCH: usize = 4096;

/// By the profile, with black point compensation (ICC white paper 40); `None` if the profile can't be used.
///
/// The black of a press is a dark gray: taken as it is, shadows would turn out flat. Little CMS, and so sharp,
/// always compensates for it here, since the sRGB profile they convert to is of version 4.
pub(super) fn with_profile(pixels: &Pixels, profile: &ColorProfile) -> Option<Pixels> {
    // Linear, and wide enough that no ink is clipped before the compensation.
    let wide = ColorProfile::new_aces_aces_2065_1_linear();
    let transform = INTENTS.iter().find_map(|&rendering_intent| {
        let options = TransformOptions { rendering_intent, ..TransformOptions::default() };
        profile.create_transform_f32(IccLayout::Rgba, &wide, IccLayout::Rgb, options).ok()
    })?;
    let mut darkest = [0.0; 3];
    transform.transform(&[1.0; 4], &mut darkest).ok()?;
    let black = match profile.version() {
        version if version >= ProfileVersion::V4_0 => V4_BLACK,
        _ => times(&wide.colorant_matrix().v, darkest.map(f64::from)),
    };
    let to_linear = Affine::compensating(&wide, black);
    let levels = srgb_levels();

    let inks = pixels.data.as_chunks::<4>().0;
    let mut data = Vec::with_capacity(inks.len() * 3);
    let mut from = Vec::with_capacity(BATCH * 4);
    let mut to = vec![0.0; BATCH * 3];
    for batch in inks.chunks(BATCH) {
        from.clear();
        from.extend(batch.as_flattened().iter().map(|ink| f32::from(*ink) / 255.0));
        let to = &mut to[..batch.len() * 3];
        transform.transform(&from, to).ok()?;
        for color in to.as_chunks().0 {
            data.extend(to_linear.apply(*color).map(|light| level(&levels, light)));
        }
    }
    Some(Pixels { data, width: pixels.width, height: pixels.height, layout: Layout::Rgb })
}

/// The white of the profile connection space, XYZ (ICC.1:2022, 7.2.16).
const D50: [f64; 3] = [0.9642, 1.0, 0.8249];

/// What perceptual black is in profiles of version 4, XYZ (ICC.1:2022, 6.3.4.3).
const V4_BLACK: [f64; 3] = [0.003_36, 0.003_473_1, 0.002_87];

/// A linear color space to linear sRGB, with another black.
struct Affine {
    rows: [[f32; 3]; 3],
    offset: [f32; 3],
}

impl Affine {
    /// From the color space of `wide`, so that `black` (XYZ) becomes black and white stays white.
    fn compensating(wide: &ColorProfile, black: [f64; 3]) -> Self {
        let wide_to_xyz = wide.colorant_matrix().v;
        let xyz_to_srgb = ColorProfile::new_srgb().colorant_matrix().inverse().v;
        let map = |color: [f64; 3]| {
            let xyz = times(&wide_to_xyz, color);
            let axis = |i: usize| (xyz[i] - black[i]) / (D50[i] - black[i]) * D50[i];
            times(&xyz_to_srgb, [axis(0), axis(1), axis(2)])
        };
        let offset = map([0.0; 3]);
        let columns = [map([1.0, 0.0, 0.0]), map([0.0, 1.0, 0.0]), map([0.0, 0.0, 1.0])];
        let row = |i: usize| columns.map(|column| (column[i] - offset[i]) as f32);
        Self { rows: [row(0), row(1), row(2)], offset: offset.map(|light| light as f32) }
    }

    fn apply(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let light = |i: usize| {
            let row = &self.rows[i];
            row[0] * r + row[1] * g + row[2] * b + self.offset[i]
        };
        [light(0), light(1), light(2)]
    }
}

fn times(rows: &[[f64; 3]; 3], [x, y, z]: [f64; 3]) -> [f64; 3] {
    rows.map(|[a, b, c]| a * x + b * y + c * z)
}

/// Levels of sRGB by linear light, 0 to 1 (IEC 61966-2-1).
fn srgb_levels() -> Vec<u8> {
    const COUNT: usize = 1 << 14;
    let encoded = |index: usize| {
        let light = index as f32 / (COUNT - 1) as f32;
        let level = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        (level * 255.0).round() as u8
    };
    (0..COUNT).map(encoded).collect()
}

fn level(levels: &[u8], light: f32) -> u8 {
    let last = levels.len() - 1;
    levels[((light * last as f32).round() as usize).min(last)]
}

/// sRGB at 9 levels of each ink, cyan slowest; written by `scripts/cmyk-lut.mjs`.
static TABLE: &[u8; LEVELS.pow(4) * 3] = include_bytes!("cmyk.lut");
const LEVELS: usize = 9;
/// How far apart two neighbouring entries lie in the table, per ink.
const STRIDES: [usize; 4] = [LEVELS.pow(3) * 3, LEVELS.pow(2) * 3, LEVELS * 3, 3];

/// By a table sampled from sharp's own default.
pub(super) fn without_profile(pixels: &Pixels) -> Pixels {
    let data = pixels.data.as_chunks().0.iter().flat_map(|inks| interpolate(*inks)).collect();
    Pixels { data, width: pixels.width, height: pixels.height, layout: Layout::Rgb }
}

/// Simplex interpolation in four dimensions: from the cell's low corner to its high one, one ink at a time in
/// the order of their fractions, so that five samples are read instead of sixteen.
fn interpolate(inks: [u8; 4]) -> [u8; 3] {
    let mut base = 0;
    let mut axes = [(0, 0); 4];
    for ((ink, stride), axis) in inks.into_iter().zip(STRIDES).zip(&mut axes) {
        let position = usize::from(ink) * (LEVELS - 1);
        let cell = (position / 255).min(LEVELS - 2);
        base += cell * stride;
        *axis = (position - cell * 255, stride);
    }
    axes.sort_unstable_by(|a, b| b.cmp(a));
    let sample = |at: usize, channel: usize| usize::from(TABLE[at + channel]);
    let mut sums = [0; 3];
    let mut at = base;
    let mut before = 255;
    for (fraction, stride) in axes {
        for (channel, sum) in sums.iter_mut().enumerate() {
            *sum += sample(at, channel) * (before - fraction);
        }
        before = fraction;
        at += stride;
    }
    for (channel, sum) in sums.iter_mut().enumerate() {
        *sum += sample(at, channel) * before;
    }
    sums.map(|sum| ((sum + 127) / 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_at_its_samples_and_lies_between_elsewhere() {
        let white = without_profile(&Pixels { data: vec![0; 4], width: 1, height: 1, layout: Layout::Cmyk });
        assert_eq!((white.layout, white.data.as_slice()), (Layout::Rgb, TABLE[..3].as_ref()));
        assert!(white.data.iter().all(|level| *level >= 253), "{:?}", white.data);
        let black = interpolate([255; 4]);
        assert_eq!(black, TABLE[TABLE.len() - 3..]);
        let [light, mid, dark] = [0, 16, 32].map(|k| interpolate([0, 0, 0, k])[0]);
        assert!(light > mid && mid > dark, "{light} {mid} {dark}");
    }

    #[test]
    fn compensation_makes_the_black_point_black_and_keeps_white() {
        let wide = ColorProfile::new_aces_aces_2065_1_linear();
        let levels = srgb_levels();
        let black = [0.02, 0.02, 0.025];
        let compensating = Affine::compensating(&wide, black);
        let xyz_to_wide = wide.colorant_matrix().inverse().v;
        let shown = |affine: &Affine, xyz: [f64; 3]| {
            affine
                .apply(times(&xyz_to_wide, xyz).map(|light| light as f32))
                .map(|light| level(&levels, light))
        };
        assert_eq!(shown(&compensating, black), [0; 3]);
        assert!(shown(&compensating, D50).iter().all(|level| *level >= 254));
        let untouched = Affine::compensating(&wide, [0.0; 3]);
        let gray = shown(&untouched, D50.map(|light| light * 0.215_86));
        assert!(gray.iter().all(|level| level.abs_diff(128) <= 1), "{gray:?}");
    }
}
