use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A PNG; the samples are integers of `depth` bits, row by row.
pub struct Png<'a> {
    pub width: u32,
    pub height: u32,
    pub depth: u8,
    /// as in the file: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA
    pub color: u8,
    pub interlaced: bool,
    pub samples: &'a [u16],
    /// name and body, before the pixels
    pub chunks: &'a [(&'a [u8; 4], &'a [u8])],
}

pub const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Where and in what steps the seven passes of Adam7 take pixels: x, y, step in x, step in y.
const ADAM7: [[usize; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

pub fn channels(color: u8) -> usize {
    [1, 0, 3, 1, 2, 0, 4][usize::from(color)]
}

impl Png<'_> {
    pub fn file(&self) -> Vec<u8> {
        let mut file = SIGNATURE.to_vec();
        file.extend(chunk(b"IHDR", &self.header()));
        for (name, body) in self.chunks {
            file.extend(chunk(*name, body));
        }
        for part in deflate(&self.rows()).chunks(700) {
            file.extend(chunk(b"IDAT", part));
        }
        file.extend(chunk(b"IEND", b""));
        file
    }

    fn header(&self) -> Vec<u8> {
        header(self.width, self.height, self.depth, self.color, u8::from(self.interlaced))
    }

    fn rows(&self) -> Vec<u8> {
        let passes: &[_] = if self.interlaced { &ADAM7 } else { &[[0, 0, 1, 1]] };
        let (width, height) = (self.width as usize, self.height as usize);
        let mut bytes = Vec::new();
        for &[left, top, dx, dy] in passes {
            if left >= width {
                continue;
            }
            for y in (top..height).step_by(dy) {
                // Filter type 0: the bytes as they are.
                bytes.push(0);
                let row = (left..width).step_by(dx).flat_map(|x| {
                    let channels = channels(self.color);
                    let at = (y * width + x) * channels;
                    self.samples[at..at + channels].iter().copied()
                });
                bytes.extend(packed(row, self.depth));
            }
        }
        bytes
    }
}

pub fn header(width: u32, height: u32, depth: u8, color: u8, interlace: u8) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, interlace]].concat()
}

pub fn chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name);
    crc.update(body);
    let length = (body.len() as u32).to_be_bytes();
    [&length[..], name, body, &crc.sum().to_be_bytes()].concat()
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// An iCCP chunk's body.
pub fn iccp(profile: &[u8]) -> Vec<u8> {
    [&b"name\0\0"[..], &deflate(profile)].concat()
}

/// One row of samples of 1 to 16 bits, most significant first.
pub fn packed(samples: impl Iterator<Item = u16>, depth: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for sample in samples {
        held = held << depth | u32::from(sample);
        bits += depth;
        while bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        bytes.push((held << (8 - bits)) as u8);
    }
    bytes
}

/// Where the chunks of a file begin, with their names and the lengths of their bodies.
pub fn chunks(file: &[u8]) -> Vec<(usize, [u8; 4], usize)> {
    let mut at = 8;
    let mut found = Vec::new();
    while at < file.len() {
        let length = u32::from_be_bytes(file[at..at + 4].try_into().expect("four")) as usize;
        found.push((at, file[at + 4..at + 8].try_into().expect("four"), length));
        at += length + 12;
    }
    found
}
