//! EXIF orientation applied to pixels, after the resize, where it costs least.

use crate::image::decode::Pixels;

/// Whether orientation `1..=8` swaps width and height.
#[must_use]
pub fn swaps_axes(orientation: u8) -> bool {
    (5..=8).contains(&orientation)
}

/// The size that an image of `width` × `height` stored pixels has once oriented.
#[must_use]
pub fn oriented_size(width: u32, height: u32, orientation: u8) -> (u32, u32) {
    if swaps_axes(orientation) { (height, width) } else { (width, height) }
}

/// Turns and mirrors `pixels` as EXIF orientation 1..=8 asks (EXIF 2.32, tag 0x0112); any other number
/// leaves them as they are, like 1.
#[must_use]
pub fn apply(pixels: Pixels, orientation: u8) -> Pixels {
    match pixels.layout.channels() {
        1 => permute::<1>(pixels, orientation),
        3 => permute::<3>(pixels, orientation),
        _ => permute::<4>(pixels, orientation),
    }
}

fn permute<const N: usize>(mut pixels: Pixels, orientation: u8) -> Pixels {
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    let rows = || pixels.data.chunks_exact(width * N);
    match orientation {
        2 => {
            for row in pixels.data.chunks_exact_mut(width * N) {
                row.as_chunks_mut::<N>().0.reverse();
            }
            return pixels;
        }
        3 => {
            pixels.data.as_chunks_mut::<N>().0.reverse();
            return pixels;
        }
        4 => {
            let data = rows().rev().flatten().copied().collect();
            return Pixels { data, ..pixels };
        }
        5..=8 => {}
        _ => return pixels,
    }
    // 5..=8 transpose; 6 and 7 read the columns bottom up, 7 and 8 write the rows in reverse.
    let source = pixels.data.as_chunks::<N>().0;
    let mut data = Vec::with_capacity(pixels.data.len());
    for out_row in 0..width {
        let x = if matches!(orientation, 7 | 8) { width - 1 - out_row } else { out_row };
        for out_column in 0..height {
            let y = if matches!(orientation, 6 | 7) { height - 1 - out_column } else { out_column };
            data.extend_from_slice(&source[y * width + x]);
        }
    }
    Pixels { data, width: pixels.height, height: pixels.width, layout: pixels.layout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decode::Layout;

    /// Stored so, each of these shows as 1 2 3 / 4 5 6 once the orientation is applied.
    #[test]
    fn every_orientation_shows_the_same_picture() {
        let stored: [(u8, u32, &[u8]); 8] = [
            (1, 3, &[1, 2, 3, 4, 5, 6]),
            (2, 3, &[3, 2, 1, 6, 5, 4]),
            (3, 3, &[6, 5, 4, 3, 2, 1]),
            (4, 3, &[4, 5, 6, 1, 2, 3]),
            (5, 2, &[1, 4, 2, 5, 3, 6]),
            (6, 2, &[3, 6, 2, 5, 1, 4]),
            (7, 2, &[6, 3, 5, 2, 4, 1]),
            (8, 2, &[4, 1, 5, 2, 6, 3]),
        ];
        for (orientation, width, data) in stored {
            for layout in [Layout::Luma, Layout::Rgb, Layout::Rgba] {
                let channels = layout.channels();
                let spread = |values: &[u8]| -> Vec<u8> {
                    values.iter().flat_map(|&value| std::iter::repeat_n(value, channels)).collect()
                };
                let shown =
                    apply(Pixels { data: spread(data), width, height: 6 / width, layout }, orientation);
                assert_eq!((shown.width, shown.height), (3, 2), "orientation {orientation}");
                assert_eq!(shown.data, spread(&[1, 2, 3, 4, 5, 6]), "orientation {orientation}, {layout:?}");
            }
        }
    }
}
