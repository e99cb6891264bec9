//! WebP by libwebp.
//!
//! What method 2 costs and gives against method 4, which is sharp's, at the same quality, over 18 pictures of 640 and
//! 1080 px:
//!
//! | quality | CPU | bytes | at equal SSIMULACRA2 (worst) | at equal Butteraugli |
//! | --- | --- | --- | --- | --- |
//! | 50 | 0.41 | 1.06 | 1.03 (1.13) | 1.10 |
//! | 75 | 0.42 | 1.05 | 1.03 (1.07) | 1.08 |
//! | 85 | 0.43 | 1.03 | 1.05 (1.10) | 1.08 |
//! | 90 | 0.45 | 1.02 | 1.08 (1.24) | 1.10 |
//! | 100 | 0.54 | 1.40 | 1.44 (2.00) | 1.51 |
//!
//! So it is method 2 up to 85 and from there on sharp's, byte for byte. Method 3 costs what 4 does, and 1 grows
//! the files by a fifth. Segments, noise shaping, sharpness, preprocessing and more passes were tried with method 2
//! and gained nothing.
//!
//! Above 85 that holds for opaque pictures. Where there is transparency it is written by an encoder of our own (`alpha`), and colours
//! that it hides are made cheap first (`hidden`): libwebp alone, which flattens them block by block, takes 5 to 9 % more bytes.

mod alpha;
mod riff;

use std::ffi::c_int;

use libwebp_sys as ffi;

use super::avif::{Levels, interpolate};
use super::{hidden, is_opaque};
use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;

/// Up to this quality, [`FAST`] stands for libwebp's defaults.
const FAST_UP_TO: u8 = 85;

/// libwebp's effort, 0 (fastest) to 6 with a default of 4, and the strength of its deblocking, 0 to 100 with a
/// default of 60. More of the latter makes up for a part of what less of the former loses: 1 % of the bytes by
/// Butteraugli, and by SSIMULACRA2 1 % at quality 85 and nothing at 75.
const FAST: (c_int, c_int) = (2, 75);

/// Next's qualities, and the qualities that [`FAST`] is told there. At the same number it scores up to 2.4 points more
/// than sharp by SSIMULACRA2, and the same by Butteraugli, for up to 9 % more bytes (mean of seven pictures at 640 px). A
/// little less splits the difference between the two metrics.
const FAST_QUALITIES: &Levels = &[
    (1.0, 1.0),
    (10.0, 9.3),
    (25.0, 23.4),
    (40.0, 38.4),
    (50.0, 48.5),
    (60.0, 59.2),
    (75.0, 74.5),
    (85.0, 85.0),
];

/// Encodes a lossy WebP; alpha, where there is any, is lossless. Dimensions are at most 16 383 px.
///
/// # Errors
/// [`Error::Encode`] when libwebp fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(mut pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>> {
    let mut config = defaults()?;
    config.quality = f32::from(quality);
    if quality <= FAST_UP_TO {
        (config.method, config.filter_strength) = FAST;
        config.quality = interpolate(quality, FAST_QUALITIES);
    }
    config.thread_level = 0;

    let size = (pixels.width, pixels.height);
    let plane = (!is_opaque(&pixels)).then(|| alpha_of(&pixels));
    if plane.is_some() {
        hidden::smooth(&mut pixels.data, pixels.width);
    }
    let mut picture = Picture::import(pixels)?;
    let Some(plane) = plane else { return picture.encode(&config, progress) };
    picture.drop_alpha();
    let alpha = alpha::encode(plane, size.0 as usize, progress)?;
    riff::with_alpha(&picture.encode(&config, progress)?, &alpha, size)
}

/// By libwebp alone, with settings that differ from its defaults.
#[cfg(test)]
pub(in crate::image) fn encode_with(
    pixels: Pixels,
    settings: impl FnOnce(&mut ffi::WebPConfig),
    progress: &Progress,
) -> Result<Vec<u8>> {
    let mut config = defaults()?;
    settings(&mut config);
    Picture::import(pixels)?.encode(&config, progress)
}

fn defaults() -> Result<ffi::WebPConfig> {
    ffi::WebPConfig::new().map_err(|()| Error::Encode("libwebp refuses its own defaults".into()))
}

fn alpha_of(pixels: &Pixels) -> Vec<u8> {
    pixels.data.as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect()
}

/// libwebp calls this every few rows; 0 makes it stop.
unsafe extern "C" fn go_on(_percent: c_int, picture: *const ffi::WebPPicture) -> c_int {
    // SAFETY: libwebp hands back the picture that `encode` gave it, whose `user_data` is the `Progress`
    // borrowed for the whole of that call.
    let progress = unsafe { &*(*picture).user_data.cast::<Progress>() };
    c_int::from(progress.check().is_ok())
}

/// libwebp's copy of the pixels, freed on every way out.
struct Picture(ffi::WebPPicture);

impl Picture {
    fn import(pixels: Pixels) -> Result<Self> {
        let picture = ffi::WebPPicture::new()
            .map_err(|()| Error::Encode("libwebp does not match its bindings".into()))?;
        let mut picture = Self(picture);
        // At most 16 383, so these and the stride fit a C int.
        picture.0.width = pixels.width.cast_signed();
        picture.0.height = pixels.height.cast_signed();
        let samples = if pixels.layout == Layout::Rgba { 4 } else { 3 };
        let rgb = match pixels.layout {
            Layout::Luma => pixels.data.iter().flat_map(|&gray| [gray; 3]).collect(),
            Layout::Rgb | Layout::Rgba | Layout::Cmyk => pixels.data,
        };
        let stride = picture.0.width * samples;
        let import = if samples == 4 { ffi::WebPPictureImportRGBA } else { ffi::WebPPictureImportRGB };
        // SAFETY: `encode` has checked that the buffer holds height rows of width pixels, which still
        // holds where gray has become three samples; libwebp copies them and keeps no pointer.
        if unsafe { import(&raw mut picture.0, rgb.as_ptr(), stride) } == 0 {
            return Err(Error::Encode(format!("libwebp: {:?}", picture.0.error_code)));
        }
        Ok(picture)
    }

    /// Leaves only colours, of which libwebp flattens the blocks that are wholly clear.
    fn drop_alpha(&mut self) {
        // SAFETY: `import` has filled the picture, and the call keeps within its planes.
        unsafe { ffi::WebPCleanupTransparentArea(&raw mut self.0) }
        // The plane belongs to the same block as the others.
        self.0.a = std::ptr::null_mut();
        self.0.colorspace = ffi::WebPEncCSP::WEBP_YUV420;
    }

    fn encode(mut self, config: &ffi::WebPConfig, progress: &Progress) -> Result<Vec<u8>> {
        let mut written = Writer::new();
        self.0.writer = Some(ffi::WebPMemoryWrite);
        self.0.custom_ptr = (&raw mut written.0).cast();
        self.0.progress_hook = Some(go_on);
        self.0.user_data = std::ptr::from_ref(progress).cast_mut().cast();
        // SAFETY: config and picture are initialised; `custom_ptr` points at `written` and `user_data` at
        // `progress`, and both outlive the call.
        if unsafe { ffi::WebPEncode(config, &raw mut self.0) } == 0 {
            progress.check()?;
            return Err(Error::Encode(format!("libwebp: {:?}", self.0.error_code)));
        }
        Ok(written.bytes().to_vec())
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: initialised by `WebPPicture::new`; freeing one without pixels is allowed.
        unsafe { ffi::WebPPictureFree(&raw mut self.0) }
    }
}

/// Where libwebp puts the output, freed on every way out.
struct Writer(ffi::WebPMemoryWriter);

impl Writer {
    fn new() -> Self {
        let mut writer = std::mem::MaybeUninit::uninit();
        // SAFETY: the call initialises every field.
        Self(unsafe {
            ffi::WebPMemoryWriterInit(writer.as_mut_ptr());
            writer.assume_init()
        })
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: libwebp keeps `size` initialised bytes at `mem` until the writer is cleared.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`; `mem` belongs to libwebp's allocator or is null.
        unsafe { ffi::WebPMemoryWriterClear(&raw mut self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes and noise, of which a half is clear.
    fn picture() -> Pixels {
        let (width, height) = (90, 70);
        let pixel = |x: u32, y: u32| {
            let alpha = if (x / 20).is_multiple_of(2) { 0 } else { x * 2 + y };
            [x * 2, y * 3, (x * 37) ^ (y * 91), alpha].map(|sample| sample as u8)
        };
        let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        Pixels { data, width, height, layout: Layout::Rgba }
    }

    fn chunk<'a>(file: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        let at = file.windows(4).position(|found| found == name)?;
        let length = u32::from_le_bytes(*file[at + 4..].first_chunk()?) as usize;
        file.get(at + 8..at + 8 + length)
    }

    #[test]
    fn colours_are_those_that_libwebp_writes_beside_alpha_once_hidden_ones_are_smooth() {
        for quality in [40, 85, 95] {
            let ours = encode(picture(), quality, &Progress::unbounded()).expect("a file");
            let settings = |config: &mut ffi::WebPConfig| {
                config.quality = f32::from(quality);
                if quality <= FAST_UP_TO {
                    (config.method, config.filter_strength) = FAST;
                    config.quality = interpolate(quality, FAST_QUALITIES);
                }
            };
            let mut smooth = picture();
            hidden::smooth(&mut smooth.data, smooth.width);
            let theirs = encode_with(smooth, settings, &Progress::unbounded()).expect("a file");
            assert!(chunk(&theirs, b"VP8 ").is_some());
            assert!(chunk(&ours, b"VP8 ") == chunk(&theirs, b"VP8 "), "quality {quality}");
            assert!(chunk(&ours, b"VP8X") == chunk(&theirs, b"VP8X"));
            let as_it_is = encode_with(picture(), settings, &Progress::unbounded()).expect("a file");
            assert!(chunk(&ours, b"VP8 ").map(<[u8]>::len) < chunk(&as_it_is, b"VP8 ").map(<[u8]>::len));
        }
    }

    #[test]
    fn opaque_alpha_is_not_written() {
        let mut opaque = picture();
        opaque.data.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel[3] = 255);
        let file = encode(opaque, 75, &Progress::unbounded()).expect("a file");
        assert_eq!(file.get(12..16), Some(&b"VP8 "[..]));
    }
}
