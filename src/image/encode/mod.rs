//! Pixels to bytes.

pub mod avif;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod tiff;
pub mod webp;
