//! unsharp's work on pixels, and the error that all of it shares.
//!
//! A crate of its own because cargo sets the optimisation by crate, and so that a change elsewhere compiles none of it
//! again. Nobody but the crate `unsharp` uses it, which shows its modules as its own.

#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/image/mod.rs"]
pub mod image;

pub use error::{Error, Result};

/// A door for the fuzz targets: the orientation that an EXIF block names.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[must_use]
pub fn exif_orientation(block: &[u8]) -> u8 {
    image::decode::exif::orientation(block)
}
