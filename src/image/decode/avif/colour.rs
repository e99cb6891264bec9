//! Planes to 8-bit pixels: range, matrix and chroma upsampling.
//!
//! Subsampled chroma is repeated, not interpolated: this is what libheif does for sharp, and the resize that
//! follows smooths it anyway. 8-bit colour goes through the `yuv` crate, which picks SIMD at run time; what
//! it lacks (more than 8 bits, identity, `YCgCo`) goes through [`convert_any`].

use yuv::{YuvError, YuvPlanarImage, YuvRange, YuvStandardMatrix};

use super::av1::{Frame, Plane};
use super::damaged;
use super::property::Cicp;
use crate::error::Result;

/// A part of an image's rows to write pixels to: `data` starts at its first pixel, rows lie `stride` bytes
/// apart.
pub(super) struct Target<'a> {
    pub(super) data: &'a mut [u8],
    pub(super) stride: usize,
    /// Bytes per pixel: 1 gray, 3 RGB, 4 RGBA (alpha becomes opaque).
    pub(super) channels: usize,
    /// px, at most the frame's
    pub(super) width: usize,
    /// px, at most the frame's below `from`
    pub(super) height: usize,
    /// the frame's row that comes first; even
    pub(super) from: usize,
}

impl Target<'_> {
    /// Each row with its number in the frame.
    fn rows(&mut self) -> impl Iterator<Item = (usize, &mut [u8])> {
        let len = self.width * self.channels;
        let rows = self.data.chunks_mut(self.stride).take(self.height).map(move |row| &mut row[..len]);
        (self.from..).zip(rows)
    }
}

/// How a frame's samples relate to red, green and blue (ITU-T H.273, table 4).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Matrix {
    /// The planes are green, blue, red.
    Identity,
    YCgCo,
    /// Weights of red and blue in luma.
    Luma {
        kr: f32,
        kb: f32,
    },
}

impl Matrix {
    /// BT.601 stands in for what is unspecified, as in libavif and libheif, and for the code points that no
    /// still image has been seen with (constant luminance, `ICtCp`, reserved ones).
    fn of(cicp: Cicp, subsampled: bool) -> Self {
        const BT601: Matrix = Matrix::Luma { kr: 0.299, kb: 0.114 };
        const BT709: Matrix = Matrix::Luma { kr: 0.2126, kb: 0.0722 };
        const BT2020: Matrix = Matrix::Luma { kr: 0.2627, kb: 0.0593 };
        match cicp.matrix {
            // Red, green and blue have no subsampled planes.
            0 if !subsampled => Self::Identity,
            1 => BT709,
            4 => Self::Luma { kr: 0.30, kb: 0.11 },
            7 => Self::Luma { kr: 0.212, kb: 0.087 },
            8 => Self::YCgCo,
            9 => BT2020,
            // Derived from the primaries; Display P3's weights follow from SMPTE EG 432-1.
            12 => match cicp.primaries {
                1 => BT709,
                9 => BT2020,
                11 | 12 => Self::Luma { kr: 0.228_98, kb: 0.079_29 },
                _ => BT601,
            },
            _ => BT601,
        }
    }

    /// Factors of the three planes in red, green and blue.
    fn factors(self) -> [[f32; 3]; 3] {
        match self {
            Self::Identity => [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            Self::YCgCo => [[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]],
            Self::Luma { kr, kb } => {
                let (red, blue, kg) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb), 1.0 - kr - kb);
                [[1.0, 0.0, red], [1.0, -blue * kb / kg, -red * kr / kg], [1.0, blue, 0.0]]
            }
        }
    }
}

/// Writes `frame` to `target` in colour, or in gray where the frame is monochrome.
pub(super) fn paint(frame: &Frame, cicp: Cicp, target: &mut Target) -> Result<()> {
    let sequence = frame.sequence;
    if sequence.mono {
        paint_gray(frame, cicp.full_range, target);
        return Ok(());
    }
    let matrix = Matrix::of(cicp, sequence.half_width);
    match matrix {
        Matrix::Luma { kr, kb } if sequence.depth == 8 => {
            convert_8_bit(frame, kr, kb, cicp.full_range, target)
                .map_err(|error| damaged(&format!("colour conversion: {error}")))?;
        }
        _ => convert_any(frame, matrix, cicp.full_range, target),
    }
    Ok(())
}

/// Writes the luma plane of `frame` to all of gray, or of red, green and blue.
pub(super) fn paint_gray(frame: &Frame, full_range: bool, target: &mut Target) {
    let luma = &frame.planes[0];
    let table = gray_levels(frame.sequence.depth, full_range);
    let channels = target.channels;
    let mut samples = vec![0; target.width];
    for (y, row) in target.rows() {
        read_row(luma, y, frame.sequence.depth, &mut samples);
        let levels = samples.iter().map(|&sample| table[(sample.max(0) as usize).min(table.len() - 1)]);
        if channels == 1 {
            row.iter_mut().zip(levels).for_each(|(byte, level)| *byte = level);
        } else {
            for (pixel, level) in row.chunks_exact_mut(channels).zip(levels) {
                pixel.fill(0xFF);
                pixel[..3].fill(level);
            }
        }
    }
}

/// What each sample value is in 8 bits.
fn gray_levels(depth: u8, full_range: bool) -> Vec<u8> {
    let (zero, scale) = luma_range(depth, full_range);
    (0..1u16 << depth).map(|sample| ((f32::from(sample) - zero) * scale).round() as u8).collect()
}

/// The luma sample that is black, and the factor that takes white to 255.
fn luma_range(depth: u8, full_range: bool) -> (f32, f32) {
    let unit = f32::from(1u16 << (depth - 8));
    if full_range { (0.0, 255.0 / (256.0 * unit - 1.0)) } else { (16.0 * unit, 255.0 / (219.0 * unit)) }
}

/// The chroma sample that is neutral, and the factor that takes the range to 255.
fn chroma_range(depth: u8, full_range: bool) -> (f32, f32) {
    let unit = f32::from(1u16 << (depth - 8));
    (128.0 * unit, if full_range { 255.0 / (256.0 * unit - 1.0) } else { 255.0 / (224.0 * unit) })
}

fn convert_8_bit(
    frame: &Frame,
    kr: f32,
    kb: f32,
    full_range: bool,
    target: &mut Target,
) -> std::result::Result<(), YuvError> {
    let planes = &frame.planes[..3];
    let chroma_from = if frame.half_height { target.from / 2 } else { target.from };
    let image = YuvPlanarImage {
        y_plane: &planes[0].bytes[target.from * planes[0].stride..],
        y_stride: planes[0].stride as u32,
        u_plane: &planes[1].bytes[chroma_from * planes[1].stride..],
        u_stride: planes[1].stride as u32,
        v_plane: &planes[2].bytes[chroma_from * planes[2].stride..],
        v_stride: planes[2].stride as u32,
        width: target.width as u32,
        height: target.height as u32,
    };
    let convert = match (frame.half_width, frame.half_height, target.channels) {
        (true, true, 3) => yuv::yuv420_to_rgb,
        (true, true, _) => yuv::yuv420_to_rgba,
        (true, false, 3) => yuv::yuv422_to_rgb,
        (true, false, _) => yuv::yuv422_to_rgba,
        (false, _, 3) => yuv::yuv444_to_rgb,
        (false, _, _) => yuv::yuv444_to_rgba,
    };
    let range = if full_range { YuvRange::Full } else { YuvRange::Limited };
    convert(&image, target.data, target.stride as u32, range, YuvStandardMatrix::Custom(kr, kb))
}

/// One channel from three planes: factors in fixed point with `shift` bits after the point, and a constant
/// that holds the range's zero and the rounding.
///
/// 16-bit factors and samples with 32-bit sums are what SSE2, which every x86-64 has, multiplies fastest.
#[derive(Clone, Copy)]
struct Mix {
    factors: [i16; 3],
    constant: i32,
    shift: u32,
}

impl Mix {
    /// `ranges` holds zero and factor of each plane's samples.
    fn new(factors: [f32; 3], ranges: [(f32, f32); 3], depth: u8) -> Self {
        // A factor takes samples to 8 bits, so each bit more in the sample is one less in the factor. The
        // largest are below 1.2 at 8 bits (identity, YCgCo) and 2.3 / 4 at 10 bits (blue of a luma matrix).
        let shift = match depth {
            8 => 14,
            10 => 15,
            _ => 17,
        };
        let one = (1u32 << shift) as f32;
        let mut mix = Self { factors: [0; 3], constant: 1 << (shift - 1), shift };
        for ((into, factor), (zero, scale)) in mix.factors.iter_mut().zip(factors).zip(ranges) {
            let scaled = (factor * scale * one).round();
            debug_assert!(scaled.abs() <= f32::from(i16::MAX), "factor {factor} at {depth} bits");
            *into = scaled as i16;
            mix.constant -= (scaled * zero) as i32;
        }
        mix
    }

    // Inlined, the compiler forgets that the factors have 16 bits, and the 10-bit path takes a third longer.
    #[inline(never)]
    fn apply(self, [y, u, v]: &[Vec<i16>; 3], out: &mut [u8]) {
        let [of_y, of_u, of_v] = self.factors;
        let product = |factor: i16, sample: i16| i32::from(factor) * i32::from(sample);
        for (((out, &y), &u), &v) in out.iter_mut().zip(y).zip(u).zip(v) {
            let sum = product(of_y, y) + product(of_u, u) + product(of_v, v) + self.constant;
            *out = (sum >> self.shift).clamp(0, 255) as u8;
        }
    }
}

/// Any depth, matrix and chroma layout, row by row.
fn convert_any(frame: &Frame, matrix: Matrix, full_range: bool, target: &mut Target) {
    let sequence = frame.sequence;
    let luma = luma_range(sequence.depth, full_range);
    let chroma = match matrix {
        Matrix::Identity => luma,
        _ => chroma_range(sequence.depth, full_range),
    };
    let mixes = matrix.factors().map(|factors| Mix::new(factors, [luma, chroma, chroma], sequence.depth));

    let planes = &frame.planes[..3];
    let (width, channels) = (target.width, target.channels);
    let mut narrow = vec![0; width.div_ceil(2)];
    let mut samples = [(); 3].map(|()| vec![0; width]);
    let mut rgb = [(); 3].map(|()| vec![0; width]);
    for (y, row) in target.rows() {
        for (index, (plane, wide)) in planes.iter().zip(&mut samples).enumerate() {
            let (half_width, half_height) = (index > 0 && frame.half_width, index > 0 && frame.half_height);
            if half_height && y % 2 == 1 {
                continue;
            }
            let y = if half_height { y / 2 } else { y };
            if half_width {
                read_row(plane, y, sequence.depth, &mut narrow);
                repeat(&narrow, wide);
            } else {
                read_row(plane, y, sequence.depth, wide);
            }
        }
        for (mix, channel) in mixes.iter().zip(&mut rgb) {
            mix.apply(&samples, channel);
        }
        let [red, green, blue] = &rgb;
        let levels = red.iter().zip(green).zip(blue);
        for (pixel, ((&red, &green), &blue)) in row.chunks_exact_mut(channels).zip(levels) {
            pixel[..3].copy_from_slice(&[red, green, blue]);
            if let Some(alpha) = pixel.get_mut(3) {
                *alpha = 0xFF;
            }
        }
    }
}

/// Each sample twice; of the last only once where `wide` is odd.
fn repeat(narrow: &[i16], wide: &mut [i16]) {
    let mut pairs = wide.chunks_exact_mut(2);
    for (pair, &sample) in pairs.by_ref().zip(narrow) {
        pair.copy_from_slice(&[sample; 2]);
    }
    if let ([last], Some(&sample)) = (pairs.into_remainder(), narrow.last()) {
        *last = sample;
    }
}

/// Widens the first samples of row `y` to 16 bits; 12 bits are the most there are.
fn read_row(plane: &Plane, y: usize, depth: u8, samples: &mut [i16]) {
    let row = &plane.bytes[y * plane.stride..];
    if depth == 8 {
        samples.iter_mut().zip(row).for_each(|(sample, &byte)| *sample = i16::from(byte));
    } else {
        let pairs = row.chunks_exact(2).map(|pair| i16::from_ne_bytes([pair[0], pair[1]]));
        samples.iter_mut().zip(pairs).for_each(|(sample, value)| *sample = value);
    }
}
