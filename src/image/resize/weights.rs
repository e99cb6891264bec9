//! How much of each source sample a result takes: Lanczos3, in whole numbers.

use std::f64::consts::PI;
use std::ops::Range;

/// How far Lanczos3 reaches, in steps of the scale.
const REACH: f64 = 3.0;

/// Results that have a window of the source in common.
pub(super) const GROUP: usize = 2;

/// Bits that a sum of samples times weights has in front of the point: those of a sample, a sign, and one for weights
/// below zero, which let others add up to more than one.
const BITS_BEFORE_POINT: u32 = 10;

/// The weights of one direction.
pub(super) struct Weights {
    /// of each group, the first sample of its window
    starts: Vec<u32>,
    /// of each group for each two samples of its window, the weights in each of its results, of the earlier sample in
    /// the lower half
    pairs: Vec<[i32; GROUP]>,
    /// two samples each in a window
    pairs_each: usize,
    /// bits behind the point of a weight
    bits: u32,
    /// samples of the source
    source: u32,
}

/// What one result is made of.
struct Window {
    /// samples of the source
    samples: Range<u32>,
    /// of its first weight among all
    from: usize,
}

impl Weights {
    /// Of `results` samples that are made of the first `covered` of `source` samples, none of which may be nought.
    pub(super) fn new(source: u32, covered: f64, results: u32) -> Self {
        let step = covered / f64::from(results);
        let stretch = step.max(1.0);
        let mut exact = Vec::with_capacity(results as usize * window_of_one(step) as usize);
        let mut windows = Vec::with_capacity(results as usize);
        for result in 0..results {
            let centre = (f64::from(result) + 0.5) * step - 0.5;
            let start = ((centre - REACH * stretch).floor() + 1.0).max(0.0) as u32;
            let end = (centre + REACH * stretch).ceil().min(f64::from(source)) as u32;
            let from = exact.len();
            exact.extend((start..end).map(|at| lanczos3((f64::from(at) - centre) / stretch)));
            let sum: f64 = exact[from..].iter().sum();
            exact[from..].iter_mut().for_each(|weight| *weight /= sum);
            windows.push(Window { samples: start..end, from });
        }
        Self::grouped(source, &exact, &windows)
    }

    fn grouped(source: u32, exact: &[f64], windows: &[Window]) -> Self {
        let groups = || windows.chunks(GROUP);
        let whole = |group: &[Window]| {
            let end = group.last().map_or(0, |window| window.samples.end);
            group.first().map_or(0, |window| window.samples.start)..end
        };
        let pairs_each = groups().map(|group| whole(group).len().div_ceil(2)).max().unwrap_or(0);
        let mut pairs = vec![[0; GROUP]; pairs_each * groups().len()];
        let mut starts = Vec::with_capacity(groups().len());
        let bits = bits_for(exact.iter().copied().fold(0.0, f64::max));
        for (group, pairs) in groups().zip(pairs.chunks_exact_mut(pairs_each)) {
            // All are of one length, for which those at the end begin earlier.
            let start = whole(group).start.min(source.saturating_sub(2 * pairs_each as u32));
            for (result, window) in group.iter().enumerate() {
                let places = window.samples.clone().map(|sample| (sample - start) as usize);
                for (place, weight) in places.zip(&exact[window.from..]) {
                    let weight = (weight * f64::from(1 << bits)).round() as i32;
                    pairs[place / 2][result] |= (weight & 0xffff) << (place % 2 * 16);
                }
            }
            starts.push(start);
        }
        Self { starts, pairs, pairs_each, bits, source }
    }

    /// Samples that group number `group` needs, all groups the same number where the source has that many.
    pub(super) fn window(&self, group: usize) -> Range<u32> {
        let start = self.starts[group];
        start..(start + 2 * self.pairs_each as u32).min(self.source)
    }

    /// The weights of group number `group`, for two samples each.
    pub(super) fn pairs(&self, group: usize) -> &[[i32; GROUP]] {
        &self.pairs[group * self.pairs_each..][..self.pairs_each]
    }

    pub(super) fn groups(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn bits(&self) -> u32 {
        self.bits
    }
}

/// Samples that one result is made of at most, where the next one's lie a `step` further on.
fn window_of_one(step: f64) -> u32 {
    ((2.0 * REACH * step.max(1.0)).ceil() as u32).saturating_add(1)
}

/// The same of a group.
pub(super) fn window_of_group(step: f64) -> u32 {
    window_of_one(step).saturating_add((step * (GROUP - 1) as f64).ceil() as u32 + 2)
}

/// Bytes that the weights of so many results take at most, while they are made.
pub(super) fn memory_bytes(step: f64, results: u32) -> u64 {
    let exact = u64::from(window_of_one(step)) * size_of::<f64>() as u64 + size_of::<Window>() as u64;
    let pairs = u64::from(window_of_group(step) / 2) * size_of::<[i32; GROUP]>() as u64;
    let groups = u64::from(results).div_ceil(GROUP as u64);
    u64::from(results) * exact + groups * (pairs + size_of::<u32>() as u64)
}

/// As many bits behind the point as the largest weight leaves in 16 bits, and its sums in 32.
fn bits_for(largest: f64) -> u32 {
    let fits = |bits: &u32| (largest * f64::from(1 << bits)).round() <= f64::from(i16::MAX);
    (1..u32::BITS - BITS_BEFORE_POINT).rev().find(fits).unwrap_or(0)
}

/// sinc(x) * sinc(x / 3), with one sine instead of two: sin(3t) = 3 sin t - 4 sin³ t.
fn lanczos3(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    if x.abs() >= REACH {
        return 0.0;
    }
    let t = x * (PI / REACH);
    let sine = t.sin();
    (3.0 - 4.0 * sine * sine) * sine * sine / (3.0 * t * t)
}
