//! AVIF through one of two engines.

#[cfg(feature = "libaom")]
pub mod libaom;
pub mod ravif;
