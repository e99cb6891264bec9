//! The image core: bytes in, bytes out. Pure: no napi, tokio, http or file system.
//!
//! [`optimize`] is the whole way: probe, decode, resize, convert to sRGB, orient, encode.

pub mod color;
pub mod decode;
pub mod encode;
pub mod format;
pub mod limits;
pub mod orientation;
pub mod resize;

pub use format::{Format, OutputFormat};
pub use limits::{Limits, Progress};
