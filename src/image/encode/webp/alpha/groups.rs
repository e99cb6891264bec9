//! Which blocks share prefix codes (RFC 9649, 3.7.2.2).

use std::collections::BTreeMap;

use super::cost::{self, BIT};

/// Symbols of the first alphabet, levels and lengths, and behind them those of distances.
pub(super) const FIRST: usize = 256 + 24;
pub(super) const ALL: usize = FIRST + 40;

/// What a code takes for each symbol that occurs, and for itself, in bits.
const OF_SYMBOL: f32 = 5.0;
const OF_CODE: f32 = 20.0;

/// What a block costs more for being of another group than the one before.
const CHANGE: u32 = 3 * BIT;

/// A symbol that a group does not have.
const MISSING: u32 = 24 * BIT;

/// How often each block looks for a better group.
const ROUNDS: usize = 2;

/// How often each symbol occurs.
#[derive(Clone)]
pub(super) struct Counts(pub(super) [u32; ALL]);

impl Counts {
    pub(super) const NONE: Self = Self([0; ALL]);

    fn is_empty(&self) -> bool {
        self.0[..FIRST].iter().all(|count| *count == 0)
    }

    fn add(&mut self, other: &Self) {
        for (count, other) in self.0.iter_mut().zip(&other.0) {
            *count += other;
        }
    }

    /// Bits of all symbols and of their codes.
    pub(super) fn cost(&self) -> f32 {
        self.cost_with(&Self::NONE)
    }

    fn cost_with(&self, other: &Self) -> f32 {
        let sums: [u32; ALL] = std::array::from_fn(|at| self.0[at] + other.0[at]);
        let used = sums.iter().map(|sum| u32::from(*sum > 0)).sum::<u32>();
        let symbols = [&sums[..FIRST], &sums[FIRST..]].map(|sums| cost::entropy(sums.iter().copied()));
        symbols[0] + symbols[1] + used as f32 * OF_SYMBOL + OF_CODE
    }

    /// Blocks with nearly the same number are first put together: bits for a symbol, and the share of the first level.
    fn kind(&self) -> (u32, u32) {
        let symbols = &self.0[..FIRST];
        let total = symbols.iter().sum::<u32>().max(1);
        let bits = cost::entropy(symbols.iter().copied()) / total as f32;
        ((bits * 2.0) as u32, symbols[0] * 4 / total)
    }
}

/// Groups of blocks that share codes.
pub(super) struct Groups {
    /// the group of each block
    pub(super) of_block: Vec<u8>,
    /// the sum of each group, of which there is at least one
    pub(super) sums: Vec<Counts>,
}

impl Groups {
    /// All in one.
    pub(super) fn one(blocks: &[Option<Box<Counts>>]) -> Self {
        let mut sum = Counts::NONE;
        blocks.iter().flatten().for_each(|counts| sum.add(counts));
        Self { of_block: vec![0; blocks.len()], sums: vec![sum] }
    }

    /// Those for which blocks and codes take the fewest bits together. A block in which nothing begins has no counts.
    pub(super) fn best(blocks: &[Option<Box<Counts>>]) -> Self {
        let mut kinds: BTreeMap<_, Counts> = BTreeMap::new();
        for counts in blocks.iter().flatten() {
            kinds.entry(counts.kind()).or_insert(Counts::NONE).add(counts);
        }
        let mut groups = Self { of_block: vec![0; blocks.len()], sums: join(kinds.into_values().collect()) };
        for _ in 0..ROUNDS {
            groups.choose(blocks);
        }
        groups
    }

    /// Gives each block to the group in which it costs least.
    fn choose(&mut self, blocks: &[Option<Box<Counts>>]) {
        let costs: Vec<_> = self.sums.iter().map(costs).collect();
        let mut sums = vec![Counts::NONE; costs.len()];
        let mut group = 0;
        for (of_block, counts) in self.of_block.iter_mut().zip(blocks) {
            if let Some(counts) = counts {
                let cost = |other: usize| {
                    let products = counts.0.iter().zip(&costs[other]).map(|(count, cost)| count * cost);
                    products.sum::<u32>() + if other == group { 0 } else { CHANGE }
                };
                group = (0..costs.len()).min_by_key(|other| cost(*other)).unwrap_or(0);
                sums[group].add(counts);
            }
            *of_block = group as u8;
        }
        // Without those that nobody has chosen.
        let mut kept = 0;
        let numbers: Vec<u8> = sums
            .iter()
            .map(|sum| {
                let number = kept;
                kept += u8::from(!sum.is_empty());
                number
            })
            .collect();
        for group in &mut self.of_block {
            *group = numbers[usize::from(*group)];
        }
        if kept > 0 {
            sums.retain(|sum| !sum.is_empty());
        } else {
            sums.truncate(1);
        }
        self.sums = sums;
    }
}

/// What each symbol costs in a group.
fn costs(sum: &Counts) -> [u32; ALL] {
    let mut costs = [0; ALL];
    let (first, rest) = sum.0.split_at(FIRST);
    if let (Some(first), Some(rest)) = (first.first_chunk::<FIRST>(), rest.first_chunk::<{ ALL - FIRST }>()) {
        costs[..FIRST].copy_from_slice(&cost::of_symbols(first, (0, MISSING)));
        costs[FIRST..].copy_from_slice(&cost::of_symbols(rest, (0, MISSING)));
    }
    costs
}

/// Joins two at a time for as long as that saves anything.
fn join(mut sums: Vec<Counts>) -> Vec<Counts> {
    let mut costs: Vec<f32> = sums.iter().map(Counts::cost).collect();
    // What each pair would save, the one with the higher number first.
    let mut gains: Vec<Vec<f32>> = (0..sums.len())
        .map(|a| (0..a).map(|b| costs[a] + costs[b] - sums[a].cost_with(&sums[b])).collect())
        .collect();
    loop {
        let pairs = gains
            .iter()
            .enumerate()
            .flat_map(|(a, gains)| gains.iter().enumerate().map(move |(b, gain)| (*gain, a, b)));
        let Some((gain, a, b)) = pairs.max_by(|one, other| one.0.total_cmp(&other.0)) else { return sums };
        if gain <= 0.0 {
            return sums;
        }
        // The last one takes the place of the one that goes.
        let gone = sums.swap_remove(a);
        costs.swap_remove(a);
        let last = gains.len() - 1;
        let of_last = gains.swap_remove(last);
        if a < last {
            for other in 0..last {
                match other.cmp(&a) {
                    std::cmp::Ordering::Less => gains[a][other] = of_last[other],
                    std::cmp::Ordering::Equal => {}
                    std::cmp::Ordering::Greater => gains[other][a] = of_last[other],
                }
            }
        }
        sums[b].add(&gone);
        costs[b] = sums[b].cost();
        for other in (0..sums.len()).filter(|other| *other != b) {
            let gain = costs[b] + costs[other] - sums[b].cost_with(&sums[other]);
            gains[b.max(other)][b.min(other)] = gain;
        }
    }
}
