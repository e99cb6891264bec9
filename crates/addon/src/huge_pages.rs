//! Huge pages for large blocks.
//!
//! The planes of a picture are taken anew for each job and go back to the system at once. The kernel then clears them page by
//! page, one fault for every 4 KiB, which of decoding an AVIF was a fifth of the time. Where it may give 2 MiB at once
//! (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`, as most distributions do), a block has to ask.

use std::alloc::{GlobalAlloc, Layout, System};

/// Bytes from which on a block asks: a huge page on x86-64, and on arm64 with small ones of 4 KiB.
const SMALLEST: usize = 2 << 20;

/// Bytes of a small page. Where they are larger, the advice is refused, and there are fewer faults anyway.
const PAGE: usize = 4 << 10;

/// The system's allocator, whose large blocks ask for huge pages.
pub(crate) struct HugePages;

// SAFETY: every call goes to the system's allocator as it came in; the advice changes nothing about a block but which
// pages it is made of.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `System` asks for.
        advise(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above. A large block is zero because it is fresh, and has no pages yet.
        advise(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.realloc(block, layout, size) }, size)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Asks for huge pages where `block` of `size` bytes has room for one. A system that has none says so, and nothing is lost.
fn advise(block: *mut u8, size: usize) -> *mut u8 {
    if size >= SMALLEST && !block.is_null() {
        // What comes before the block in its first page is the allocator's own, or a neighbour that the advice does not hurt.
        let before = block.addr() % PAGE;
        // SAFETY: these pages are mapped and the process's own; the advice leaves what is in them as it is.
        unsafe { libc::madvise(block.wrapping_sub(before).cast(), size + before, libc::MADV_HUGEPAGE) };
    }
    block
}
