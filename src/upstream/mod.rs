//! Where source images come from, and what may be fetched.

pub mod address;
pub mod local;
pub mod pattern;
#[cfg(feature = "server")]
pub mod remote;
