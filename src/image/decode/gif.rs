//! Static GIF through the `gif` crate.

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use super::animated::{after_blocks, color_table, is_animated};
use super::source::{COARSE, Source, failed};
use super::{Decoded, Header, Layout, Pixels};
use crate::error::{Error, Result};
use crate::image::format::Format;
use crate::image::limits::{Limits, Progress};

/// Size, alpha and memory of a GIF.
///
/// # Errors
/// [`Error::Decode`] for a damaged header, [`Error::TooManyPixels`] unless it is animated.
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let animated = is_animated(input, Format::Gif);
    let first = first_frame(input)?;
    let (width, height) = first.canvas;
    if !animated {
        limits.check_pixels(width.into(), height.into())?;
    }
    Ok(Header {
        width,
        height,
        orientation: 1,
        has_alpha: first.transparent || !first.fills(),
        animated,
        depth: 8,
        decoded_bytes: first.decoded_bytes(),
    })
}

/// Decodes the first frame of a GIF onto its canvas; what the frame leaves out is transparent.
///
/// # Errors
/// [`Error::Decode`] for damaged or truncated input, [`Error::TooManyPixels`], [`Error::Aborted`],
/// [`Error::Timeout`].
pub fn decode(input: &[u8], limits: &Limits, progress: &Progress) -> Result<Decoded<'static>> {
    let first = first_frame(input)?;
    let (width, height) = first.canvas;
    limits.check_pixels(width.into(), height.into())?;
    let error = |error: gif::DecodingError| failed(progress, error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    // The frame's pixels are read into memory that is taken here; the crate needs a line.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(Source::new(input, COARSE, progress)).map_err(error)?;
    let Some(frame) = decoder.next_frame_info().map_err(error)? else {
        return Err(Error::Decode("GIF without a frame".to_owned()));
    };
    let place = [frame.left, frame.top, frame.width, frame.height].map(u32::from);
    if place != first.frame {
        return Err(Error::Decode("GIF with a frame that can't be found".to_owned()));
    }
    let [left, top, frame_width, frame_height] = place.map(|px| px as usize);
    let mut data = vec![0; frame_width * frame_height * 4];
    decoder.read_into_buffer(&mut data).map_err(error)?;
    progress.check()?;
    if !first.fills() {
        let row_bytes = width as usize * 4;
        let mut canvas = vec![0; row_bytes * height as usize];
        let rows = canvas.chunks_exact_mut(row_bytes).skip(top);
        for (row, line) in rows.zip(data.chunks_exact(frame_width * 4)) {
            row[left * 4..][..line.len()].copy_from_slice(line);
        }
        data = canvas;
    }
    let pixels = Pixels::checked(data, width, height, Layout::Rgba)?.without_opaque_alpha();
    Ok(Decoded::whole(pixels, None, 1))
}

/// Where the first frame lies.
struct FirstFrame {
    /// px; the logical screen, and larger where the frame is, as in sharp and in browsers
    canvas: (u32, u32),
    /// px; left, top, width, height
    frame: [u32; 4],
    /// whether one of its colors is transparent
    transparent: bool,
}

impl FirstFrame {
    fn fills(&self) -> bool {
        self.frame == [0, 0, self.canvas.0, self.canvas.1]
    }

    /// Indices and RGBA of the frame, and RGBA of the canvas where that is more.
    fn decoded_bytes(&self) -> u64 {
        let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
        let canvas = if self.fills() { 0 } else { area(self.canvas.0, self.canvas.1) * 4 };
        area(self.frame[2], self.frame[3]) * 5 + canvas + (1 << 20)
    }
}

fn first_frame(input: &[u8]) -> Result<FirstFrame> {
    let cut = || Error::Decode("the GIF file ends too early".to_owned());
    let number = |at: usize| match input.get(at..at + 2) {
        Some(&[low, high]) => Ok(u32::from(u16::from_le_bytes([low, high]))),
        _ => Err(cut()),
    };
    let screen = (number(6)?, number(8)?);
    let mut at = 13 + color_table(input, 10);
    let mut transparent = false;
    loop {
        match input.get(at).ok_or_else(cut)? {
            b'!' => {
                // A graphic control extension: its block of 4 bytes starts with the flags.
                if let Some(&[0xf9, 4, flags]) = input.get(at + 1..at + 4) {
                    transparent = flags & 1 != 0;
                }
                at = after_blocks(input, at + 2);
            }
            b',' => {
                let frame = [number(at + 1)?, number(at + 3)?, number(at + 5)?, number(at + 7)?];
                let [left, top, width, height] = frame;
                if width == 0 || height == 0 {
                    return Err(Error::Decode(format!("GIF with a frame of {width}x{height} px")));
                }
                let canvas = (screen.0.max(left + width), screen.1.max(top + height));
                return Ok(FirstFrame { canvas, frame, transparent });
            }
            b';' => return Err(Error::Decode("GIF without a frame".to_owned())),
            _ => return Err(Error::Decode("GIF with an unknown block".to_owned())),
        }
    }
}
