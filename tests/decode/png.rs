//! PNG: every color type at every depth, bit for bit.

use unsharp::Error;
use unsharp::image::decode::Layout;

use crate::make::png::{self, Png};
use crate::make::{self, profile};
use crate::{assert_near, assert_pixels, decoded, optimized};

const WIDTH: u32 = 37;
const HEIGHT: u32 = 23;

/// Samples that use every bit of `depth`.
fn samples(depth: u8, color: u8) -> Vec<u16> {
    let count = WIDTH as usize * HEIGHT as usize * png::channels(color);
    let mask = if depth == 16 { u16::MAX } else { (1 << depth) - 1 };
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 15) as u16 & mask).collect()
}

fn file(depth: u8, color: u8, interlaced: bool, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let samples = samples(depth, color);
    Png { width: WIDTH, height: HEIGHT, depth, color, interlaced, samples: &samples, chunks }.file()
}

/// To 8 bits: fewer are stretched, of more the high ones stay.
fn eight(sample: u16, depth: u8) -> u8 {
    if depth == 16 { (sample >> 8) as u8 } else { (sample * (255 / ((1 << depth) - 1))) as u8 }
}

#[test]
fn every_color_type_and_depth_interlaced_or_not() {
    for interlaced in [false, true] {
        for (color, layout, depths) in [
            (0, Layout::Luma, &[1, 2, 4, 8, 16][..]),
            (2, Layout::Rgb, &[8, 16]),
            (6, Layout::Rgba, &[8, 16]),
        ] {
            for &depth in depths {
                let expected: Vec<u8> = samples(depth, color).into_iter().map(|s| eight(s, depth)).collect();
                let name = format!("color type {color} at {depth} bits");
                assert_pixels(&name, &file(depth, color, interlaced, &[]), layout, &expected);
            }
        }
        for depth in [8, 16] {
            let expected: Vec<u8> = samples(depth, 4)
                .chunks_exact(2)
                .flat_map(|pair| {
                    let [level, alpha] = [eight(pair[0], depth), eight(pair[1], depth)];
                    [level, level, level, alpha]
                })
                .collect();
            assert_pixels("gray and alpha", &file(depth, 4, interlaced, &[]), Layout::Rgba, &expected);
        }
    }
}

#[test]
fn palettes_with_and_without_transparency() {
    for interlaced in [false, true] {
        for depth in [1, 2, 4, 8] {
            let palette: Vec<u8> = (0..3 << depth).map(|i: u32| (i * 83) as u8).collect();
            let alphas: Vec<u8> = (0..1 << (depth - 1)).map(|i: u32| (i * 7) as u8).collect();
            let color = |index: u16| &palette[usize::from(index) * 3..][..3];
            let opaque: Vec<u8> = samples(depth, 3).into_iter().flat_map(color).copied().collect();
            let plain = file(depth, 3, interlaced, &[(b"PLTE", &palette)]);
            assert_pixels("palette", &plain, Layout::Rgb, &opaque);
            let alpha = |index: u16| *alphas.get(usize::from(index)).unwrap_or(&255);
            let clear: Vec<u8> = samples(depth, 3)
                .into_iter()
                .flat_map(|index| [color(index), &[alpha(index)]].concat())
                .collect();
            let transparent = file(depth, 3, interlaced, &[(b"PLTE", &palette), (b"tRNS", &alphas)]);
            assert_pixels("palette with tRNS", &transparent, Layout::Rgba, &clear);
        }
    }
}

#[test]
fn a_transparent_color_is_compared_at_full_depth() {
    for (color, depth) in [(0, 1), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)] {
        let channels = png::channels(color);
        let samples = samples(depth, color);
        let key = &samples[channels * 5..channels * 6];
        let body: Vec<u8> = key.iter().flat_map(|sample| sample.to_be_bytes()).collect();
        let expected: Vec<u8> = samples
            .chunks_exact(channels)
            .flat_map(|pixel| {
                let at = |i: usize| eight(pixel[i % channels], depth);
                [at(0), at(1), at(2), if pixel == key { 0 } else { 255 }]
            })
            .collect();
        let name = format!("tRNS for color type {color} at {depth} bits");
        assert_pixels(&name, &file(depth, color, false, &[(b"tRNS", &body)]), Layout::Rgba, &expected);
    }
}

#[test]
fn alpha_that_is_opaque_everywhere_is_dropped() {
    let rgb = make::rgb(WIDTH, HEIGHT);
    let rgba: Vec<u16> =
        rgb.chunks_exact(3).flat_map(|p| [p[0].into(), p[1].into(), p[2].into(), 255]).collect();
    let png = Png {
        width: WIDTH,
        height: HEIGHT,
        depth: 8,
        color: 6,
        interlaced: false,
        samples: &rgba,
        chunks: &[],
    };
    assert_pixels("opaque RGBA", &png.file(), Layout::Rgb, &rgb);
}

#[test]
fn a_profile_is_applied_and_a_broken_one_ignored() {
    let red = [200_u16, 50, 50];
    let of = |icc: &[u8]| {
        let chunks: &[(&[u8; 4], &[u8])] = &[(b"iCCP", icc)];
        let png = Png { width: 1, height: 1, depth: 8, color: 2, interlaced: false, samples: &red, chunks };
        let small = optimized(&png.file(), 1).expect("an image");
        decoded(&small.data).expect("our own").pixels.data
    };
    // The same red in P3 is more saturated than in sRGB.
    assert_near("P3", &of(&png::iccp(&profile::display_p3())), &[217, 23, 40], 3);
    assert_eq!(of(&png::iccp(b"no profile at all")), [200, 50, 50]);
    assert_eq!(of(b"name\0\0no deflate stream"), [200, 50, 50]);
}

#[test]
fn wrong_checksums_matter_in_critical_chunks_only() {
    let palette: Vec<u8> = (0..768).map(|i| i as u8).collect();
    let whole = file(8, 3, false, &[(b"PLTE", &palette), (b"gAMA", &[0, 0, 177, 143]), (b"tEXt", b"a\0b")]);
    let expected = decoded(&whole).expect("whole").pixels;
    for (at, name, length) in png::chunks(&whole) {
        let mut damaged = whole.clone();
        damaged[at + 8 + length] ^= 1;
        match &name {
            b"IHDR" | b"PLTE" | b"IDAT" => {
                let result = decoded(&damaged).map(drop);
                assert!(matches!(result, Err(Error::Decode(_))), "{name:?}: {result:?}");
            }
            _ => assert_eq!(decoded(&damaged).expect("harmless").pixels, expected, "{name:?}"),
        }
    }
}

#[test]
fn a_wrong_checksum_over_the_pixels_matters() {
    let samples = samples(8, 2);
    let rows: Vec<u8> = samples
        .chunks_exact(WIDTH as usize * 3)
        .flat_map(|row| std::iter::once(0).chain(row.iter().map(|sample| *sample as u8)))
        .collect();
    let file = |stream: &[u8]| {
        let header = png::chunk(b"IHDR", &png::header(WIDTH, HEIGHT, 8, 2, 0));
        let data = png::chunk(b"IDAT", stream);
        [&png::SIGNATURE[..], &header, &data, &png::chunk(b"IEND", b"")].concat()
    };
    let mut stream = png::deflate(&rows);
    decoded(&file(&stream)).expect("whole");
    *stream.last_mut().expect("bytes") ^= 1;
    assert!(matches!(decoded(&file(&stream)), Err(Error::Decode(_))));
}

/// The decoder reads palettes by three bytes and alpha by colours, and counts neither.
#[test]
fn a_palette_of_broken_colours_or_with_too_much_alpha_is_damage() {
    for interlaced in [false, true] {
        for depth in [1, 8] {
            for (palette, alpha) in [(4, 0), (5, 1), (767, 0), (6, 3), (3, 2), (765, 256)] {
                let (palette, alpha) = (vec![7; palette], vec![9; alpha]);
                let mut chunks = vec![(b"PLTE", &palette[..])];
                if !alpha.is_empty() {
                    chunks.push((b"tRNS", &alpha));
                }
                let refused = decoded(&file(depth, 3, interlaced, &chunks));
                let bytes = (palette.len(), alpha.len());
                assert!(matches!(refused, Err(Error::Decode(_))), "{bytes:?}: {:?}", refused.map(drop));
            }
        }
    }
}
