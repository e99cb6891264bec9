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

/// Bits from the lowest of each byte on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for at in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("there is one") |= ((value >> at & 1) as u8) << (self.count % 8);
            self.count += 1;
        }
    }

    /// A prefix code of one symbol.
    fn put_single(&mut self, symbol: u8) {
        self.put(0b101, 3);
        self.put(symbol.into(), 8);
    }

    /// A prefix code of eleven symbols with 1, 2, … 9, 10 and 10 bits, which the decoder makes a table of a kibibyte for.
    fn put_deep(&mut self) {
        // A code of ten lengths, six of which get three bits, four get four; they are written in an order of their own.
        self.put(0, 1);
        self.put(10, 4);
        for length in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10] {
            self.put(
                match length {
                    1..=6 => 3,
                    7..=10 => 4,
                    _ => 0,
                },
                3,
            );
        }
        // Eleven of them follow.
        self.put(1, 1);
        self.put(1, 3);
        self.put(9, 4);
        for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
            let (code, count): (u32, u32) = if length <= 6 { (length - 1, 3) } else { (length + 5, 4) };
            // A code's first bit is its highest.
            self.put(code.reverse_bits() >> (32 - count), count);
        }
    }
}

/// Lossless, 4×4 px, with `groups` groups of five codes, of which the picture uses none but the first and the last. Behind
/// them it ends. As `alpha` it is the packed body of an alpha chunk.
pub fn many_codes(groups: u16, alpha: bool) -> Vec<u8> {
    let mut bits = Bits::default();
    if alpha {
        bits.put(1, 8);
    } else {
        bits.put(0x2f, 8);
        bits.put(3, 14);
        bits.put(3, 14);
        bits.put(0, 4);
    }
    // No transform, no colour cache; groups for blocks of 4×4 px, named by one pixel's red and green.
    bits.put(0b100, 3);
    bits.put(0, 3);
    bits.put(0, 1);
    let [red, green] = (groups - 1).to_be_bytes();
    for symbol in [green, red, 0, 0, 0] {
        bits.put_single(symbol);
    }
    for _ in 0..u32::from(groups) * 5 {
        bits.put_deep();
    }
    bits.bytes
}
