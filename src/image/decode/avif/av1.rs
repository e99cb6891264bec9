//! One AV1 still image to planes, by `re_rav1d` on the calling thread.

use std::ops::Deref;

use re_rav1d::dav1d::{
    self, Decoder, InloopFilterType, Picture, PixelLayout, PlanarImageComponent, Settings,
};

use super::damaged;
use super::obu::{Sequence, Stream};
use crate::error::{Error, Result};
use crate::image::limits::Progress;

/// The decoder hands out planes whose length it computes in 32 bits: rows of up to two bytes per sample,
/// padded. Frames up to this many pixels stay clear of that.
const MAX_FRAME_PIXELS: u64 = 1 << 30;

/// Decoded planes.
pub(super) struct Frame {
    /// luma, and chroma where there is any
    pub(super) planes: Vec<Plane>,
    /// As coded. How the planes lie is said below.
    pub(super) sequence: Sequence,
    /// chroma has half the width
    pub(super) half_width: bool,
    /// chroma has half the height
    pub(super) half_height: bool,
}

/// The samples of one plane. Rows lie `stride` bytes apart; samples of more than 8 bits take two bytes in
/// the machine's order.
pub(super) struct Plane {
    pub(super) bytes: Samples,
    pub(super) stride: usize,
}

/// The bytes of a plane: the decoder's own, or those of one that was made smaller.
pub(super) enum Samples {
    Decoded(dav1d::Plane),
    Shrunk(Vec<u8>),
}

impl Deref for Samples {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Decoded(plane) => plane,
            Self::Shrunk(bytes) => bytes,
        }
    }
}

impl Frame {
    fn new(picture: &Picture, sequence: Sequence) -> Self {
        let plane = |component| Plane {
            bytes: Samples::Decoded(picture.plane(component)),
            stride: picture.stride(component) as usize,
        };
        let mut planes = vec![plane(PlanarImageComponent::Y)];
        if !sequence.mono {
            planes.extend([PlanarImageComponent::U, PlanarImageComponent::V].map(plane));
        }
        let Sequence { half_width, half_height, .. } = sequence;
        Self { planes, sequence, half_width, half_height }
    }
}

/// Decodes `stream`, which must give a frame of exactly `width`×`height` px, the size that was checked
/// against the limits. The decoder refuses a larger frame before it takes memory for it.
///
/// What is `coarse` leaves out the filters after decoding, whose work only shows near full size. A layered stream keeps them,
/// for there one frame is predicted from another.
pub(super) fn decode(
    stream: &Stream,
    (width, height): (u32, u32),
    operating_point: u8,
    coarse: bool,
    progress: &Progress,
) -> Result<Frame> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_FRAME_PIXELS {
        return Err(Error::TooManyPixels {
            width: width.into(),
            height: height.into(),
            max_pixels: MAX_FRAME_PIXELS,
        });
    }
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_operating_point(u32::from(operating_point));
    settings.set_frame_size_limit(pixels as u32);
    if coarse && !stream.sequence.layered {
        settings.set_inloop_filters(InloopFilterType::empty());
    }
    let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;

    let mut picture = None;
    for unit in &stream.units {
        progress.check()?;
        match decoder.send_data(unit.to_vec(), None, None, None) {
            Ok(()) => {}
            // A frame is ready and the decoder wants it taken before it goes on.
            Err(dav1d::Error::Again) => break,
            Err(error) => return Err(failed(error)),
        }
        // Asking makes the decoder give what it has, which of a layered image is only a small layer.
        if !stream.sequence.layered {
            match decoder.get_picture() {
                Ok(ready) => {
                    picture = Some(ready);
                    break;
                }
                Err(dav1d::Error::Again) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    let picture = match picture {
        Some(picture) => picture,
        None => decoder.get_picture().map_err(failed)?,
    };
    if (picture.width(), picture.height()) != (width, height) {
        return Err(damaged(&format!(
            "a frame of {}x{} px where {width}x{height} was announced",
            picture.width(),
            picture.height()
        )));
    }
    let sequence = stream.sequence;
    let layout = match (sequence.mono, sequence.half_width, sequence.half_height) {
        (true, ..) => PixelLayout::I400,
        (_, true, true) => PixelLayout::I420,
        (_, true, false) => PixelLayout::I422,
        _ => PixelLayout::I444,
    };
    if picture.pixel_layout() != layout || picture.bit_depth() != usize::from(sequence.depth) {
        return Err(damaged("a frame that contradicts its sequence header"));
    }
    Ok(Frame::new(&picture, sequence))
}

fn failed(error: dav1d::Error) -> Error {
    match error {
        dav1d::Error::Again => damaged("the AV1 stream holds no complete frame"),
        error => damaged(&format!("the AV1 decoder says: {error}")),
    }
}
