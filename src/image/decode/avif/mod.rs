//! AVIF: container in safe Rust, AV1 by re_rav1d.

pub mod container;
