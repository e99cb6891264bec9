//! Relocates the addon that is published, of which the dynamic loader does only a part.
//!
//! The addon has 22,000 addresses that depend on where it is loaded. A list of them takes 24 bytes for each, bitmaps take
//! one bit (RELR, of the generic ABI of ELF). glibc reads those since 2.36, and the addon has to run from 2.28 on. So the
//! linker (`scripts/link.mjs`) gives them the tags that Android had for them, which neither glibc nor musl looks at, and names
//! the function here as the first that the loader calls. An addon linked without has neither.

use std::arch::asm;
use std::slice;

use libc::c_void;

/// The tags of what is relocated here, its address and its bytes, in the dynamic section.
const DT_ANDROID_RELR: u64 = 0x6fff_e000;
const DT_ANDROID_RELRSZ: u64 = 0x6fff_e001;
const DT_NULL: u64 = 0;

/// Words that one bitmap stands for.
const BITS: usize = 63;

/// What is said before the process ends where pages can't be made writable, for then nothing of the addon could run, or not
/// read-only again, which the loader takes for as bad.
const REFUSED: &str = "unsharp: this system does not let its addon relocate itself (mprotect)\n";

/// Bytes of a page, on every x86-64.
const PAGE: usize = 4 << 10;

/// Runs before every initialiser, constructor and other code of the addon.
///
/// Nothing of it may read an address that is itself relocated here, such as one in a table or the place of a panic. What an
/// instruction finds relative to itself is there, and so are the C library's functions, whose addresses the loader has filled in.
///
/// # Safety
///
/// For the dynamic loader, once.
#[unsafe(no_mangle)]
unsafe extern "C" fn unsharp_relocate() {
    let base: *mut c_void;
    let mut dynamic: *const [u64; 2];
    // SAFETY: the linker defines both symbols: the start of the file's header, which is where the addon was loaded, and its dynamic
    // section. They are taken relative to this instruction.
    unsafe {
        asm!(
            ".hidden __ehdr_start",
            ".hidden _DYNAMIC",
            "lea {base}, [rip + __ehdr_start]",
            "lea {dynamic}, [rip + _DYNAMIC]",
            base = out(reg) base,
            dynamic = out(reg) dynamic,
            options(nomem, nostack, preserves_flags),
        );
    }
    let (mut offset, mut size) = (0, 0);
    // SAFETY: the dynamic section is pairs of a tag and a value up to the tag 0.
    while let [tag, value] = unsafe { *dynamic }
        && tag != DT_NULL
    {
        match tag {
            DT_ANDROID_RELR => offset = value as usize,
            DT_ANDROID_RELRSZ => size = value as usize,
            _ => {}
        }
        // SAFETY: it was not the last.
        dynamic = unsafe { dynamic.add(1) };
    }
    if size == 0 {
        return;
    }
    // SAFETY: the linker put so many bytes of entries there, aligned to eight.
    let entries =
        unsafe { slice::from_raw_parts(base.byte_add(offset).cast::<u64>(), size / size_of::<u64>()) };
    // SAFETY: it is the header of the file that this code is in.
    let (constant, length) = unsafe { constant_data(base) };
    // SAFETY: these pages are the addon's own, and nothing of it has run that could look at them. The loader has made them
    // read-only, as if they were done.
    unsafe {
        protect(constant, length, libc::PROT_READ | libc::PROT_WRITE);
        relocate(base, entries);
        protect(constant, length, libc::PROT_READ);
    }
}

/// # Safety
///
/// The pages are the addon's own, and nobody looks at them who can't bear what is to be allowed.
unsafe fn protect(pages: *mut c_void, length: usize, access: libc::c_int) {
    // SAFETY: as the caller has promised; what is written has as many bytes.
    unsafe {
        if libc::mprotect(pages, length, access) != 0 {
            libc::write(libc::STDERR_FILENO, REFUSED.as_ptr().cast(), REFUSED.len());
            libc::abort();
        }
    }
}

/// The pages that are read-only once they are relocated, and their bytes.
///
/// # Safety
///
/// An ELF file for this CPU was loaded at `base`, and its table of segments with it.
unsafe fn constant_data(base: *mut c_void) -> (*mut c_void, usize) {
    // SAFETY: the file starts with its header, which says where the table is and how long.
    let segments = unsafe {
        let header = &*base.cast::<libc::Elf64_Ehdr>();
        let table = base.byte_add(header.e_phoff as usize).cast::<libc::Elf64_Phdr>();
        slice::from_raw_parts(table, usize::from(header.e_phnum))
    };
    for segment in segments {
        if segment.p_type == libc::PT_GNU_RELRO {
            // What is not a whole page at the end is not protected.
            let [start, end] =
                [segment.p_vaddr, segment.p_vaddr + segment.p_memsz].map(|at| at as usize & !(PAGE - 1));
            return (base.wrapping_byte_add(start), end - start);
        }
    }
    (base, 0)
}

/// Adds `base` to every word that `entries` name. An even entry is the offset of one, and where bitmaps go on from: each bit of an
/// odd one, without the lowest, is for one of the next 63 words.
///
/// # Safety
///
/// The entries are of the file that was loaded at `base`, and what they name can be written.
unsafe fn relocate(base: *mut c_void, entries: &[u64]) {
    let add = |word: *mut usize| {
        // SAFETY: as the caller has promised.
        unsafe { *word = (*word).wrapping_add(base.addr()) };
    };
    let mut next: *mut usize = base.cast();
    for &entry in entries {
        if entry & 1 == 0 {
            next = base.wrapping_byte_add(entry as usize).cast();
            add(next);
            next = next.wrapping_add(1);
            continue;
        }
        let mut bits = entry >> 1;
        while bits != 0 {
            add(next.wrapping_add(bits.trailing_zeros() as usize));
            bits &= bits - 1;
        }
        next = next.wrapping_add(BITS);
    }
}
