//! PNG through the `png` crate itself, which lets checksums and limits be set.

use png::{BitDepth, ColorType, DecodeOptions, Decoder, Info, Reader, Transformations};

use super::animated::is_animated;
use super::source::{COARSE, Source, failed};
use super::{Band, Decoded, Header, Layout, Pixels, Rows, exif, plausible_icc};
use crate::error::{Error, Result};
use crate::image::format::Format;
use crate::image::limits::{Limits, Progress};

/// What chunks beside the pixels may take, bytes: a compressed color profile, EXIF. Text is never kept.
const METADATA: usize = 8 << 20;

/// Rows between two looks at the clock.
const ROWS: u32 = 64;

/// Size, depth, orientation and memory of a PNG.
///
/// # Errors
/// [`Error::Decode`] for damage before the pixels, [`Error::TooManyPixels`] unless it is animated.
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let animated = is_animated(input, Format::Png);
    let progress = Progress::unbounded();
    let reader = open(input, (!animated).then_some(limits), &progress)?;
    let info = reader.info();
    let (width, height) = info.size();
    let (color, _) = reader.output_color_type();
    // An interlaced picture is held whole, gray with alpha as RGBA in a second buffer.
    let bytes_per_pixel = match (info.interlaced, color) {
        (false, _) => 0,
        (true, ColorType::GrayscaleAlpha) => 2 + 4,
        (true, color) => color.samples() as u64,
    };
    let pixels = u64::from(width) * u64::from(height);
    // The crate unfilters a few rows at a time in a buffer that grows by doubling; one row is kept in 8 bits, and
    // once more in another layout.
    let rows = 12 * info.raw_row_length() as u64 + 8 * u64::from(width);
    let metadata = info.icc_profile.as_ref().map_or(0, |icc| icc.len() as u64 * 2)
        + info.exif_metadata.as_ref().map_or(0, |exif| exif.len() as u64);
    Ok(Header {
        width,
        height,
        orientation: info.exif_metadata.as_deref().map_or(1, exif::orientation),
        has_alpha: matches!(color, ColorType::GrayscaleAlpha | ColorType::Rgba),
        animated,
        depth: info.bit_depth as u8,
        decoded_bytes: pixels * bytes_per_pixel + rows + metadata + (1 << 20),
    })
}

/// Decodes a PNG, of an animated one the default image. 16 bits are cut to 8, as sharp does. Rows are decoded as they
/// are asked for unless the file is interlaced.
///
/// # Errors
/// [`Error::Decode`] for damaged or truncated input and wrong checksums of critical chunks,
/// [`Error::TooManyPixels`], [`Error::Aborted`], [`Error::Timeout`].
pub fn decode<'a>(input: &'a [u8], limits: &Limits, progress: &'a Progress) -> Result<Decoded<'a>> {
    let mut reader = open(input, Some(limits), progress)?;
    let (color, depth) = reader.output_color_type();
    debug_assert_eq!(depth, BitDepth::Eight);
    if color == ColorType::Indexed {
        return Err(Error::Decode("PNG palette was not applied".to_owned()));
    }
    let info = reader.info();
    let (width, height) = info.size();
    let icc = info.icc_profile.as_ref().map(|icc| icc.to_vec()).and_then(plausible_icc);
    let orientation = info.exif_metadata.as_deref().map_or(1, exif::orientation);
    if info.interlaced {
        return Ok(Decoded::whole(all_rows(&mut reader, progress)?, icc, orientation));
    }
    progress.check()?;
    Ok(Decoded {
        rows: Box::new(Scanlines::new(reader, progress)),
        width,
        height,
        source_width: width.into(),
        source_height: height.into(),
        icc,
        orientation,
    })
}

/// The seven passes of an interlaced file make rows that are whole only at the end.
fn all_rows(reader: &mut Reader<Source>, progress: &Progress) -> Result<Pixels> {
    let (width, height) = reader.info().size();
    let size = reader.output_buffer_size().ok_or_else(|| Error::Decode("PNG too large".to_owned()))?;
    let mut data = vec![0; size];
    reader.next_frame(&mut data).map_err(|error| failed(progress, error))?;
    progress.check()?;
    match reader.output_color_type().0 {
        ColorType::Grayscale => Pixels::checked(data, width, height, Layout::Luma),
        ColorType::GrayscaleAlpha => Pixels::from_luma_alpha(&data, width, height),
        ColorType::Rgb | ColorType::Indexed => Pixels::checked(data, width, height, Layout::Rgb),
        ColorType::Rgba => Ok(Pixels::checked(data, width, height, Layout::Rgba)?.without_opaque_alpha()),
    }
}

/// Rows in the order of the file. Alpha is left out until a pixel needs it.
struct Scanlines<'a> {
    reader: Reader<Source<'a>>,
    progress: &'a Progress,
    /// as the file has it, in 8 bits
    row: Vec<u8>,
    /// the same in another layout
    turned: Vec<u8>,
    transparent: bool,
    /// rows handed out so far
    rows: u32,
}

impl<'a> Scanlines<'a> {
    fn new(reader: Reader<Source<'a>>, progress: &'a Progress) -> Self {
        let samples = reader.output_color_type().0.samples();
        let row = vec![0; reader.info().width as usize * samples];
        Self { reader, progress, row, turned: Vec::new(), transparent: false, rows: 0 }
    }
}

impl Rows for Scanlines<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        // Thousands of black rows can be a few bytes, at which the source would look but once.
        if self.rows.is_multiple_of(ROWS) {
            self.progress.check()?;
        }
        self.rows += 1;
        let read = self.reader.read_row(&mut self.row).map_err(|error| failed(self.progress, error))?;
        if read.is_none() {
            self.progress.check()?;
            return Ok(None);
        }
        let (row, turned) = (&self.row, &mut self.turned);
        turned.clear();
        let layout = match self.reader.output_color_type().0 {
            ColorType::Grayscale => Layout::Luma,
            ColorType::Rgb | ColorType::Indexed => Layout::Rgb,
            ColorType::GrayscaleAlpha => {
                let pixels = row.as_chunks::<2>().0;
                self.transparent |= pixels.iter().any(|[_, alpha]| *alpha != 255);
                if self.transparent {
                    turned.extend(pixels.iter().flat_map(|&[level, alpha]| [level, level, level, alpha]));
                    Layout::Rgba
                } else {
                    turned.extend(pixels.iter().map(|[level, _]| level));
                    Layout::Luma
                }
            }
            ColorType::Rgba => {
                let pixels = row.as_chunks::<4>().0;
                self.transparent |= pixels.iter().any(|[.., alpha]| *alpha != 255);
                if self.transparent {
                    Layout::Rgba
                } else {
                    turned.extend(pixels.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]));
                    Layout::Rgb
                }
            }
        };
        Ok(Some(Band { data: if turned.is_empty() { row } else { turned }, layout }))
    }
}

/// Reads all chunks up to the pixels. The size is checked against `limits` before anything that depends on
/// it is taken.
fn open<'a>(input: &'a [u8], limits: Option<&Limits>, progress: &'a Progress) -> Result<Reader<Source<'a>>> {
    let mut options = DecodeOptions::default();
    // libpng, and so sharp, checks the sum over the pixels and forgives wrong ones of chunks that don't
    // matter; the crate's defaults differ in the first.
    options.set_ignore_adler32(false);
    options.set_skip_ancillary_crc_failures(true);
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Source::new(input, COARSE, progress), options);
    decoder.set_limits(png::Limits { bytes: METADATA });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let (width, height) = decoder.read_header_info().map_err(|error| failed(progress, error))?.size();
    if let Some(limits) = limits {
        limits.check_pixels(width.into(), height.into())?;
        // One row of at most 4 samples is counted against the same limit.
        decoder.set_limits(png::Limits { bytes: METADATA + width as usize * 4 });
    }
    let reader = decoder.read_info().map_err(|error| failed(progress, error))?;
    check_palette(reader.info())?;
    Ok(reader)
}

/// A palette of whole colours, and no more alpha than colours: the crate relies on both and looks at neither.
fn check_palette(info: &Info) -> Result<()> {
    if info.color_type != ColorType::Indexed {
        return Ok(());
    }
    let palette = info.palette.as_deref().unwrap_or_default();
    let alpha = info.trns.as_deref().unwrap_or_default();
    if !palette.len().is_multiple_of(3) || palette.len() > 256 * 3 || alpha.len() > palette.len() / 3 {
        let (bytes, levels) = (palette.len(), alpha.len());
        return Err(Error::Decode(format!("PNG palette of {bytes} bytes with {levels} levels of alpha")));
    }
    Ok(())
}
