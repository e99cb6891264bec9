//! Huge pages for large blocks.
//!
//! The planes of a picture are taken anew for each job and go back to the system at once. The kernel then clears them page by
//! page, one fault for every 4 KiB, which of decoding an AVIF was a fifth of the time. Where it may give 2 MiB at once
//! (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`, as most distributions do), a block has to ask, and to begin
//! where a huge page does: the C library's begin anywhere, so that up to 2 MiB at either end are small pages.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// Bytes of a huge page: on x86-64, and on arm64 with small ones of 4 KiB. Elsewhere the advice finds none of this size.
const HUGE: usize = 2 << 20;

/// Bytes of the smallest pages that Linux has: what `mremap` aligns to at the least.
const SMALL: usize = 4 << 10;

/// Bytes of the largest of its small pages, on some arm64: what can be mapped everywhere.
const PAGE: usize = 64 << 10;

/// The system's allocator, but blocks of at least a huge page, which are mapped each on its own.
pub(crate) struct HugePages;

// Nothing of it is inlined, for thousands of places call it.
//
// SAFETY: by its layout alone a block is large or not, and each of the two goes back where it came from.
unsafe impl GlobalAlloc for HugePages {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(mapped(layout.size()));
        }
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(mapped(layout.size()));
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` is no more than a layout can have.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(wanted)) {
            // SAFETY: as above.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            // Pages are moved, not copied, to where any page may begin.
            (true, true) if layout.align() <= SMALL => {
                // SAFETY: the block is one of `map`'s, of this length.
                let moved = unsafe {
                    libc::mremap(block.cast(), mapped(layout.size()), mapped(size), libc::MREMAP_MAYMOVE)
                };
                if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() }
            }
            _ => {
                // SAFETY: `wanted` is as good a layout as the caller's, and both blocks have the bytes that are copied.
                unsafe {
                    let new = self.alloc(wanted);
                    if !new.is_null() {
                        ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    new
                }
            }
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: a large block is one of `map`'s, and the caller promises that it is nobody's from here on.
            unsafe { libc::munmap(block.cast(), mapped(layout.size())) };
        } else {
            // SAFETY: as above.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= HUGE && layout.align() <= HUGE
}

/// Bytes that are mapped for a block of `size`: whole pages, and whole huge pages where no more than half of the last one is
/// too much.
fn mapped(size: usize) -> usize {
    let unit = if size % HUGE > HUGE / 2 { HUGE } else { PAGE };
    size.next_multiple_of(unit)
}

/// Fresh pages for `length` bytes, zero, from the start of a huge page on. Null when the system has none.
fn map(length: usize) -> *mut u8 {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping of its own, wherever the system likes.
    let start = unsafe { libc::mmap(ptr::null_mut(), length + HUGE, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    let start: *mut u8 = start.cast();
    let before = start.addr().next_multiple_of(HUGE) - start.addr();
    let block = start.wrapping_add(before);
    // SAFETY: whole pages at both ends of the mapping, in which nothing is yet.
    unsafe {
        libc::munmap(start.cast(), before);
        libc::munmap(block.wrapping_add(length).cast(), HUGE - before);
    }
    // SAFETY: the advice changes nothing about the block but which pages it is made of; a system without huge ones refuses it.
    unsafe { libc::madvise(block.cast(), length, libc::MADV_HUGEPAGE) };
    block
}
