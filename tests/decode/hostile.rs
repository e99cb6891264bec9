//! Inputs that are cut, that claim too much, or that repeat themselves without end.

use unsharp::Error;
use unsharp::image::{Format, Limits, Progress, decode};

use crate::make::jpeg::{self, Jpeg};
use crate::make::png;
use crate::make::tiff::{Writer, tag};
use crate::make::{self, samples, webp};
use crate::memory::peak;
use crate::{decoded, job, optimized, to_png};

const WIDTH: u32 = 120;

/// Asserts that nothing came out, for a reason that lies in the input.
fn refused<T>(name: &str, result: unsharp::Result<T>) {
    let error = result.err().unwrap_or_else(|| panic!("{name} was accepted"));
    assert!(matches!(error, Error::Decode(_) | Error::NotAnImage(_)), "{name}: {error}");
}

#[test]
fn cut_files_are_damaged_or_complete() {
    for sample in samples::all(131, 83) {
        let whole = optimized(&sample.file, WIDTH).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        let lengths =
            (0..sample.file.len()).step_by(64).chain(sample.file.len().saturating_sub(12)..sample.file.len());
        for length in lengths {
            let name = format!("{} cut to {length} of {}", sample.name, sample.file.len());
            match optimized(&sample.file[..length], WIDTH) {
                Err(error) => refused::<()>(&name, Err(error)),
                // What was cut off was not part of the pixels: a trailer, padding.
                Ok(result) => {
                    assert!(result.data == whole.data, "{name}: other pixels");
                    assert!(length + 12 >= sample.file.len(), "{name}: accepted");
                }
            }
        }
    }
}

#[test]
fn what_follows_the_image_does_not_matter() {
    for sample in samples::all(40, 30) {
        let whole = optimized(&sample.file, WIDTH).expect("an image");
        let longer = [&sample.file[..], &[0, 1, 2, 255, 216, 255]].concat();
        assert!(optimized(&longer, WIDTH).expect("an image").data == whole.data, "{}", sample.name);
    }
}

#[test]
fn nothing_zeroes_and_noise_are_no_images() {
    let mut noise = make::samples::Random::new(7);
    let inputs = [Vec::new(), vec![0; 1], vec![0; 4096], (0..4096).map(|_| noise.byte()).collect()];
    for input in inputs {
        assert!(matches!(job(&input, &Limits::default()), Err(Error::NotAnImage(_))));
    }
    for magic in [&b"\xff\xd8\xff"[..], png::SIGNATURE, b"GIF89a", b"RIFF\xff\0\0\0WEBP", b"II*\0", b"MM\0*"]
    {
        for length in [0, 1, 30, 4096] {
            let tail: Vec<u8> = (0..length).map(|_| noise.byte()).collect();
            for input in [[magic, &tail].concat(), [magic, &vec![0; length]].concat()] {
                refused("a magic number", optimized(&input, WIDTH));
            }
        }
    }
}

/// Asserts that the input is refused for its size, and with next to no memory.
fn assert_bomb(name: &str, input: &[u8]) {
    let (result, peak) = peak(|| job(input, &Limits { max_pixels: 268_402_688, ..Limits::default() }));
    assert!(matches!(result, Err(Error::TooManyPixels { .. })), "{name}: {result:?}");
    assert!(peak < 1 << 20, "{name}: {peak} bytes");
}

/// 14 bits say the width less one, and the decoder behind the header makes 0 of the largest.
#[test]
fn a_webp_of_16384_px_is_refused_and_not_taken_for_an_empty_one() {
    let picture = webp::chunk(b"VP8L", &[0x2f, 0xff, 0x7f, 0x04, 0, 0, 0, 0, 0, 0]);
    let still = webp::riff(&picture);
    let animated = webp::riff(&[picture, webp::chunk(b"ANIM", &[0; 6])].concat());
    for (name, file) in [("still", still), ("animated", animated)] {
        refused(name, decode::header(&file, Format::WebP, &Limits::default()));
    }
}

#[test]
fn claims_of_too_many_pixels_are_refused_before_memory_is_taken() {
    let small = make::rgb(16, 16);
    for progressive in [false, true] {
        let file = Jpeg { progressive, ..Jpeg::default() }.file(&small, 16, 16);
        assert_bomb("JPEG", &jpeg::claiming(&file, u16::MAX, u16::MAX));
    }
    for (width, height) in [(65_535, 65_535), (0x7fff_ffff, 0x7fff_ffff), (0x7fff_ffff, 1)] {
        for (depth, color, interlace) in [(8, 2, 0), (16, 6, 1), (1, 0, 0)] {
            let header = png::chunk(b"IHDR", &png::header(width, height, depth, color, interlace));
            let data = png::chunk(b"IDAT", &png::deflate(&[0; 64]));
            let file = [&png::SIGNATURE[..], &header, &data, &png::chunk(b"IEND", b"")].concat();
            assert_bomb("PNG", &file);
        }
    }
    let gif = &samples::gifs(16, 16)[0].file;
    let with_size = |at: usize| {
        let mut file = gif.clone();
        file[at..at + 4].fill(0xff);
        file
    };
    assert_bomb("GIF canvas", &with_size(6));
    let descriptor = gif.windows(5).position(|bytes| bytes == b",\0\0\0\0").expect("a frame");
    assert_bomb("GIF frame", &with_size(descriptor + 5));
    // A WebP can't claim more than Next's limit of 16383 x 16383, so that is one less here.
    let vp8l = [0x2f, 0xfe, 0xbf, 0xff, 0x0f, 0, 0, 0, 0, 0];
    assert_bomb("WebP lossless", &webp::riff(&webp::chunk(b"VP8L", &vp8l)));
    let canvas = [0, 0, 0, 0, 0xff, 0x7f, 0, 0xff, 0x7f, 0];
    let body = [webp::chunk(b"VP8X", &canvas), webp::chunk(b"VP8L", &vp8l)].concat();
    assert_bomb("WebP canvas", &webp::riff(&body));
    for (width, height) in [(65_535, 65_535), (u32::MAX, u32::MAX), (u32::MAX, 1)] {
        let mut writer = Writer::new(true);
        writer.long(tag::WIDTH, &[width]);
        writer.long(tag::HEIGHT, &[height]);
        writer.short(tag::BITS, &[8]);
        writer.short(tag::PHOTOMETRIC, &[1]);
        assert_bomb("TIFF", &writer.finish(&[vec![0; 8]]));
    }
}

#[test]
fn a_claim_within_the_limits_without_its_data_is_damage() {
    // As large as the default limit allows: Next's 16383 px a side.
    let header = png::chunk(b"IHDR", &png::header(16_383, 16_383, 8, 0, 0));
    let data = png::chunk(b"IDAT", &png::deflate(&[0; 64]));
    let file = [&png::SIGNATURE[..], &header, &data, &png::chunk(b"IEND", b"")].concat();
    refused("PNG", decoded(&file));
    let file = Jpeg::default().file(&make::rgb(16, 16), 16, 16);
    refused("JPEG", decoded(&jpeg::claiming(&file, 16_000, 16_000)));
}

#[test]
fn a_jpeg_of_thousands_of_scans_is_refused() {
    let file = Jpeg { progressive: true, ..Jpeg::default() }.file(&make::rgb(64, 64), 64, 64);
    let scan = file.windows(2).rposition(|bytes| bytes == [0xff, 0xda]).expect("a scan");
    let (head, last) = (&file[..scan], &file[scan..file.len() - 2]);
    let many = [head, &last.repeat(5000), &[0xff, 0xd9]].concat();
    let (result, peak) = peak(|| optimized(&many, WIDTH));
    refused("scans", result);
    assert!(peak < 1 << 20, "{peak} bytes");
}

#[test]
fn metadata_of_a_png_can_not_take_memory() {
    let rgb: Vec<u16> = make::rgb(16, 16).into_iter().map(u16::from).collect();
    let zeroes = png::deflate(&vec![0; 200 << 20]);
    let ztxt = [&b"key\0\0"[..], &zeroes].concat();
    let itxt = [&b"key\0\x01\0\0\0"[..], &zeroes].concat();
    let iccp = [&b"key\0\0"[..], &zeroes].concat();
    for (name, body) in [(b"zTXt", &ztxt), (b"iTXt", &itxt), (b"iCCP", &iccp)] {
        let chunks: &[(&[u8; 4], &[u8])] = &[(name, body)];
        let png =
            png::Png { width: 16, height: 16, depth: 8, color: 2, interlaced: false, samples: &rgb, chunks };
        let file = png.file();
        let (result, peak) = peak(|| optimized(&file, WIDTH));
        assert_eq!(result.expect("the pixels are whole").width, 16);
        assert!(peak < 24 << 20, "{name:?}: {peak} bytes");
    }
    let chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"tEXt", b"key\0value"); 100_000];
    let png = png::Png {
        width: 16,
        height: 16,
        depth: 8,
        color: 2,
        interlaced: false,
        samples: &rgb,
        chunks: &chunks,
    };
    let file = png.file();
    let (result, peak) = peak(|| optimized(&file, WIDTH));
    result.expect("the pixels are whole");
    assert!(peak < 4 << 20, "{peak} bytes");
}

#[test]
fn a_flood_of_gif_extensions_is_skipped() {
    let file = &samples::gifs(16, 16)[0].file;
    let comments = b"!\xfe\x03abc\x00".repeat(200_000);
    let table = if file[10] & 0x80 == 0 { 0 } else { 3 << ((file[10] & 7) + 1) };
    let (head, rest) = file.split_at(13 + table);
    let flooded = [head, &comments, rest].concat();
    let (result, peak) = peak(|| optimized(&flooded, WIDTH));
    assert_eq!(result.expect("the pixels are whole").data, optimized(file, WIDTH).expect("an image").data);
    assert!(peak < 4 << 20, "{peak} bytes");
}

#[test]
fn a_tiff_whose_directories_form_a_loop_is_refused() {
    for sample in samples::tiffs(16, 16) {
        let big_endian = sample.file[0] == b'M';
        let count = [sample.file[8], sample.file[9]];
        let count = if big_endian { u16::from_be_bytes(count) } else { u16::from_le_bytes(count) };
        let next = 10 + usize::from(count) * 12;
        let mut endless = sample.file.clone();
        // The directory that follows is this one.
        endless[next..next + 4].copy_from_slice(&if big_endian { [0, 0, 0, 8] } else { [8, 0, 0, 0] });
        refused(&sample.name, optimized(&endless, WIDTH));
    }
}

#[test]
fn tiff_tags_that_claim_many_values_take_no_memory() {
    for tag in [tag::BITS, tag::EXTRA_SAMPLES, 339, 347, tag::STRIPS, tag::STRIP_BYTES, tag::ICC, 700] {
        for (kind, count) in [(1, u32::MAX), (3, 1 << 23), (4, 1 << 22), (12, u32::MAX / 8)] {
            let mut writer = Writer::new(false);
            writer.long(tag::WIDTH, &[4]);
            writer.long(tag::HEIGHT, &[4]);
            writer.short(tag::PHOTOMETRIC, &[1]);
            if tag == 347 {
                writer.short(tag::COMPRESSION, &[7]);
            }
            writer.claim(tag, kind, count);
            let file = writer.finish(&[]);
            let (result, peak) = peak(|| optimized(&file, WIDTH));
            refused("claimed values", result);
            assert!(peak < 16 << 20, "tag {tag}, type {kind}: {peak} bytes");
        }
    }
}

#[test]
fn tiff_rows_that_are_longer_than_the_image_take_no_memory() {
    let mut writer = Writer::new(false);
    writer.long(tag::WIDTH, &[16]);
    writer.long(tag::HEIGHT, &[16]);
    writer.short(tag::BITS, &[8]);
    writer.short(tag::PHOTOMETRIC, &[2]);
    writer.short(tag::SAMPLES, &[60_000]);
    writer.short(tag::EXTRA_SAMPLES, &vec![0; 59_997]);
    writer.long(tag::TILE_WIDTH, &[60_000]);
    writer.long(tag::TILE_HEIGHT, &[16]);
    let file = writer.finish(&[vec![0; 64]]);
    let (result, peak) = peak(|| optimized(&file, WIDTH));
    refused("rows", result);
    assert!(peak < 16 << 20, "{peak} bytes");
}

#[test]
fn jpeg_in_tiff_can_not_claim_more_than_its_tile() {
    let jpeg = Jpeg::default().file(&make::rgb(16, 16), 16, 16);
    for claim in [jpeg::claiming(&jpeg, u16::MAX, u16::MAX), jpeg::claiming(&jpeg, 16_000, 16)] {
        for (tile, size) in [(None, 16), (Some(65_520), 16)] {
            let mut writer = Writer::new(false);
            writer.long(tag::WIDTH, &[size]);
            writer.long(tag::HEIGHT, &[size]);
            writer.short(tag::BITS, &[8, 8, 8]);
            writer.short(tag::COMPRESSION, &[7]);
            writer.short(tag::PHOTOMETRIC, &[2]);
            writer.short(tag::SAMPLES, &[3]);
            if let Some(tile) = tile {
                writer.long(tag::TILE_WIDTH, &[tile]);
                writer.long(tag::TILE_HEIGHT, &[tile]);
            }
            let file = writer.finish(std::slice::from_ref(&claim));
            let (result, peak) = peak(|| optimized(&file, WIDTH));
            refused("JPEG in TIFF", result);
            assert!(peak < 16 << 20, "{peak} bytes");
        }
    }
}

#[test]
fn sides_of_zero_are_damage() {
    let jpeg = Jpeg::default().file(&make::rgb(16, 16), 16, 16);
    for (width, height) in [(0, 16), (16, 0), (0, 0)] {
        refused("JPEG", decoded(&jpeg::claiming(&jpeg, width, height)));
        let header = png::chunk(b"IHDR", &png::header(width.into(), height.into(), 8, 2, 0));
        let file = [&png::SIGNATURE[..], &header, &png::chunk(b"IEND", b"")].concat();
        refused("PNG", decoded(&file));
    }
}

#[test]
fn a_header_alone_decides_nothing_about_the_rest() {
    // What inspect accepts, run still checks: the pixels are damaged behind a good header.
    for sample in samples::all(131, 83) {
        let middle = sample.file.len() / 2;
        let mut damaged = sample.file.clone();
        damaged.truncate(middle);
        if let Ok(job) = job(&damaged, &Limits::default()) {
            let result = job.run(&damaged, &to_png(WIDTH), &Limits::default(), &Progress::unbounded());
            refused(&sample.name, result);
        }
    }
}
