//! Hostile input for unsharp.
//!
//! [`targets`] says what is done with an input and what must hold afterwards, [`mutate`] makes inputs that get past
//! the first check of a format. `fuzz_targets/` hands both to libFuzzer, one program a target; `replay` runs all of them
//! without it.

#[path = "../../tests/counting/mod.rs"]
pub mod memory;
pub mod mutate;
pub mod targets;
mod thread;

pub use targets::{TARGETS, Target};
