//! What symbols cost, in sixteenths of a bit.

use std::sync::LazyLock;

/// One bit.
pub(super) const BIT: u32 = 16;

/// n log2 n in bits, for small n.
static N_LOG_N: LazyLock<[f32; 2048]> =
    LazyLock::new(|| std::array::from_fn(|n| if n < 2 { 0.0 } else { n as f32 * (n as f32).log2() }));

fn n_log_n(table: &[f32; 2048], n: u32) -> f32 {
    table.get(n as usize).copied().unwrap_or_else(|| n as f32 * (n as f32).log2())
}

/// The bits of all symbols together where each takes as many as its share asks for.
pub(super) fn entropy(counts: impl Iterator<Item = u32>) -> f32 {
    let table = &*N_LOG_N;
    let (mut total, mut saved) = (0, 0.0);
    for count in counts {
        if count > 1 {
            saved += n_log_n(table, count);
        }
        total += count;
    }
    n_log_n(table, total) - saved
}

/// What each symbol costs by how often it occurs among all; at least `least`, at most `most`.
pub(super) fn of_symbols<const N: usize>(counts: &[u32; N], (least, most): (u32, u32)) -> [u32; N] {
    let total: u32 = counts.iter().sum();
    counts.map(|count| {
        if count == 0 {
            return most;
        }
        let bits = (total as f32 / count as f32).log2();
        ((bits * BIT as f32) as u32).clamp(least, most)
    })
}
