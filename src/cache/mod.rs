//! Variants that were made before: what an entry is, how fresh it is, and where entries live.

pub mod filesystem;
pub mod memory;
