//! unsharp as a Node addon. All of it is in the crate `unsharp`.
//!
//! The crate that is linked last decides by its own optimisation what the linker's optimiser does with every crate, so
//! this one is compiled for speed. `unsharp` is compiled for size: were it the last one, no codec would be vectorised.

extern crate unsharp as _;

#[cfg(target_os = "linux")]
mod huge_pages;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod relocate;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: huge_pages::HugePages = huge_pages::HugePages;
