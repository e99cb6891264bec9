//! RGB to planar YCC 4:4:4, 8 bits, BT.601 matrix, full range.

/// Fixed point with 16 bits after the point. Each row of the matrix sums up exactly (to 1 for Y', to 0 for
/// the others), so gray stays gray; a result is never more than one step from the exact one.
const HALF: i32 = 1 << 15;
const CENTER: i32 = 128 << 16;

/// `width * height` samples of Y', then as many of Cb, then of Cr. `SAMPLES` is 3 for RGB or 4 for RGBA,
/// whose alpha is left out.
pub(super) fn from_rgb<const SAMPLES: usize>(rgb: &[u8]) -> Vec<u8> {
    let pixels = rgb.as_chunks::<SAMPLES>().0;
    let mut planes = vec![0; pixels.len() * 3];
    let (luma, chroma) = planes.split_at_mut(pixels.len());
    let (blue, red) = chroma.split_at_mut(pixels.len());
    for (((pixel, y), cb), cr) in pixels.iter().zip(luma).zip(blue).zip(red) {
        let [r, g, b] = [0, 1, 2].map(|i| i32::from(pixel[i]));
        *y = ((19_595 * r + 38_470 * g + 7_471 * b + HALF) >> 16) as u8;
        // Pure blue or red would round to 256.
        *cb = ((-11_058 * r - 21_710 * g + 32_768 * b + CENTER + HALF) >> 16).min(255) as u8;
        *cr = ((32_768 * r - 27_439 * g - 5_329 * b + CENTER + HALF) >> 16).min(255) as u8;
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::from_rgb;

    #[test]
    fn stays_within_one_step_of_the_exact_matrix_over_the_whole_cube() {
        for r in (0..=255u8).step_by(5) {
            for g in (0..=255u8).step_by(3) {
                for b in (0..=255u8).step_by(5) {
                    let [fr, fg, fb] = [r, g, b].map(f64::from);
                    let y = 0.299 * fr + 0.587 * fg + 0.114 * fb;
                    let exact = [y, 128.0 + (fb - y) / 1.772, 128.0 + (fr - y) / 1.402];
                    let got = from_rgb::<3>(&[r, g, b]);
                    for (got, exact) in got.iter().zip(exact) {
                        assert!((f64::from(*got) - exact.min(255.0)).abs() < 0.51, "{r},{g},{b}");
                    }
                }
            }
        }
    }

    #[test]
    fn gray_has_no_color() {
        for gray in 0..=255u8 {
            assert_eq!(from_rgb::<3>(&[gray; 3]), [gray, 128, 128]);
        }
    }

    #[test]
    fn writes_plane_after_plane_and_leaves_alpha_out() {
        let planes = from_rgb::<4>(&[255, 255, 255, 7, 0, 0, 0, 9]);
        assert_eq!(planes, [255, 0, 128, 128, 128, 128]);
    }
}
