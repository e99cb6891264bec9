//! unsharp: `/_next/image` for self-hosted Next.js, in Rust.
//!
//! The modules stand in the order a request passes through them:
//!
//! ```text
//! request -> negotiate -> key -> cache -> flight -> upstream -> image -> cache -> response
//! ```

pub mod config;

pub mod key;
pub mod negotiate;
pub mod request;

pub mod cache;
#[cfg(feature = "server")]
pub mod coordinate;
#[cfg(feature = "server")]
pub mod flight;
pub mod upstream;

#[cfg(feature = "server")]
mod blur;
pub mod response;

pub mod fair;
#[cfg(feature = "server")]
pub mod handler;
#[cfg(feature = "server")]
pub mod log;
pub mod runtime;
#[cfg(feature = "server")]
pub mod service;
#[cfg(feature = "server")]
pub mod stats;
#[cfg(feature = "server")]
mod tls;

#[cfg(all(feature = "binding", not(test)))]
mod binding;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use unsharp_image::{Error, Result, error, image};
