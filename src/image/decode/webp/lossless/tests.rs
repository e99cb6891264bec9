//! Against image-webp, which decodes the same files.

mod written;

use libwebp_sys::WebPConfig;

use self::written::{Random, Stream};
use super::rows::{Lossless, Plane};
use super::*;
use crate::image::decode::{Layout, Pixels, webp};
use crate::image::encode::webp::encode_with;
use crate::image::limits::Limits;

/// A file of one chunk `VP8L`, with transparency.
fn file(stream: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let sides = (width - 1) as u32 | (height as u32 - 1) << 14 | 1 << 28;
    let length = stream.len() as u32 + 5;
    let mut file =
        [&b"RIFF"[..], &(length + length % 2 + 12).to_le_bytes(), b"WEBPVP8L", &length.to_le_bytes()]
            .concat();
    file.push(0x2f);
    file.extend(sides.to_le_bytes());
    file.extend(stream);
    file.resize(file.len().next_multiple_of(2), 0);
    file
}

/// RGBA by image-webp.
fn expected(file: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(file)).ok()?;
    let mut pixels = vec![0; decoder.output_buffer_size()?];
    decoder.read_image(&mut pixels).ok()?;
    if !decoder.has_alpha() {
        pixels = pixels.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    }
    Some(pixels)
}

/// RGBA by ourselves.
fn decoded(file: &[u8]) -> Result<Vec<u8>> {
    let progress = Progress::unbounded();
    let pixels = webp::decode(file, &Limits::default(), &progress)?.collect()?;
    let mut data = pixels.data;
    pixels.layout.turn(&mut data, Layout::Rgba)?;
    Ok(data)
}

/// Slopes with edges, noise in a part of it, and in the colours that `levels` leaves.
fn picture((width, height): (u32, u32), levels: u8, seed: u32) -> Pixels {
    let mut random = Random(seed);
    let step = 255 / u32::from(levels - 1).max(1);
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let noise = if x / 20 % 2 == 1 { random.below(9) as u32 } else { 0 };
            let edge = if (x + 2 * y) / 17 % 3 == 0 { 110 } else { 0 };
            let channels =
                [x * 3 + noise, y * 2 + edge, (x + y) * 5 / 9 + edge, 2 * x + y + noise * 3 + edge];
            data.extend(channels.map(|level| ((level & 0xff) / step * step) as u8));
        }
    }
    Pixels { data, width, height, layout: Layout::Rgba }
}

const SIZES: [(u32, u32); 9] =
    [(1, 1), (2, 1), (1, 9), (9, 1), (16, 16), (17, 33), (75, 53), (131, 64), (300, 7)];

fn encoded(pixels: Pixels, settings: impl FnOnce(&mut WebPConfig)) -> Vec<u8> {
    encode_with(pixels, settings, &Progress::unbounded()).expect("a WebP")
}

#[test]
fn pictures_by_libwebp_are_those_of_another_decoder() {
    for (number, size) in SIZES.into_iter().enumerate() {
        for levels in [2, 3, 4, 9, 255] {
            for method in 0..=6 {
                let file = encoded(picture(size, levels, number as u32), |config| {
                    (config.lossless, config.method) = (1, method);
                    config.exact = method % 2;
                    config.quality = [0.0, 50.0, 100.0][method as usize % 3];
                    config.near_lossless = if method == 3 { 40 } else { 100 };
                });
                let wanted = expected(&file).expect("image-webp reads it");
                assert!(decoded(&file) == Ok(wanted), "{size:?}, {levels} levels, method {method}");
            }
        }
    }
}

#[test]
fn alpha_by_libwebp_is_that_of_another_decoder() {
    for (number, size) in SIZES.into_iter().enumerate() {
        for levels in [2, 3, 4, 9, 16, 17, 90, 255] {
            for filter in 0..=2 {
                for (packed, quality) in [(0, 100), (1, 100), (1, 40), (1, 0)] {
                    let file = encoded(picture(size, levels, number as u32), |config| {
                        config.method = (levels / 2 % 7).into();
                        config.alpha_filtering = filter;
                        config.alpha_compression = packed;
                        config.alpha_quality = quality;
                    });
                    let alpha = |pixels: Vec<u8>| pixels.into_iter().skip(3).step_by(4).collect::<Vec<_>>();
                    let wanted = expected(&file).map(alpha).expect("image-webp reads it");
                    let got = decoded(&file).map(alpha);
                    assert!(got == Ok(wanted), "{size:?}, {levels} levels, {filter}, {packed}, {quality}");
                }
            }
        }
    }
}

#[test]
fn whatever_the_format_allows_is_read_as_it_was_written() {
    let mut random = Random(3);
    for seed in 0..400 {
        let size = (1 + random.below(70), 1 + random.below(40));
        let mut stream = Stream::new(seed);
        let written = stream.picture(size, false);
        let stream = stream.into_bytes();
        let progress = Progress::unbounded();
        let sides = (size.0 as u32, size.1 as u32);
        let mut image = Image::read(&stream, sides, &progress).expect("a stream");
        assert!(image.pixels(&progress) == Ok(written), "pixels of {seed}");

        let file = file(&stream, size);
        let wanted = expected(&file).expect("image-webp reads it");
        assert!(decoded(&file).as_ref() == Ok(&wanted), "picture {seed}");
        let plane = plane(&stream, sides).expect("a stream");
        assert!(plane.iter().eq(wanted.iter().skip(1).step_by(4)), "green of {seed}");
    }
}

#[test]
fn planes_in_which_only_green_changes_are_read_like_pictures() {
    let mut random = Random(4);
    for seed in 0..200 {
        let size = (1 + random.below(70), 1 + random.below(40));
        let mut stream = Stream::new(seed);
        stream.picture(size, true);
        let stream = stream.into_bytes();
        let sides = (size.0 as u32, size.1 as u32);
        let image = Image::read(&stream, sides, &Progress::unbounded()).expect("a stream");
        assert!(image.is_green_alone());
        let wanted = expected(&file(&stream, size)).expect("image-webp reads it");
        let plane = plane(&stream, sides).expect("a stream");
        assert!(plane.iter().eq(wanted.iter().skip(1).step_by(4)), "{seed}");
    }
}

#[test]
fn planes_that_are_predicted_are_read_like_pictures_whether_their_alpha_changes_or_not() {
    let mut random = Random(6);
    for seed in 0..200 {
        let size = (1 + random.below(70), 1 + random.below(40));
        let mut stream = Stream::new(seed);
        stream.predicted(size, 1 + seed as usize % 2 * 2);
        let stream = stream.into_bytes();
        let sides = (size.0 as u32, size.1 as u32);
        let image = Image::read(&stream, sides, &Progress::unbounded()).expect("a stream");
        assert!(image.is_predicted_without_red_and_blue());
        let wanted = expected(&file(&stream, size)).expect("image-webp reads it");
        let plane = plane(&stream, sides).expect("a stream");
        assert!(plane.iter().eq(wanted.iter().skip(1).step_by(4)), "{seed}");
    }
}

fn plane(stream: &[u8], size: (u32, u32)) -> Result<Vec<u8>> {
    let plane = Plane::read(stream, size, &Progress::unbounded())?;
    let mut samples = vec![0; (size.0 * size.1) as usize];
    samples.chunks_mut(size.0 as usize).enumerate().for_each(|(y, row)| plane.row(y, row));
    Ok(samples)
}

#[test]
fn a_stream_that_ends_early_is_an_error_wherever_it_ends() {
    for seed in 0..40 {
        let mut stream = Stream::new(seed);
        stream.picture((19, 11), seed % 2 == 0);
        let stream = stream.into_bytes();
        for end in (0..stream.len() - 1).step_by(1 + stream.len() / 100) {
            let cut = &stream[..end];
            let progress = Progress::unbounded();
            let picture = Lossless::new(cut, (19, 11), true, &progress);
            // What ends in the middle of codes that take no bits is whole.
            let whole = image_is_whole(cut);
            assert_eq!(picture.is_err(), !whole, "picture {seed}, {end} of {}", stream.len());
            assert_eq!(plane(cut, (19, 11)).is_err(), !whole, "plane {seed}, {end} of {}", stream.len());
        }
    }
}

fn image_is_whole(stream: &[u8]) -> bool {
    expected(&file(stream, (19, 11))).is_some()
}

#[test]
fn damage_is_an_error_or_another_picture() {
    let mut random = Random(5);
    let mut refused = 0;
    for seed in 0..600 {
        let mut stream = Stream::new(seed);
        stream.picture((40, 23), seed % 3 == 0);
        let mut stream = stream.into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(stream.len());
            stream[at] ^= 1 << random.below(8);
        }
        let got = decoded(&file(&stream, (40, 23)));
        refused += u32::from(got.is_err());
        assert!(got.is_ok() || matches!(got, Err(Error::Decode(_))), "{seed}: {got:?}");
        let plane = plane(&stream, (40, 23));
        assert_eq!(plane.is_err(), got.is_err(), "{seed}");
    }
    assert!((1..600).contains(&refused), "{refused}");
}

#[test]
fn copies_from_before_the_first_pixel_or_beyond_the_last_are_refused() {
    // No transforms, no cache, one group: green is 0 or a copy of `length`, the rest 0, distances are `distance`.
    let stream = |length: u8, distance: u8, bits: &[u8]| {
        let mut all = vec![0, 0, 0];
        let mut number = |value: u32, count: u32| all.extend((0..count).map(|bit| (value >> bit & 1) as u8));
        // Lengths of codes for lengths: one bit each for 0 and 1, in the order in which they are written.
        number(0, 1);
        number(2, 4);
        for length in [0, 0, 1, 1, 0, 0] {
            number(length, 3);
        }
        number(0, 1);
        (0..280).for_each(|symbol| number(u32::from(symbol == 0 || symbol == 256 + u32::from(length)), 1));
        for symbol in [0, 0, 0, distance.into()] {
            number(0b101, 3);
            number(symbol, 8);
        }
        all.extend(bits);
        all.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect::<Vec<u8>>()
    };
    // Four pixels: one that is written out, then copies of one to four from the left, which is the second nearest place.
    assert_eq!(plane(&stream(2, 1, &[0, 1]), (4, 1)), Ok(vec![0; 4]));
    assert_eq!(plane(&stream(1, 1, &[0, 1, 0]), (4, 1)), Ok(vec![0; 4]));
    for (length, distance, bits) in [(2, 1, &[1, 0][..]), (3, 1, &[0, 1]), (2, 3, &[0, 1]), (0, 39, &[0, 1])]
    {
        assert!(plane(&stream(length, distance, bits), (4, 1)).is_err(), "{length} from {distance}");
    }
}
