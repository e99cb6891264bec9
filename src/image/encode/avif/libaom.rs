//! AVIF by libaom, encoder only.
//!
//! The settings depend on the version found at run time, because the tuning that matches sharp's came
//! with 3.13. Measured on 16 photographs and 10 graphics, at equal SSIMULACRA2, against sharp, before
//! `scripts/libaom.patch` took 4 to 22 % off the CPU of 3.14.1:
//!
//! | | photographs bytes, CPU | graphics bytes, CPU |
//! | --- | --- | --- |
//! | 3.14.1, [`IQ`] with [`SQUARES`] | 1.01, 0.46 | 1.04, 0.48 |
//! | 3.14.1, [`IQ`] with [`RECTANGLES`] | 0.99, 0.65 | 0.99, 0.64 |
//! | 3.11, [`SSIM`] | 1.04, 0.55 | 1.05, 0.45 |
//!
//! Memory is 22 bytes a pixel at its peak: 6 the coefficients, 8 the copy of the source and what is decoded of it,
//! 3 our own planes. A library without `scripts/libaom.patch` takes up to 37.

use std::ffi::{CStr, CString, c_int, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use avif_serialize::Aviffy;
use libaom_sys as ffi;

use super::{Engine, Levels, drawn, interpolate, yuv};
use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::encode::{hidden, is_opaque};
use crate::image::limits::Progress;

/// The first version with `tune=iq`, as `aom_codec_version` counts: major, minor, patch, 8 bits each.
const FIRST_WITH_IQ: c_int = 0x03_0d_00;

/// The version that `scripts/libaom.patch` is for.
const SLIM: c_int = 0x03_0e_01;

/// Code points of H.273: sRGB's primaries and transfer, BT.601's matrix. Readers assume these three where
/// the container says nothing, so every reader gets them right.
const PRIMARIES: c_int = 1;
const TRANSFER: c_int = 13;
const MATRIX: c_int = 6;

/// The empty unit with which an AV1 stream separates pictures.
const TEMPORAL_DELIMITER: &[u8] = &[0x12, 0];

/// An option by name and its value. `tune` stands first: setting it resets others.
type Setting = (&'static CStr, &'static CStr);

/// What 3.13 and later are told. `intrabc` eats half of the CPU time on graphics, trellis a third on
/// photographs, tiny partitions another part, each for little.
const IQ: &[Setting] = &[
    (c"tune", c"iq"),
    (c"enable-intrabc", c"0"),
    (c"disable-trellis-quant", c"1"),
    (c"min-partition-size", c"8"),
];

/// What earlier versions are told. `use-intra-dct-only` would save another tenth of the CPU time for 7 % more
/// bytes.
const SSIM: &[Setting] = &[
    (c"tune", c"ssim"),
    (c"enable-qm", c"1"),
    (c"qm-min", c"5"),
    (c"qm-max", c"9"),
    (c"dist-metric", c"qm-psnr"),
    (c"min-partition-size", c"8"),
];

/// Blocks that are rectangles as well take a third to a half more CPU time. Under [`IQ`] they save 4 to 11 % of the bytes of
/// drawings at equal looks, and 0 to 3 % of those of photographs.
const RECTANGLES: Setting = (c"enable-rect-partitions", c"1");
const SQUARES: Setting = (c"enable-rect-partitions", c"0");

/// What the alpha plane is told: as above, for a thousandth of the bytes. The patched library can't do otherwise.
const ALPHA: &[Setting] = &[(c"enable-intrabc", c"0")];

/// libaom's constant-quality levels (0 best, 63 worst) for [`IQ`]. Photographs differ by half a level either way,
/// graphics by up to four.
const IQ_LEVELS: &Levels = &[
    (1.0, 62.0),
    (10.0, 59.7),
    (25.0, 54.6),
    (40.0, 50.5),
    (50.0, 48.1),
    (60.0, 43.5),
    (75.0, 37.6),
    (85.0, 34.8),
    (90.0, 31.7),
    (95.0, 29.6),
    (100.0, 26.5),
];

/// The levels for [`SSIM`]. Photographs differ by up to two levels either way; graphics would need levels up to
/// seven lower.
const SSIM_LEVELS: &Levels =
    &[(1.0, 60.0), (10.0, 54.6), (50.0, 41.7), (60.0, 37.4), (75.0, 30.5), (90.0, 23.4), (100.0, 18.1)];

/// The levels for the alpha plane, whose settings are the same for every version: fitted on one picture so that
/// the mean squared error of alpha is that of sharp, and at 50 the score.
const ALPHA_LEVELS: &Levels =
    &[(1.0, 58.0), (25.0, 50.0), (50.0, 38.5), (75.0, 32.0), (90.0, 26.5), (100.0, 22.0)];

/// What every plane of every version is told, which changes memory and no byte of the output: both prepare for
/// pictures to come, the first with a copy of this one.
const STILL: &[Setting] = &[(c"enable-tpl-model", c"0"), (c"enable-global-motion", c"0")];

/// The control that `scripts/libaom-stop.patch` adds.
const SET_STOP_CALLBACK: c_int = 10_000;

/// libaom's speed for color and for alpha, 0 (slow) to 9. Alpha is flat; it gains nothing from more.
const COLOR_SPEED: &CStr = c"6";
const ALPHA_SPEED: &CStr = c"7";

/// The engine.
pub(super) struct Libaom;

impl Engine for Libaom {
    fn version(&self) -> String {
        let version = library_version();
        format!("libaom {}.{}.{}", version >> 16, version >> 8 & 255, version & 255)
    }

    fn encode(&self, mut pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>> {
        let (width, height) = (pixels.width, pixels.height);
        let has_iq = library_version() >= FIRST_WITH_IQ;
        let (settings, levels) = if has_iq { (IQ, IQ_LEVELS) } else { (SSIM, SSIM_LEVELS) };
        let color_level = level(quality, levels);
        let mut container = Aviffy::new();
        container.set_width(width).set_height(height).set_bit_depth(8);

        if pixels.layout == Layout::Luma {
            container.set_seq_profile(0).set_monochrome(true).set_chroma_subsampling((true, true));
        }
        let alpha = (!is_opaque(&pixels)).then(|| {
            Planes::gray(pixels.data.as_chunks::<4>().0.iter().map(|pixel| pixel[3]), width, height)
        });
        if alpha.is_some() {
            hidden::smooth(&mut pixels.data, width);
        }
        let planes = match pixels.layout {
            Layout::Luma => Planes::gray(pixels.data.iter().copied(), width, height),
            Layout::Rgba => Planes::color(yuv::from_rgb::<4>(&pixels.data), width, height),
            Layout::Rgb | Layout::Cmyk => Planes::color(yuv::from_rgb::<3>(&pixels.data), width, height),
        };
        // libaom takes many times as much.
        drop(pixels);

        let luma = &planes.samples[..width as usize * height as usize];
        let partitions = if has_iq && drawn::is_drawn(luma, width as usize) { RECTANGLES } else { SQUARES };
        let settings = [settings, &[partitions]].concat();
        let color = encode_planes(&planes, &settings, COLOR_SPEED, color_level, progress)?;
        drop(planes);
        progress.check()?;
        let alpha = alpha
            .map(|planes| encode_planes(&planes, ALPHA, ALPHA_SPEED, level(quality, ALPHA_LEVELS), progress))
            .transpose()?;
        progress.check()?;

        let mut file = Vec::with_capacity(color.len() + alpha.as_ref().map_or(0, Vec::len) + 1024);
        container
            .write_slice(&mut file, &color, alpha.as_deref())
            .map_err(|error| Error::Encode(format!("AVIF container: {error}")))?;
        Ok(file)
    }
}

fn level(quality: u8, levels: &Levels) -> u8 {
    interpolate(quality, levels).round() as u8
}

/// Whether this is the library that `scripts/libaom.patch` fits, which takes half the memory of others.
pub(super) fn is_slim() -> bool {
    library_version() == SLIM
}

fn library_version() -> c_int {
    // SAFETY: takes nothing and reads a constant.
    unsafe { ffi::aom_codec_version() }
}

/// Samples the way libaom reads them: plane after plane, rows without padding.
struct Planes {
    samples: Vec<u8>,
    width: u32,
    height: u32,
    monochrome: bool,
}

impl Planes {
    fn color(samples: Vec<u8>, width: u32, height: u32) -> Self {
        Self { samples, width, height, monochrome: false }
    }

    /// libaom has no format with one plane: it reads 4:2:0 and is told to ignore the color.
    fn gray(luma: impl Iterator<Item = u8>, width: u32, height: u32) -> Self {
        let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize * 2;
        let mut samples = Vec::with_capacity(width as usize * height as usize + chroma);
        samples.extend(luma);
        samples.resize(samples.len() + chroma, 128);
        Self { samples, width, height, monochrome: true }
    }
}

/// One still picture as AV1 data.
///
/// # Errors
/// [`Error::Encode`] from libaom, or where it could not be stopped; whatever `progress` says between two rows of blocks.
fn encode_planes(
    planes: &Planes,
    settings: &[Setting],
    speed: &CStr,
    level: u8,
    progress: &Progress,
) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(planes)?;
    for (name, value) in settings.iter().chain(STILL) {
        encoder.set(name, value)?;
    }
    encoder.set(c"cpu-used", speed)?;
    encoder.set(c"cq-level", &CString::new(level.to_string()).unwrap_or_default())?;
    encoder.control(ffi::AV1E_SET_COLOR_PRIMARIES, PRIMARIES)?;
    encoder.control(ffi::AV1E_SET_TRANSFER_CHARACTERISTICS, TRANSFER)?;
    encoder.control(ffi::AV1E_SET_MATRIX_COEFFICIENTS, MATRIX)?;
    // 1 is full range.
    encoder.control(ffi::AV1E_SET_COLOR_RANGE, 1)?;
    encoder.stop_with(progress)?;
    let made = encoder.encode(planes);
    progress.check()?;
    made
}

/// Called by libaom: whether to stop.
extern "C" fn is_over(progress: *const c_void) -> c_int {
    // SAFETY: `Encoder::stop_with` hands libaom the address of a `Progress` that outlives the encoder.
    let progress = unsafe { &*progress.cast::<Progress>() };
    c_int::from(progress.check().is_err())
}

/// libaom's context, destroyed on every way out.
struct Encoder<'a> {
    context: ffi::aom_codec_ctx_t,
    /// What it may look at while it works. It is used by one thread at a time.
    progress: PhantomData<(&'a Progress, *mut ())>,
}

impl<'a> Encoder<'a> {
    fn new(planes: &Planes) -> Result<Self> {
        // SAFETY: takes nothing and returns the address of a static.
        let interface = unsafe { ffi::aom_codec_av1_cx() };
        let mut config = MaybeUninit::<ffi::aom_codec_enc_cfg_t>::zeroed();
        // SAFETY: fills all of `config` when it succeeds.
        let status = unsafe {
            ffi::aom_codec_enc_config_default(interface, config.as_mut_ptr(), ffi::AOM_USAGE_ALL_INTRA)
        };
        check(status, "defaults")?;
        // SAFETY: filled above; it holds only numbers and pointers, for which zero is valid as well.
        let mut config = unsafe { config.assume_init() };
        config.g_w = planes.width;
        config.g_h = planes.height;
        // One frame makes it a still picture with the short header.
        config.g_limit = 1;
        config.g_lag_in_frames = 0;
        config.g_threads = 1;
        // Profile 1 is 4:4:4, 0 is gray.
        config.g_profile = u32::from(!planes.monochrome);
        config.monochrome = u32::from(planes.monochrome);
        config.rc_end_usage = ffi::AOM_Q;

        let mut context = MaybeUninit::<ffi::aom_codec_ctx_t>::zeroed();
        // SAFETY: the context is zeroed as the call wants it, and nothing is to be freed if it fails. libaom
        // copies `config`. The version is that of the bindings, which the library checks.
        let status = unsafe {
            ffi::aom_codec_enc_init_ver(
                context.as_mut_ptr(),
                interface,
                &raw const config,
                0,
                ffi::AOM_ENCODER_ABI_VERSION.cast_signed(),
            )
        };
        check(status, "start")?;
        // SAFETY: initialised by the call that has just succeeded.
        Ok(Self { context: unsafe { context.assume_init() }, progress: PhantomData })
    }

    fn set(&mut self, name: &CStr, value: &CStr) -> Result<()> {
        // SAFETY: the context is alive, both strings end in NUL, and libaom parses them without keeping them.
        let status =
            unsafe { ffi::aom_codec_set_option(&raw mut self.context, name.as_ptr(), value.as_ptr()) };
        check(status, &format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
    }

    fn control(&mut self, id: ffi::aome_enc_control_id, value: c_int) -> Result<()> {
        // SAFETY: the context is alive, and every control used here takes one C int.
        let status = unsafe { ffi::aom_codec_control(&raw mut self.context, id.cast_signed(), value) };
        check(status, &format!("control {id}"))
    }

    /// Makes libaom end with an error once `progress` says so. A library that can't would keep its thread for as long as
    /// noise of any size takes, and is not used at all.
    fn stop_with(&mut self, progress: &'a Progress) -> Result<()> {
        let callback: extern "C" fn(*const c_void) -> c_int = is_over;
        let data: *const c_void = std::ptr::from_ref(progress).cast();
        // SAFETY: the context is alive. A library that knows this control takes a function and what to call it with,
        // which lives for as long as the context may; any other finds the number unknown and leaves the rest alone.
        let status =
            unsafe { ffi::aom_codec_control(&raw mut self.context, SET_STOP_CALLBACK, callback, data) };
        check(status, "it was built without scripts/libaom-stop.patch")
    }

    fn encode(&mut self, planes: &Planes) -> Result<Vec<u8>> {
        let format = if planes.monochrome { ffi::AOM_IMG_FMT_I420 } else { ffi::AOM_IMG_FMT_I444 };
        let mut image = MaybeUninit::<ffi::aom_image_t>::zeroed();
        // SAFETY: the samples are laid out for `format` at these dimensions with rows that are not padded,
        // and outlive the image. libaom only reads them, so the const pointer is good enough.
        let wrapped = unsafe {
            ffi::aom_img_wrap(
                image.as_mut_ptr(),
                format,
                planes.width,
                planes.height,
                1,
                planes.samples.as_ptr().cast_mut(),
            )
        };
        if wrapped.is_null() {
            return Err(Error::Encode("libaom refuses the picture's dimensions".into()));
        }
        // SAFETY: `wrapped` is `image`, which the call has filled; nobody else refers to it.
        let image = unsafe { &mut *wrapped };
        image.monochrome = c_int::from(planes.monochrome);
        image.range = 1;

        let mut output = Vec::new();
        // SAFETY: context and image are alive.
        check(unsafe { ffi::aom_codec_encode(&raw mut self.context, image, 0, 1, 0) }, "encode")?;
        self.collect(&mut output);
        // SAFETY: a null image tells the encoder that this was all.
        check(unsafe { ffi::aom_codec_encode(&raw mut self.context, std::ptr::null(), 0, 1, 0) }, "flush")?;
        self.collect(&mut output);
        // An AVIF item holds one picture, and needs no delimiter in front of it.
        let picture = output.strip_prefix(TEMPORAL_DELIMITER).unwrap_or(&output);
        if picture.is_empty() {
            return Err(Error::Encode("libaom made no output".into()));
        }
        Ok(picture.to_vec())
    }

    /// Appends what the encoder has ready.
    fn collect(&mut self, output: &mut Vec<u8>) {
        let mut position: ffi::aom_codec_iter_t = std::ptr::null();
        loop {
            // SAFETY: the context is alive and `position` is its cursor, which starts as null.
            let packet = unsafe { ffi::aom_codec_get_cx_data(&raw mut self.context, &raw mut position) };
            if packet.is_null() {
                return;
            }
            // SAFETY: a packet that is not null can be read until the next call; its kind says which part of
            // the union holds, and a frame's `buf` has `sz` bytes.
            unsafe {
                if (*packet).kind == ffi::AOM_CODEC_CX_FRAME_PKT {
                    let frame = (*packet).data.frame;
                    output.extend_from_slice(std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz));
                }
            }
        }
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and destroyed only here.
        unsafe { ffi::aom_codec_destroy(&raw mut self.context) };
    }
}

fn check(status: ffi::aom_codec_err_t, what: &str) -> Result<()> {
    if status == ffi::AOM_CODEC_OK {
        return Ok(());
    }
    // SAFETY: returns a static string for every status.
    let text = unsafe { CStr::from_ptr(ffi::aom_codec_err_to_string(status)) };
    Err(Error::Encode(format!("libaom, {what}: {}", text.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::image::limits::Limits;

    #[test]
    fn it_stops_before_the_next_row() {
        let over = Progress::start(&Limits::default(), Arc::new(AtomicBool::new(true)));
        let planes = Planes::gray((0..=u8::MAX).cycle().take(64 * 512), 64, 512);
        let mut encoder = Encoder::new(&planes).unwrap();
        assert_eq!(encoder.stop_with(&over), Ok(()));
        assert!(encoder.encode(&planes).is_err());
    }
}
