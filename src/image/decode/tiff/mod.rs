//! TIFF through the `tiff` crate itself, since `image` reads neither palettes nor CMYK as CMYK. Of several pages
//! the first is taken, as in sharp.

mod directory;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::Tag;

use self::directory::{Directory, Patched, tag};
use super::source::{COARSE, Source, failed};
use super::{Decoded, Header, Layout, Pixels, jpeg, plausible_icc};
use crate::error::{Error, Result};
use crate::image::limits::{Limits, Progress};

/// What a row of a strip or tile may take beyond those of the image, bytes.
const ROW_BYTES: u64 = 1 << 20;

/// Pixels that a tile may have in an image that has fewer.
const SMALL_TILE: u64 = 1 << 20;

/// Size, alpha, depth, orientation and memory of a TIFF.
///
/// # Errors
/// [`Error::Decode`] for damage and for kinds that are not supported (CIELAB, floating point),
/// [`Error::TooManyPixels`].
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let progress = Progress::unbounded();
    let page = Page::open(input, limits, &progress)?;
    let output = if page.kind == Kind::GrayAlpha { 4 } else { page.kind.samples().max(3) };
    // As stored, once more for a strip or tile that spans the image, and the samples of 8 bits. A progressive
    // JPEG inside has coefficients, too.
    let stored = page.stored_bytes() * if page.is_jpeg { 5 } else { 2 };
    Ok(Header {
        width: page.width,
        height: page.height,
        orientation: page.orientation(),
        has_alpha: matches!(page.kind, Kind::GrayAlpha | Kind::Rgba),
        animated: false,
        depth: page.depth,
        decoded_bytes: stored + output * page.area() + (10 << 20),
    })
}

/// Decodes the first page.
///
/// # Errors
/// [`Error::Decode`] for damaged, truncated or unsupported input, [`Error::TooManyPixels`],
/// [`Error::Aborted`], [`Error::Timeout`].
pub fn decode(input: &[u8], limits: &Limits, progress: &Progress) -> Result<Decoded<'static>> {
    let mut page = Page::open(input, limits, progress)?;
    if page.is_jpeg {
        page.check_jpeg(input)?;
    }
    let orientation = page.orientation();
    let icc = page.directory.bytes(tag::ICC_PROFILE).map(<[u8]>::to_vec).and_then(plausible_icc);
    let samples = page.read(progress)?;
    progress.check()?;
    Ok(Decoded::whole(page.into_pixels(samples)?, icc, orientation))
}

/// What the samples of a pixel mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gray,
    Palette,
    GrayAlpha,
    Rgb,
    Rgba,
    Cmyk,
    /// As JPEG has it: full range, BT.601.
    YCbCr,
}

impl Kind {
    const fn samples(self) -> u64 {
        match self {
            Self::Gray | Self::Palette => 1,
            Self::GrayAlpha => 2,
            Self::Rgb | Self::YCbCr => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

struct Page<'a> {
    decoder: Decoder<Patched<'a>>,
    directory: Directory<'a>,
    width: u32,
    height: u32,
    kind: Kind,
    /// bits of one sample
    depth: u8,
    /// JPEG inside of TIFF
    is_jpeg: bool,
}

impl<'a> Page<'a> {
    fn open(input: &'a [u8], limits: &Limits, progress: &'a Progress) -> Result<Self> {
        let error = |error: tiff::TiffError| failed(progress, error);
        let directory = Directory::read(input)?;
        // The crate refuses palettes: it is told of gray. Where it is not told what an extra sample is, it
        // leaves it out; sharp takes it for alpha.
        let is_palette = directory.value(tag::PHOTOMETRIC) == Some(3);
        let patch = if is_palette {
            directory.with_value(tag::PHOTOMETRIC, 1)
        } else if directory.value(tag::EXTRA_SAMPLES) == Some(0) {
            directory.with_value(tag::EXTRA_SAMPLES, 2)
        } else {
            None
        };
        let source = Patched { source: Source::new(input, COARSE, progress), patch };
        let mut decoder = Decoder::new(source).map_err(error)?;
        let (width, height) = decoder.dimensions().map_err(error)?;
        limits.check_pixels(width.into(), height.into())?;
        let color = decoder.colortype().map_err(error)?;
        let (kind, depth) = match color {
            ColorType::Gray(bits @ (1 | 2 | 4 | 8)) if is_palette => (Kind::Palette, bits),
            ColorType::Gray(bits @ (1 | 2 | 4 | 8 | 16)) if !is_palette => (Kind::Gray, bits),
            ColorType::Multiband { bit_depth: bits @ (8 | 16), num_samples: 2 } if !is_palette => {
                (Kind::GrayAlpha, bits)
            }
            ColorType::RGB(bits @ (8 | 16)) => (Kind::Rgb, bits),
            ColorType::RGBA(bits @ (8 | 16)) => (Kind::Rgba, bits),
            ColorType::CMYK(bits @ (8 | 16)) => (Kind::Cmyk, bits),
            ColorType::YCbCr(8) => (Kind::YCbCr, 8),
            other => return Err(Error::Decode(format!("TIFF of an unsupported kind: {other:?}"))),
        };
        let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(error)?;
        let is_jpeg = compression == Some(7);
        if kind == Kind::YCbCr && !is_jpeg {
            return Err(Error::Decode("TIFF of YCbCr outside of JPEG".to_owned()));
        }
        let mut page = Self { decoder, directory, width, height, kind, depth, is_jpeg };
        page.check_chunks()?;
        let stored = usize::try_from(page.stored_bytes()).unwrap_or(usize::MAX);
        let mut bounds = TiffLimits::default();
        bounds.decoding_buffer_size = stored;
        bounds.intermediate_buffer_size = stored.saturating_add(1 << 20);
        page.decoder = page.decoder.with_limits(bounds);
        Ok(page)
    }

    /// Strips and tiles have sizes of their own, which those of the image do not bound.
    fn check_chunks(&self) -> Result<()> {
        let samples = u64::from(self.directory.value(tag::SAMPLES_PER_PIXEL).unwrap_or(1));
        let width = self.directory.value(tag::TILE_WIDTH).unwrap_or(self.width).max(self.width);
        let row_bytes = u64::from(width) * samples * u64::from(self.depth) / 8;
        if row_bytes > self.stored_bytes().saturating_add(ROW_BYTES) {
            return Err(Error::Decode(format!("TIFF with rows of {row_bytes} bytes")));
        }
        // The crate panics on these, sharp refuses them.
        let planar = self.directory.value(tag::PLANAR_CONFIGURATION) == Some(2);
        if planar && self.directory.bytes(tag::TILE_OFFSETS).is_some() {
            return Err(Error::Decode("TIFF with tiles in planes".to_owned()));
        }
        Ok(())
    }

    /// The JPEG files inside must fit their strips and tiles: the crate believes them.
    fn check_jpeg(&self, input: &[u8]) -> Result<()> {
        let directory = &self.directory;
        let (offsets, counts) = if directory.bytes(tag::TILE_OFFSETS).is_some() {
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
        };
        let chunk = self.decoder.chunk_dimensions();
        let max_pixels = self.area().max(SMALL_TILE);
        let tables = directory.bytes(tag::JPEG_TABLES);
        for (at, count) in directory.numbers(offsets).zip(directory.numbers(counts)) {
            let (at, count) = (at as usize, count as usize);
            let file = at.checked_add(count).and_then(|end| input.get(at..end));
            let file = file.ok_or_else(|| Error::Decode("the TIFF file ends too early".to_owned()))?;
            jpeg::check_embedded(file, tables, chunk, max_pixels)?;
        }
        Ok(())
    }

    fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Bytes of the samples as stored; rows begin on a byte.
    fn stored_bytes(&self) -> u64 {
        let row_bits = u64::from(self.width) * self.kind.samples() * u64::from(self.depth);
        row_bits.div_ceil(8) * u64::from(self.height)
    }

    fn orientation(&self) -> u8 {
        let found = self.directory.value(tag::ORIENTATION);
        found.and_then(|number| u8::try_from(number).ok()).filter(|n| (1..=8).contains(n)).unwrap_or(1)
    }

    /// The samples at 8 bits, pixel by pixel; those of fewer bits still packed.
    fn read(&mut self, progress: &Progress) -> Result<Vec<u8>> {
        let mut buffer = DecodingResult::U8(Vec::new());
        let layout =
            self.decoder.read_image_to_buffer(&mut buffer).map_err(|error| failed(progress, error))?;
        let data = match buffer {
            DecodingResult::U8(data) => data,
            // As sharp does, the low byte is cut off.
            DecodingResult::U16(data) => data.iter().map(|sample| (sample >> 8) as u8).collect(),
            _ => return Err(Error::Decode("TIFF with other than unsigned samples".to_owned())),
        };
        if layout.planes <= 1 {
            return Ok(data);
        }
        let area = self.area() as usize;
        let planes: Vec<&[u8]> = data.chunks_exact(area).collect();
        if self.depth < 8 || planes.len() as u64 != self.kind.samples() {
            return Err(Error::Decode("TIFF with planes that do not fit its pixels".to_owned()));
        }
        let mut samples = Vec::with_capacity(data.len());
        samples.extend((0..area).flat_map(|at| planes.iter().map(move |plane| plane[at])));
        Ok(samples)
    }

    fn into_pixels(self, mut samples: Vec<u8>) -> Result<Pixels> {
        let (width, height) = (self.width, self.height);
        let whole = |data, layout| Pixels::checked(data, width, height, layout);
        match self.kind {
            Kind::Gray if self.depth < 8 => {
                let scale = 255 / ((1 << self.depth) - 1);
                whole(self.unpacked(&samples, |level| [level * scale]), Layout::Luma)
            }
            Kind::Gray => whole(samples, Layout::Luma),
            Kind::Palette => {
                let colors = self.palette()?;
                whole(self.unpacked(&samples, |index| colors[usize::from(index)]), Layout::Rgb)
            }
            Kind::GrayAlpha => {
                self.divide_by_alpha::<2>(&mut samples);
                Pixels::from_luma_alpha(&samples, width, height)
            }
            Kind::Rgb => whole(samples, Layout::Rgb),
            Kind::Rgba => {
                self.divide_by_alpha::<4>(&mut samples);
                Ok(whole(samples, Layout::Rgba)?.without_opaque_alpha())
            }
            Kind::Cmyk => whole(samples, Layout::Cmyk),
            Kind::YCbCr => {
                for pixel in samples.as_chunks_mut().0 {
                    *pixel = rgb(*pixel);
                }
                whole(samples, Layout::Rgb)
            }
        }
    }

    /// Colors by their index. The file has all reds, then all greens, then all blues, 16 bits each (TIFF 6.0,
    /// section 5).
    fn palette(&self) -> Result<Vec<[u8; 3]>> {
        let map: Vec<u8> = self.directory.numbers(tag::COLOR_MAP).map(|level| (level >> 8) as u8).collect();
        let colors = 1 << self.depth;
        if map.len() != colors * 3 {
            return Err(Error::Decode(format!("TIFF palette of {} numbers", map.len())));
        }
        Ok((0..colors).map(|index| [0, 1, 2].map(|channel| map[channel * colors + index])).collect())
    }

    /// Pixels of samples that take 1, 2, 4 or 8 bits, most significant first; a row ends with its byte.
    fn unpacked<const N: usize>(&self, packed: &[u8], pixel: impl Fn(u8) -> [u8; N]) -> Vec<u8> {
        let width = self.width as usize;
        let bits = usize::from(self.depth);
        let row_bytes = (width * bits).div_ceil(8).max(1);
        let mask = (255_u16 >> (8 - bits)) as u8;
        let mut data = Vec::with_capacity(width * self.height as usize * N);
        for row in packed.chunks_exact(row_bytes) {
            for x in 0..width {
                let shift = 8 - bits - x * bits % 8;
                data.extend(pixel(row[x * bits / 8] >> shift & mask));
            }
        }
        data
    }

    /// Associated alpha means premultiplied color; [`Layout::Rgba`] is not.
    fn divide_by_alpha<const N: usize>(&self, samples: &mut [u8]) {
        if self.directory.value(tag::EXTRA_SAMPLES) != Some(1) {
            return;
        }
        for pixel in samples.as_chunks_mut::<N>().0 {
            let [colors @ .., alpha] = pixel.as_mut_slice() else { return };
            let alpha = u32::from(*alpha).max(1);
            for color in colors {
                *color = ((u32::from(*color) * 255 + alpha / 2) / alpha).min(255) as u8;
            }
        }
    }
}

/// ITU-T T.871, section 7.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
    let level = |level: f32| (level + 0.5) as u8;
    [level(y + 1.402 * cr), level(y - 0.344_136 * cb - 0.714_136 * cr), level(y + 1.772 * cb)]
}
