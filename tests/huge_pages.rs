//! The addon's allocator: large blocks ask for huge pages, and are otherwise what the system gives.
#![cfg(target_os = "linux")]

#[path = "../crates/addon/src/huge_pages.rs"]
mod huge_pages;

use std::path::Path;

use huge_pages::HugePages;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

/// Whether the mapping that `block` lies in asks for huge pages: `proc_pid_smaps(5)` calls that `hg`.
fn asks<T>(block: &[T]) -> bool {
    let middle = block.as_ptr().addr() + size_of_val(block) / 2;
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("readable");
    let mut is_here = false;
    for line in maps.lines() {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let ends = range.map(|(start, end)| [start, end].map(|end| usize::from_str_radix(end, 16)));
        if let Some([Ok(start), Ok(end)]) = ends {
            is_here = (start..end).contains(&middle);
        } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| is_here) {
            return flags.split_whitespace().any(|flag| flag == "hg");
        }
    }
    false
}

/// A kernel without them refuses the advice.
fn has_huge_pages() -> bool {
    Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists()
}

/// One test, because a small block may lie where a large one has asked before.
#[test]
fn large_blocks_ask_and_are_otherwise_what_the_system_gives() {
    let small = vec![1_u8; 512 << 10];
    assert!(!asks(&small));

    let mut large = Vec::<u8>::with_capacity(16 << 20);
    assert_eq!(asks(large.spare_capacity_mut()), has_huge_pages());
    let zeroed = vec![0_u64; 2 << 20];
    assert_eq!(asks(&zeroed), has_huge_pages());
    assert!(zeroed.iter().all(|&word| word == 0));

    let mut grown: Vec<u32> = (0..1000).collect();
    grown.reserve_exact(8 << 20);
    assert_eq!(asks(grown.spare_capacity_mut()), has_huge_pages());
    assert!(grown.iter().copied().eq(0..1000));
    grown.shrink_to_fit();
    assert!(grown.iter().copied().eq(0..1000));
}
