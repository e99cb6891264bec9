//! GIF: a dithered palette of 256 colors and one bit of alpha.

use gif::{Encoder, EncodingError, Frame};

use super::palette::{Alpha, quantize};
use crate::error::{Error, Result};
use crate::image::decode::Pixels;
use crate::image::limits::Progress;

/// Encodes one frame. Dimensions are at most 65 535 px.
///
/// # Errors
/// [`Error::Encode`] when an encoder fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(pixels: Pixels, progress: &Progress) -> Result<Vec<u8>> {
    let Pixels { width, height, .. } = pixels;
    let indexed = quantize(&pixels, Alpha::OneBit, 0.0, progress)?;
    drop(pixels);

    let failed = |error: EncodingError| Error::Encode(format!("gif: {error}"));
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Error::Encode("gif: more than 65535 px".into()));
    };
    let palette: Vec<u8> = indexed.colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let frame = Frame {
        width,
        height,
        // Colors stand by rising alpha, so the transparent one can only be the first.
        transparent: (indexed.colors[0][3] == 0).then_some(0),
        buffer: indexed.indices.into(),
        ..Frame::default()
    };
    let mut encoder = Encoder::new(Vec::new(), width, height, &palette).map_err(failed)?;
    encoder.write_frame(&frame).map_err(failed)?;
    encoder.into_inner().map_err(failed)
}
