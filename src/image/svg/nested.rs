//! The images inside an SVG.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use png::{BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter};
use resvg::usvg::ImageKind;

use crate::error::{Error, Result};
use crate::image::color;
use crate::image::decode::{self, Layout, Pixels};
use crate::image::format::{self, Format};
use crate::image::limits::{Limits, Progress};

/// Pixels that all images of one file may have together; as many as one photograph of a good camera.
const MAX_PIXELS: u64 = 64 << 20;

/// How many SVG may lie inside each other.
const MAX_LEVELS: u32 = 3;

/// Hands the images of `data:` urls to the library, as PNG without compression, whatever they were: so that the
/// decoders of this crate with their limits are the only ones that see them.
pub(super) struct Images<'a> {
    limits: &'a Limits,
    /// `None` where the sizes alone are wanted
    progress: Option<&'a Progress>,
    pixels: AtomicU64,
    level: AtomicU32,
    failure: Mutex<Option<Error>>,
}

impl<'a> Images<'a> {
    /// Reads their headers only; they can't be drawn.
    pub(super) fn measured(limits: &'a Limits) -> Self {
        Self {
            limits,
            progress: None,
            pixels: AtomicU64::new(0),
            level: AtomicU32::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Decodes them.
    pub(super) fn decoded(limits: &'a Limits, progress: &'a Progress) -> Self {
        Self { progress: Some(progress), ..Self::measured(limits) }
    }

    /// What ends the work. An image that is damaged does not: it is left out, as in browsers.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes that they take: all of them decoded, and once more while one is drawn.
    pub(super) fn bytes(&self) -> u64 {
        self.pixels.load(Ordering::Relaxed).saturating_mul(8)
    }

    /// What the library asks for every image that it meets, one after the other.
    pub(super) fn resolve(&self, data: &[u8]) -> Option<ImageKind> {
        if self.failure().is_some() {
            return None;
        }
        let resolved = match format::detect(data)? {
            Format::Svg => self.vector(data),
            format if format.is_bypass() => return None,
            format => self.raster(data, format),
        };
        match resolved {
            Ok(image) => Some(image),
            Err(Error::Decode(_)) => None,
            Err(error) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        }
    }

    fn vector(&self, data: &[u8]) -> Result<ImageKind> {
        if self.level.load(Ordering::Relaxed) == MAX_LEVELS {
            return Err(Error::Decode(format!("svg: more than {MAX_LEVELS} inside each other")));
        }
        self.level.fetch_add(1, Ordering::Relaxed);
        let tree = super::parse_nested(data, self);
        self.level.fetch_sub(1, Ordering::Relaxed);
        tree.map(ImageKind::SVG)
    }

    fn raster(&self, data: &[u8], format: Format) -> Result<ImageKind> {
        let header = decode::header(data, format, self.limits)?;
        let (width, height) = (header.width, header.height);
        let pixels = u64::from(width) * u64::from(height);
        if self.pixels.fetch_add(pixels, Ordering::Relaxed).saturating_add(pixels) > MAX_PIXELS {
            let (width, height) = (width.into(), height.into());
            return Err(Error::TooManyPixels { width, height, max_pixels: MAX_PIXELS });
        }
        let Some(progress) = self.progress else {
            return png(width, height, ColorType::Grayscale, None);
        };
        let mut decoded = decode::decode(data, format, None, self.limits, progress)?;
        let icc = decoded.icc.take();
        let Pixels { data, width, height, layout } = color::to_srgb(decoded.collect()?, icc.as_deref());
        let color = match layout {
            Layout::Luma => ColorType::Grayscale,
            Layout::Rgb => ColorType::Rgb,
            Layout::Rgba | Layout::Cmyk => ColorType::Rgba,
        };
        png(width, height, color, Some(&data))
    }
}

/// A PNG without compression; without pixels it says a size and no more.
fn png(width: u32, height: u32, color: ColorType, pixels: Option<&[u8]>) -> Result<ImageKind> {
    let failed = |error: EncodingError| Error::Encode(format!("svg: an image in it: {error}"));
    let mut file = Vec::with_capacity(pixels.map_or(64, |pixels| pixels.len() + pixels.len() / 64 + 1024));
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(DeflateCompression::NoCompression);
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(failed)?;
    if let Some(pixels) = pixels {
        writer.write_image_data(pixels).map_err(failed)?;
    }
    drop(writer);
    Ok(ImageKind::PNG(Arc::new(file)))
}
