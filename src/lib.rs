//! unsharp: `/_next/image` for self-hosted Next.js, in Rust.
//!
//! The modules stand in the order a request passes through them:
//!
//! ```text
//! request -> negotiate -> key -> cache -> flight -> upstream -> image -> cache -> response
//! ```

pub mod error;

pub mod image;

pub mod runtime;

pub use error::{Error, Result};
