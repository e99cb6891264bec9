use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use unsharp::image::decode::{Layout, Pixels};
use unsharp::image::encode::{EncodeOptions, encode};
use unsharp::image::{OutputFormat, Progress};

fn color(layout: Layout) -> ExtendedColorType {
    match layout {
        Layout::Luma => ExtendedColorType::L8,
        Layout::Rgb => ExtendedColorType::Rgb8,
        Layout::Rgba => ExtendedColorType::Rgba8,
        Layout::Cmyk => panic!("WebP has no CMYK"),
    }
}

pub fn lossless(pixels: &[u8], width: u32, height: u32, layout: Layout) -> Vec<u8> {
    let mut file = Vec::new();
    WebPEncoder::new_lossless(&mut file).write_image(pixels, width, height, color(layout)).expect("WebP");
    file
}

pub fn lossy(pixels: &[u8], width: u32, height: u32, layout: Layout) -> Vec<u8> {
    let pixels = Pixels { data: pixels.to_vec(), width, height, layout };
    let options = EncodeOptions { quality: 95, ..EncodeOptions::default() };
    encode(pixels, OutputFormat::WebP, &options, &Progress::unbounded()).expect("WebP")
}

/// A simple file put into the extended container, with metadata.
pub fn extended(file: &[u8], size: (u32, u32), alpha: bool, icc: &[u8], exif: &[u8]) -> Vec<u8> {
    let flags = u8::from(alpha) << 4 | u8::from(!icc.is_empty()) << 5 | u8::from(!exif.is_empty()) << 3;
    let less_one = |px: u32| [(px - 1) as u8, ((px - 1) >> 8) as u8, ((px - 1) >> 16) as u8];
    let canvas = [&[flags, 0, 0, 0][..], &less_one(size.0), &less_one(size.1)].concat();
    let mut body = chunk(b"VP8X", &canvas);
    if !icc.is_empty() {
        body.extend(chunk(b"ICCP", icc));
    }
    body.extend(&file[12..]);
    if !exif.is_empty() {
        body.extend(chunk(b"EXIF", exif));
    }
    riff(&body)
}

pub fn chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
    let padding = &[0][..body.len() % 2];
    [name, &(body.len() as u32).to_le_bytes()[..], body, padding].concat()
}

pub fn riff(body: &[u8]) -> Vec<u8> {
    [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WEBP", body].concat()
}
