//! What decoding takes, measured, against what the header says it will.

use std::sync::LazyLock;

use unsharp::Error;
use unsharp::image::decode::{Header, Layout as PixelLayout, decode};
use unsharp::image::{Limits, Progress, format};

use crate::make::samples::{self, Sample};
use crate::make::webp;
use crate::{counting, job, to_png};

/// The most bytes that `work` held at once beside what there was before. It runs as jobs do: on the only thread
/// of a rayon pool, so that everything is counted here.
pub fn peak<T: Send>(work: impl FnOnce() -> T + Send) -> (T, u64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(|| counting::peak(work))
}

/// Large enough for pixels to outweigh what is fixed.
static LARGE: LazyLock<Vec<Sample>> =
    LazyLock::new(|| [samples::all(1201, 803), samples::avifs(601, 403)].into_iter().flatten().collect());

fn decode_peak(sample: &Sample) -> (u64, u64) {
    let limits = Limits::default();
    let claimed = job(&sample.file, &limits).expect(&sample.name).header.decoded_bytes;
    let format = format::detect(&sample.file).expect("a known kind");
    let (result, peak) = peak(|| {
        let progress = Progress::unbounded();
        let mut image = decode(&sample.file, format, None, &limits, &progress)?;
        while image.rows.next_rows()?.is_some() {}
        Ok::<_, Error>(())
    });
    result.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
    (claimed, peak)
}

#[test]
fn decoding_takes_no_more_than_the_header_says_and_not_much_less() {
    let (wide, high) = (samples::all(4001, 60), samples::all(60, 4001));
    for sample in LARGE.iter().chain(&wide).chain(&high) {
        let (claimed, peak) = decode_peak(sample);
        let name = format!("{}: {peak} of {claimed} bytes", sample.name);
        assert!(peak <= claimed, "{name}");
        // A budget that is claimed and not used keeps other images waiting. 12 MiB are fixed parts.
        assert!(claimed <= peak * 4 + (12 << 20), "{name}");
    }
}

#[test]
fn a_whole_job_stays_within_its_estimate_at_every_size() {
    let limits = Limits::default();
    for sample in LARGE.iter() {
        let job = job(&sample.file, &limits).expect(&sample.name);
        for width in [1, 320, 2000] {
            let options = to_png(width);
            let (result, peak) = peak(|| job.run(&sample.file, &options, &limits, &Progress::unbounded()));
            result.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
            let claimed = job.memory_bytes(&options);
            assert!(peak <= claimed, "{} to {width} px: {peak} of {claimed} bytes", sample.name);
        }
    }
}

#[test]
fn decoding_a_png_takes_memory_for_a_few_of_its_rows() {
    // The byte that says whether it is interlaced.
    let pngs = |height| samples::pngs(300, height).into_iter().filter(|png| png.file[28] == 0);
    for (low, high) in pngs(2000).zip(pngs(4000)) {
        let ((claimed_low, low_peak), (claimed_high, high_peak)) = (decode_peak(&low), decode_peak(&high));
        assert_eq!(claimed_low, claimed_high, "{}", high.name);
        assert!(high_peak < low_peak + (128 << 10), "{}: {low_peak} and {high_peak} bytes", high.name);
    }
}

#[test]
fn reading_a_header_takes_memory_that_does_not_grow_with_the_image() {
    for sample in LARGE.iter() {
        let (job, peak) = peak(|| job(&sample.file, &Limits::default()));
        job.expect(&sample.name);
        assert!(peak < 512 << 10, "{}: {peak} bytes", sample.name);
    }
}

#[test]
fn an_image_over_the_limit_is_refused_before_memory_is_taken() {
    for sample in LARGE.iter() {
        let Header { width, height, .. } = job(&sample.file, &Limits::default()).expect(&sample.name).header;
        let max_pixels = u64::from(width) * u64::from(height) - 1;
        let limits = Limits { max_pixels, ..Limits::default() };
        let format = format::detect(&sample.file).expect("a known kind");
        let (refused, peak) =
            peak(|| decode(&sample.file, format, None, &limits, &Progress::unbounded()).map(drop));
        assert!(matches!(refused, Err(Error::TooManyPixels { .. })), "{}: {refused:?}", sample.name);
        assert!(peak < 512 << 10, "{}: {peak} bytes", sample.name);
    }
}

/// Two and a half megabytes of them make the decoder take hundreds of them, for a picture of sixteen pixels.
#[test]
fn prefix_codes_of_a_lossless_webp_are_a_part_of_what_the_header_says() {
    let picture = |groups| webp::riff(&webp::chunk(b"VP8L", &webp::many_codes(groups, false)));
    let alpha = |groups| {
        let lossy = webp::lossy(&[90; 4 * 4 * 3], 4, 4, PixelLayout::Rgb);
        let canvas = webp::chunk(b"VP8X", &[0x10, 0, 0, 0, 3, 0, 0, 3, 0, 0]);
        webp::riff(
            &[canvas, webp::chunk(b"ALPH", &webp::many_codes(groups, true)), lossy[12..].to_vec()].concat(),
        )
    };
    let files: [&dyn Fn(u16) -> Vec<u8>; 2] = [&picture, &alpha];
    for file in files {
        let claimed = |groups| job(&file(groups), &Limits::default()).expect("a header").header.decoded_bytes;
        assert!(claimed(1) < 2 << 20, "one group is what every file has");
        let many = file(1000);
        let format = format::detect(&many).expect("WebP");
        let (_, peak) =
            peak(|| decode(&many, format, None, &Limits::default(), &Progress::unbounded()).map(drop));
        assert!(peak > 5 << 20, "{peak} bytes: the decoder has met the codes");
        assert!(peak <= claimed(1000), "{peak} of {} bytes", claimed(1000));
        assert!(claimed(1000) <= peak + (2 << 20), "{peak} of {} bytes", claimed(1000));
    }
}
