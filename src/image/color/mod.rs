//! ICC profiles to sRGB, at output size, where a transform costs a few milliseconds instead of tens.

mod cmyk;

use moxcms::{ColorProfile, DataColorSpace, Layout as IccLayout, RenderingIntent, TransformOptions};

use crate::image::decode::{Layout, Pixels};

/// Brings `pixels` into sRGB as [`Layout::Luma`], [`Layout::Rgb`] or [`Layout::Rgba`].
///
/// The embedded profile decides; one that can't be read or does not fit the pixels is ignored, as in sharp.
/// CMYK without a usable profile goes through a table sampled from sharp's own default.
#[must_use]
pub fn to_srgb(pixels: Pixels, icc: Option<&[u8]>) -> Pixels {
    let profile =
        icc.and_then(|bytes| ColorProfile::new_from_slice(bytes).ok()).filter(|profile| !is_srgb(profile));
    let space = profile.as_ref().map(|profile| profile.color_space);
    let converted = match (&profile, pixels.layout, space) {
        (Some(profile), Layout::Cmyk, Some(DataColorSpace::Cmyk)) => cmyk::with_profile(&pixels, profile),
        (Some(profile), Layout::Luma, Some(DataColorSpace::Gray)) => gray(&pixels, profile),
        // Gray with alpha is decoded to this.
        (Some(profile), Layout::Rgba, Some(DataColorSpace::Gray)) if is_gray(&pixels) => {
            gray(&pixels, profile)
        }
        (Some(profile), Layout::Rgb, Some(DataColorSpace::Rgb)) => convert(&pixels, profile, IccLayout::Rgb),
        (Some(profile), Layout::Rgba, Some(DataColorSpace::Rgb)) => {
            convert(&pixels, profile, IccLayout::Rgba)
        }
        _ => None,
    };
    match converted {
        Some(converted) => converted,
        None if pixels.layout == Layout::Cmyk => cmyk::without_profile(&pixels),
        None => pixels,
    }
}

/// The intent that sharp asks for, since profiles of printers differ much between theirs, and one for profiles
/// that have no other.
const INTENTS: [RenderingIntent; 2] = [RenderingIntent::Perceptual, RenderingIntent::RelativeColorimetric];

/// Most photographs carry sRGB itself. Converting from it to itself would only cost time and rounding.
fn is_srgb(profile: &ColorProfile) -> bool {
    if profile.color_space != DataColorSpace::Rgb || profile.lut_a_to_b_perceptual.is_some() {
        return false;
    }
    let srgb = ColorProfile::new_srgb();
    let near = |a: moxcms::Xyzd, b: moxcms::Xyzd| {
        (a.x - b.x).abs() < 5e-4 && (a.y - b.y).abs() < 5e-4 && (a.z - b.z).abs() < 5e-4
    };
    if !(near(profile.red_colorant, srgb.red_colorant)
        && near(profile.green_colorant, srgb.green_colorant)
        && near(profile.blue_colorant, srgb.blue_colorant))
    {
        return false;
    }
    // The colorants agree; now the curves, by what a gray ramp becomes.
    let ramp: Vec<u8> = (0..=255).flat_map(|level| [level; 3]).collect();
    let mut converted = vec![0; ramp.len()];
    transform(profile, IccLayout::Rgb, IccLayout::Rgb, &ramp, &mut converted).is_some()
        && ramp.iter().zip(&converted).all(|(a, b)| a.abs_diff(*b) <= 1)
}

/// `None` if the profile can't be used.
fn transform(
    profile: &ColorProfile,
    from: IccLayout,
    to: IccLayout,
    source: &[u8],
    target: &mut [u8],
) -> Option<()> {
    let transform = INTENTS.iter().find_map(|&rendering_intent| {
        let options = TransformOptions { rendering_intent, ..TransformOptions::default() };
        profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options).ok()
    })?;
    transform.transform(source, target).ok()
}

fn convert(pixels: &Pixels, profile: &ColorProfile, layout: IccLayout) -> Option<Pixels> {
    let mut data = vec![0; pixels.data.len()];
    transform(profile, layout, layout, &pixels.data, &mut data)?;
    Some(Pixels { data, ..*pixels })
}

/// A gray profile is one curve: 256 levels through the transform make a table for all pixels.
fn gray(pixels: &Pixels, profile: &ColorProfile) -> Option<Pixels> {
    let levels: Vec<u8> = (0..=255).collect();
    let mut table = vec![0; 256 * 3];
    transform(profile, IccLayout::Gray, IccLayout::Rgb, &levels, &mut table)?;
    let mut data = pixels.data.clone();
    let has_alpha = pixels.layout == Layout::Rgba;
    for (index, sample) in data.iter_mut().enumerate() {
        if !(has_alpha && index % 4 == 3) {
            *sample = table[usize::from(*sample) * 3 + 1];
        }
    }
    Some(Pixels { data, ..*pixels })
}

fn is_gray(pixels: &Pixels) -> bool {
    pixels.data.as_chunks().0.iter().all(|[r, g, b, _]| r == g && g == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(layout: Layout, data: &[u8]) -> Pixels {
        Pixels { data: data.to_vec(), width: (data.len() / layout.channels()) as u32, height: 1, layout }
    }

    #[test]
    fn display_p3_becomes_srgb() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let red = to_srgb(one(Layout::Rgb, &[200, 50, 50, 128, 128, 128]), Some(&p3));
        assert!(red.data[0] > 210, "P3 red is more saturated than sRGB's: {:?}", red.data);
        assert!(
            red.data[3..].iter().all(|level| level.abs_diff(128) <= 1),
            "gray stays gray: {:?}",
            red.data
        );
    }

    #[test]
    fn alpha_passes_through_a_conversion() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let pixels = to_srgb(one(Layout::Rgba, &[200, 50, 50, 77]), Some(&p3));
        assert_eq!(pixels.data[3], 77);
    }

    #[test]
    fn srgb_and_unreadable_profiles_leave_pixels_alone() {
        let pixels = one(Layout::Rgb, &[1, 2, 3, 200, 100, 50]);
        let srgb = ColorProfile::new_srgb().encode().unwrap();
        assert_eq!(to_srgb(pixels.clone(), Some(&srgb)), pixels);
        assert_eq!(to_srgb(pixels.clone(), Some(b"no profile")), pixels);
        assert_eq!(to_srgb(pixels.clone(), None), pixels);
    }

    #[test]
    fn gray_profiles_apply_their_curve() {
        let linear = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let pixels = to_srgb(one(Layout::Luma, &[0, 55, 255]), Some(&linear));
        assert_eq!(pixels.layout, Layout::Luma);
        assert!(pixels.data[0] == 0 && pixels.data[2] >= 254, "{:?}", pixels.data);
        assert!(pixels.data[1].abs_diff(128) <= 3, "linear 0.216 is sRGB 0.5: {:?}", pixels.data);
    }

    #[test]
    fn gray_with_alpha_takes_a_gray_profile_and_color_does_not() {
        let linear = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let gray = to_srgb(one(Layout::Rgba, &[55, 55, 55, 40, 0, 0, 0, 255]), Some(&linear));
        assert!(gray.data[0].abs_diff(128) <= 3 && gray.data[3] == 40, "{:?}", gray.data);
        let color = one(Layout::Rgba, &[55, 56, 55, 40]);
        assert_eq!(to_srgb(color.clone(), Some(&linear)), color);
    }

    #[test]
    fn a_profile_of_other_channels_is_ignored() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let gray = one(Layout::Luma, &[10, 100, 200]);
        assert_eq!(to_srgb(gray.clone(), Some(&p3)), gray);
    }
}
