//! TIFF: a JPEG in a TIFF file, which is what sharp makes where Next names no encoder.
//!
//! The quality is sharp's own default, because Next does not hand that of the request on; transparency becomes
//! black, as in every JPEG of sharp's.

use std::io::Cursor;

use tiff::TiffError;
use tiff::encoder::TiffEncoder;
use tiff::tags::{CompressionMethod, PhotometricInterpretation, Tag};

use super::jpeg;
use crate::error::{self, Error};
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;

/// sharp's default for TIFF.
const QUALITY: u8 = 80;

/// Encodes one image. Dimensions are at most 65 500 px.
///
/// # Errors
/// [`Error::Encode`] when an encoder fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(pixels: Pixels, progress: &Progress) -> error::Result<Vec<u8>> {
    let Pixels { width, height, layout, .. } = pixels;
    let jpeg = jpeg::encode(pixels, QUALITY, false, progress)?;
    wrapped(&jpeg, width, height, layout).map_err(|error| Error::Encode(format!("tiff: {error}")))
}

/// One strip that holds the whole JPEG and its tables, as technical note 2 to TIFF 6 has it.
fn wrapped(jpeg: &[u8], width: u32, height: u32, layout: Layout) -> Result<Vec<u8>, TiffError> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file)?;
    let mut directory = encoder.image_directory()?;
    let offset = directory.write_data(jpeg)?;
    directory.write_tag(Tag::ImageWidth, width)?;
    directory.write_tag(Tag::ImageLength, height)?;
    directory.write_tag(Tag::Compression, CompressionMethod::ModernJPEG.to_u16())?;
    directory.write_tag(Tag::StripOffsets, u32::try_from(offset)?)?;
    directory.write_tag(Tag::StripByteCounts, u32::try_from(jpeg.len())?)?;
    directory.write_tag(Tag::RowsPerStrip, height)?;
    if layout == Layout::Luma {
        directory.write_tag(Tag::BitsPerSample, 8_u16)?;
        directory.write_tag(Tag::SamplesPerPixel, 1_u16)?;
        let gray = PhotometricInterpretation::BlackIsZero;
        directory.write_tag(Tag::PhotometricInterpretation, gray.to_u16())?;
    } else {
        directory.write_tag(Tag::BitsPerSample, &[8_u16; 3][..])?;
        directory.write_tag(Tag::SamplesPerPixel, 3_u16)?;
        directory.write_tag(Tag::PhotometricInterpretation, PhotometricInterpretation::YCbCr.to_u16())?;
        // 4:2:0, as the JPEG says itself.
        directory.write_tag(Tag::ChromaSubsampling, &[2_u16, 2][..])?;
    }
    directory.finish()?;
    Ok(file.into_inner())
}
