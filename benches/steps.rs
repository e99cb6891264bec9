//! Each step of an image on its own, on pictures drawn here: `npm run bench:steps`. For seeing what a change does to
//! the step that it touches; what users notice is measured by `npm run bench:image`, on real pictures.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use unsharp::image::decode::{Band, Decoded, Rows, Target, decode};
use unsharp::image::encode::encode;
use unsharp::image::resize::resize;
use unsharp::image::{EncodeOptions, Format, Layout, Limits, OutputFormat, Pixels, Progress};

/// What a source is decoded from, px.
const SOURCE: (u32, u32) = (2400, 1600);
/// What it is scaled to, px.
const RESULT: (u32, u32) = (1080, 720);

const FORMATS: [(Format, OutputFormat); 4] = [
    (Format::Jpeg, OutputFormat::Jpeg),
    (Format::Png, OutputFormat::Png),
    (Format::WebP, OutputFormat::WebP),
    (Format::Avif, OutputFormat::Avif),
];

/// Colour that changes slowly, hard edges and a little noise, as in a photograph.
fn photo((width, height): (u32, u32)) -> Pixels {
    let mut noise = 0x9e37_79b9_u32;
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let shade = 90.0 + 60.0 * (u * 5.0).sin() + 50.0 * (v * 7.0 + u * 3.0).cos();
            let detail = 14.0 * (u * 190.0).sin() * (v * 230.0).cos();
            let edge = if ((u * 9.0) as u32 + (v * 6.0) as u32).is_multiple_of(3) { 34.0 } else { 0.0 };
            for channel in [0.0, 11.0, -17.0] {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let grain = f64::from(noise >> 29);
                data.push((shade + detail + edge + channel + grain).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Pixels { data, width, height, layout: Layout::Rgb }
}

/// Flat areas and thin lines, as in a screenshot.
fn graphic((width, height): (u32, u32)) -> Pixels {
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let text = (x / 7 + y / 11 * 5) % 6 < 2 && y % 11 < 7 && (x / 300 + y / 200) % 2 == 0;
            let pixel = match (text, x < width / 5) {
                (true, _) => [45, 50, 60],
                (false, true) => [32, 90, 200],
                (false, false) => [250, 250, 252],
            };
            data.extend_from_slice(&pixel);
        }
    }
    Pixels { data, width, height, layout: Layout::Rgb }
}

fn encoded(pixels: &Pixels, format: OutputFormat, quality: u8) -> Vec<u8> {
    let options = EncodeOptions { quality, ..EncodeOptions::default() };
    encode(pixels.clone(), format, &options, &Progress::unbounded()).expect("a drawn picture can be encoded")
}

fn decoding(criterion: &mut Criterion) {
    let limits = Limits::default();
    let progress = Progress::unbounded();
    let whole = photo(SOURCE);
    let mut group = criterion.benchmark_group("decode to all pixels");
    group.throughput(Throughput::Elements(u64::from(SOURCE.0) * u64::from(SOURCE.1)));
    for (format, output) in FORMATS {
        let bytes = encoded(&whole, output, if output == OutputFormat::Png { 100 } else { 85 });
        group.bench_with_input(
            BenchmarkId::from_parameter(format!("{output:?}")),
            &bytes,
            |bencher, bytes| {
                bencher.iter(|| {
                    let decoded = decode(black_box(bytes), format, None, &limits, &progress);
                    decoded.and_then(unsharp::image::decode::Decoded::collect).expect("it was just encoded")
                });
            },
        );
    }
    group.finish();
}

/// With the size of the result known: a JPEG shrinks while it is decoded, and what comes in rows is never held whole.
fn decoding_and_resizing(criterion: &mut Criterion) {
    let limits = Limits::default();
    let progress = Progress::unbounded();
    let whole = photo(SOURCE);
    let mut group = criterion.benchmark_group("decode and resize to 1080");
    for (format, output) in FORMATS {
        let bytes = encoded(&whole, output, if output == OutputFormat::Png { 100 } else { 85 });
        group.bench_with_input(
            BenchmarkId::from_parameter(format!("{output:?}")),
            &bytes,
            |bencher, bytes| {
                bencher.iter(|| {
                    let target = Some(Target { width: RESULT.0, height: RESULT.1 });
                    let decoded = decode(black_box(bytes), format, target, &limits, &progress);
                    decoded
                        .and_then(|decoded| resize(decoded, RESULT.0, RESULT.1))
                        .expect("it was just encoded")
                });
            },
        );
    }
    group.finish();
}

/// A decoder that takes no time.
struct Made<'a> {
    pixels: &'a Pixels,
    given: usize,
}

impl Rows for Made<'_> {
    fn next_rows(&mut self) -> unsharp::Result<Option<Band<'_>>> {
        let band = &self.pixels.data[self.given..];
        let band = &band[..band.len().min(16 * self.pixels.width as usize * self.pixels.layout.channels())];
        self.given += band.len();
        Ok((!band.is_empty()).then_some(Band { data: band, layout: self.pixels.layout }))
    }
}

fn resizing(criterion: &mut Criterion) {
    let rgb = photo(SOURCE);
    let luma = rgb.data.chunks(3).map(|pixel| pixel[1]).collect();
    let rgba = rgb.data.chunks(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[0] | 15]).collect();
    let sources = [
        Pixels { data: luma, layout: Layout::Luma, ..rgb },
        Pixels { data: rgba, layout: Layout::Rgba, ..rgb },
        rgb,
    ];
    let mut group = criterion.benchmark_group("resize");
    group.throughput(Throughput::Elements(u64::from(SOURCE.0) * u64::from(SOURCE.1)));
    for pixels in &sources {
        for width in [2000, 1200, 600, 240] {
            let height = width * SOURCE.1 / SOURCE.0;
            group.bench_function(BenchmarkId::new(format!("{:?}", pixels.layout), width), |bencher| {
                bencher.iter(|| {
                    let decoded = Decoded {
                        rows: Box::new(Made { pixels: black_box(pixels), given: 0 }),
                        width: pixels.width,
                        height: pixels.height,
                        source_width: f64::from(pixels.width),
                        source_height: f64::from(pixels.height),
                        icc: None,
                        orientation: 1,
                    };
                    resize(decoded, width, height).expect("the rows are of the size that was said")
                });
            });
        }
    }
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let progress = Progress::unbounded();
    for (kind, pixels) in [("photo", photo(RESULT)), ("graphic", graphic(RESULT))] {
        let mut group = criterion.benchmark_group(format!("encode a {kind} of 1080 px"));
        group.throughput(Throughput::Elements(u64::from(RESULT.0) * u64::from(RESULT.1)));
        for (_, format) in FORMATS {
            group.bench_function(BenchmarkId::from_parameter(format!("{format:?}")), |bencher| {
                bencher.iter_batched(
                    || pixels.clone(),
                    |pixels| encode(pixels, format, &EncodeOptions::default(), &progress),
                    criterion::BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = steps;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(4));
    targets = decoding, resizing, decoding_and_resizing, encoding
}
criterion_main!(steps);
