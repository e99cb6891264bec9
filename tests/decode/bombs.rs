//! Small files that would cost much: what they come to, what memory that takes, and how often they can be stopped.

use std::cell::Cell;
use std::time::Instant;

use unsharp::Error;
use unsharp::image::decode::{Layout, decode};
use unsharp::image::{Format, Inspected, Limits, Options, OutputFormat, Progress, format, inspect};

use crate::make::jpeg::Jpeg;
use crate::make::png::{self, Png};
use crate::make::tiff::{Writer, tag};
use crate::make::{self, webp};
use crate::memory::peak;
use crate::{job, optimized, to_png};

/// What the pool grants one image by default, bytes: its budget and what may go beyond it.
const BUDGET: u64 = (512 + 64) << 20;

fn gif(frames: usize) -> Vec<u8> {
    let frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0".repeat(frames);
    [&b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff"[..], &frame, b";"].concat()
}

fn apng(frames: u32) -> Vec<u8> {
    let pixel = png::deflate(&[0, 0]);
    let control = |number: u32| {
        let sizes = [number, 1, 1, 0, 0].map(u32::to_be_bytes).concat();
        png::chunk(b"fcTL", &[&sizes[..], &[0; 6]].concat())
    };
    let mut file = png::SIGNATURE.to_vec();
    file.extend(png::chunk(b"IHDR", &png::header(1, 1, 8, 0, 0)));
    file.extend(png::chunk(b"acTL", &[frames, 0].map(u32::to_be_bytes).concat()));
    file.extend([control(0), png::chunk(b"IDAT", &pixel)].concat());
    for number in 1..frames {
        file.extend(control(2 * number - 1));
        file.extend(png::chunk(b"fdAT", &[&(2 * number).to_be_bytes()[..], &pixel].concat()));
    }
    file.extend(png::chunk(b"IEND", b""));
    file
}

fn animated_webp(frames: usize) -> Vec<u8> {
    let still = webp::lossless(&make::rgb(16, 16), 16, 16, Layout::Rgb);
    let frame =
        webp::chunk(b"ANMF", &[&[0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 1, 0, 0, 0], &still[12..]].concat());
    let canvas = webp::chunk(b"VP8X", &[2, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    webp::riff(&[canvas, webp::chunk(b"ANIM", &[0; 6]), frame.repeat(frames)].concat())
}

#[test]
fn animations_are_passed_through_however_many_frames_they_have() {
    for (kind, few, many) in [
        (Format::Gif, gif(2), gif(1_000_000)),
        (Format::Png, apng(2), apng(50_000)),
        (Format::WebP, animated_webp(2), animated_webp(50_000)),
    ] {
        for file in [few, many] {
            let (inspected, peak) = peak(|| inspect(&file, &Limits::default()));
            let passed = matches!(&inspected, Ok(Inspected::Bypass { format, .. }) if *format == kind);
            assert!(passed, "{kind:?} of {} bytes: {inspected:?}", file.len());
            assert!(peak < 1 << 20, "{kind:?} of {} bytes: {peak} bytes", file.len());
        }
    }
}

#[test]
fn megabytes_of_metadata_are_measured_and_not_copied_more_than_once() {
    let rgb: Vec<u16> = make::rgb(16, 16).into_iter().map(u16::from).collect();
    let large = vec![7; 20 << 20];
    // More than eight megabytes of it make a PNG one that is refused.
    let chunks: &[(&[u8; 4], &[u8])] = &[(b"eXIf", &large[..4 << 20])];
    let png = Png { width: 16, height: 16, depth: 8, color: 2, interlaced: false, samples: &rgb, chunks };
    let jpeg = {
        let file = Jpeg::default().file(&make::rgb(16, 16), 16, 16);
        let segment =
            |body: &[u8]| [&[0xff, 0xe1], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat();
        let exif = segment(&[&b"Exif\0\0"[..], &vec![7; 60_000]].concat());
        [&file[..2], &exif.repeat(300), &file[2..]].concat()
    };
    let still = webp::lossless(&make::rgb(16, 16), 16, 16, Layout::Rgb);
    let webp = webp::extended(&still, (16, 16), false, &large, &large);
    for (name, file) in [("PNG", png.file()), ("JPEG", jpeg), ("WebP", webp)] {
        let (result, peak) = peak(|| optimized(&file, 16));
        assert_eq!(result.expect(name).width, 16);
        assert!(peak < 64 << 20, "{name} of {} bytes: {peak} bytes", file.len());
    }
}

#[test]
fn a_tiff_directory_of_sixty_thousand_tags_takes_no_more_than_its_bytes() {
    let mut writer = Writer::new(false);
    writer.long(tag::WIDTH, &[16]);
    writer.long(tag::HEIGHT, &[16]);
    for number in 1_000..61_000 {
        writer.long(number, &[0]);
    }
    let file = writer.finish(&[]);
    let (result, peak) = peak(|| optimized(&file, 16));
    assert!(matches!(result, Err(Error::Decode(_))), "{result:?}");
    assert!(peak < 16 << 20, "{peak} bytes");
}

#[test]
fn a_result_that_its_format_can_not_hold_is_refused_before_a_pixel_is_decoded() {
    let file = tall_png(1_000, 66_000);
    let job = job(&file, &Limits::default()).expect("a header");
    for format in [OutputFormat::WebP, OutputFormat::Jpeg, OutputFormat::Avif] {
        let options = Options { format: Some(format), ..to_png(1_000) };
        let (result, peak) =
            peak(|| job.run(&file, &options, &Limits::default(), &Progress::unbounded()).map(drop));
        assert!(matches!(result, Err(Error::Encode(_))), "{format:?}: {result:?}");
        assert!(peak < 1 << 20, "{format:?}: {peak} bytes");
    }
}

/// All black, with one bit a pixel.
fn tall_png(width: u32, height: u32) -> Vec<u8> {
    let rows = vec![0; (width.div_ceil(8) as usize + 1) * height as usize];
    let header = png::chunk(b"IHDR", &png::header(width, height, 1, 0, 0));
    let data = png::chunk(b"IDAT", &png::deflate(&rows));
    [&png::SIGNATURE[..], &header, &data, &png::chunk(b"IEND", b"")].concat()
}

#[test]
fn what_takes_more_memory_than_there_is_says_so_in_its_header() {
    let limits = Limits::default();
    // The largest WebP there is, whose five codes have one symbol each, in 30 bytes, and a strip that no side limit stops.
    let vp8l = [0x2f, 0xfe, 0xbf, 0xff, 0x0f, 0x88, 0x88, 0x08, 0, 0];
    let largest = webp::riff(&webp::chunk(b"VP8L", &vp8l));
    let strip = tall_png(4_000, 65_000);
    for (name, file, format) in [
        ("WebP", &largest, OutputFormat::WebP),
        ("strip as AVIF", &strip, OutputFormat::Avif),
        ("strip as JPEG", &strip, OutputFormat::Jpeg),
        ("strip as PNG", &strip, OutputFormat::Png),
    ] {
        let job = job(file, &limits).expect(name);
        let options = Options { format: Some(format), ..to_png(3_840) };
        assert!(job.memory_bytes(&options) > BUDGET, "{name}: {} bytes", job.memory_bytes(&options));
    }
    // A photograph of 24 megapixels at the largest size that Next asks for fits.
    let photo = tall_png(4_000, 6_000);
    let job = job(&photo, &limits).expect("a header");
    for format in [OutputFormat::WebP, OutputFormat::Jpeg] {
        let options = Options { format: Some(format), ..to_png(3_840) };
        assert!(job.memory_bytes(&options) < BUDGET, "{format:?}: {} bytes", job.memory_bytes(&options));
    }
}

thread_local!(static LOOKS: Cell<u32> = const { Cell::new(0) });

/// How often the job would have stopped, had its time been over.
fn looks<T>(work: impl FnOnce(&Progress) -> T) -> (T, u32) {
    thread_local!(static START: Instant = Instant::now());
    let clock = || {
        LOOKS.set(LOOKS.get() + 1);
        START.with(|start| *start)
    };
    let progress = Progress::start_by(clock, &Limits::default(), std::sync::Arc::default());
    let before = LOOKS.get();
    let result = work(&progress);
    (result, LOOKS.get() - before)
}

fn decoded(file: &[u8], progress: &Progress) -> Result<(), Error> {
    let format = format::detect(file).expect("a known kind");
    let mut image = decode(file, format, None, &Limits::default(), progress)?;
    while image.rows.next_rows()?.is_some() {}
    Ok(())
}

#[test]
fn every_scan_of_a_jpeg_is_a_chance_to_stop() {
    let file = Jpeg { progressive: true, ..Jpeg::default() }.file(&make::rgb(640, 640), 640, 640);
    let scan = file.windows(2).rposition(|bytes| bytes == [0xff, 0xda]).expect("a scan");
    let (head, last) = (&file[..scan], &file[scan..file.len() - 2]);
    let few = [head, last, &[0xff, 0xd9]].concat();
    let many = [head, &last.repeat(60), &[0xff, 0xd9]].concat();
    let (first, few_looks) = looks(|progress| decoded(&few, progress));
    first.expect("an image");
    let (result, looks) = looks(|progress| decoded(&many, progress));
    // Whether repeated refinement is an image or damage is the decoder's business.
    let _ = result;
    assert!(looks > few_looks, "{looks} and {few_looks}");
}

#[test]
fn rows_are_chances_to_stop_whatever_little_they_are_coded_in() {
    // Two megapixels of black in a few hundred bytes.
    let file = tall_png(512, 4_096);
    assert!(file.len() < 2_000, "{}", file.len());
    let (result, looks) = looks(|progress| decoded(&file, progress));
    result.expect("an image");
    assert!(looks >= 8, "{looks}");
}
