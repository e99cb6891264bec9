//! ravif, pure Rust.
