//! AVIF through one of two engines.
//!
//! libaom it is wherever it can be built: measured against sharp it needs less than half the CPU time at
//! 0.99 (drawings) to 1.01 (photographs) of the bytes, where ravif takes 1.3 to 2 times the CPU at 1.2 to 1.4.
//! ravif is what a build without cmake and a C compiler has. No build has both: rav1e alone is three megabytes.

#[cfg(feature = "libaom")]
mod drawn;
#[cfg(feature = "libaom")]
pub mod libaom;
#[cfg(not(feature = "libaom"))]
pub mod ravif;
#[cfg(feature = "libaom")]
mod yuv;

use crate::error::{Error, Result};
use crate::image::decode::Pixels;
use crate::image::limits::Progress;

/// An AV1 encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AvifEngine {
    /// libaom, the reference encoder, in C; only in builds with the feature `libaom`.
    Libaom,
    /// ravif over rav1e, in Rust; only in builds without the feature `libaom`.
    Ravif,
}

impl AvifEngine {
    /// The engine of this build.
    #[must_use]
    pub const fn of_build() -> Self {
        if cfg!(feature = "libaom") { Self::Libaom } else { Self::Ravif }
    }

    fn engine(self) -> Result<&'static dyn Engine> {
        match self {
            #[cfg(feature = "libaom")]
            Self::Libaom => Ok(&libaom::Libaom),
            #[cfg(feature = "libaom")]
            Self::Ravif => Err(Error::InvalidOption("this build has libaom and no ravif".into())),
            #[cfg(not(feature = "libaom"))]
            Self::Libaom => Err(Error::InvalidOption("this build has ravif and no libaom".into())),
            #[cfg(not(feature = "libaom"))]
            Self::Ravif => Ok(&ravif::Ravif),
        }
    }
}

/// What both engines can do.
trait Engine {
    /// Name and version of the library, for logs and `doctor`.
    fn version(&self) -> String;

    /// A whole AVIF file. `quality` is on Next's scale; the pixels are Luma, Rgb or Rgba of at most
    /// 65 535 px a side.
    fn encode(&self, pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>>;
}

/// Next's qualities, rising from 1 to 100, and what an engine must be told to score what sharp scores there:
/// medians of six photographs and three graphics by SSIMULACRA2. sharp's `avif()` was called as Next calls it,
/// with quality `max(round(q * 50 / 80), 1)` and effort 3.
pub(super) type Levels = [(f32, f32)];

/// The value for `quality`, on the straight line between the two entries around it.
pub(super) fn interpolate(quality: u8, levels: &Levels) -> f32 {
    let quality = f32::from(quality);
    let above = levels.partition_point(|&(q, _)| q < quality).clamp(1, levels.len() - 1);
    let ((from, start), (to, end)) = (levels[above - 1], levels[above]);
    start + (end - start) * (quality - from) / (to - from)
}

/// Name and version of this build's engine, such as `libaom 3.14.1`.
#[must_use]
pub fn engine_version() -> String {
    AvifEngine::of_build().engine().map(Engine::version).unwrap_or_default()
}

/// Encodes with the engine asked for, or this build's one.
///
/// # Errors
/// [`Error::InvalidOption`] when this build lacks the engine, [`Error::Encode`] when it fails,
/// [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(
    pixels: Pixels,
    quality: u8,
    engine: Option<AvifEngine>,
    progress: &Progress,
) -> Result<Vec<u8>> {
    engine.unwrap_or(AvifEngine::of_build()).engine()?.encode(pixels, quality, progress)
}

/// What encoding takes at its peak, the planes and the file included, bytes a pixel: measured and rounded up.
pub(in crate::image) fn bytes_per_pixel() -> u64 {
    #[cfg(feature = "libaom")]
    if libaom::is_slim() {
        return 26;
    }
    48
}
