//! What repeats earlier samples, and can be copied from there (RFC 9649, 3.6.2.2).

use std::sync::LazyLock;

use super::cost::{self, BIT};
use crate::error::Result;
use crate::image::limits::Progress;

/// Samples that one copy makes at least, or it would not pay, and at most.
const LEAST: usize = 3;
const LONGEST: usize = 4096;

/// How far back a copy may reach.
const FARTHEST: usize = (1 << 20) - NEAR_CODES as usize;

/// Samples that look like those of an earlier place.
const HASHED: usize = 8;

/// Places that are remembered of those that hash alike, and how many kinds of those there are, as a power of two.
const REMEMBERED: usize = 16;
const HASH_BITS: u32 = 12;

/// Bits of a place that are remembered; above them is a part of the hash.
const PLACE_BITS: u32 = 20;

/// Copies of so many samples are good enough.
const GOOD: usize = 256;

/// Samples of a copy that are remembered themselves.
const ENTERED: usize = 64;

/// Samples between two looks at the clock.
const CHECKED: usize = 1 << 14;

/// A sample that is the same as the one before, and as many as can be had by a copy of them.
const SAME: u32 = BIT;
const SAME_RUN: u32 = 10 * BIT;

/// A copy of one sample: of the one before, of the one above, and of one that is `distance` away.
const OF_BEFORE: u32 = 4 * BIT;
const OF_ABOVE: u32 = 3 * BIT;
const OF_FAR: u32 = 12 * BIT;

/// So many samples from `at` on are those at a distance.
#[derive(Clone, Copy)]
pub(super) struct Copy {
    pub(super) at: u32,
    pub(super) length: u16,
    /// as it is written
    pub(super) distance: u32,
}

/// Distances that are written as places in the neighbourhood.
const NEAR_CODES: u32 = 120;

/// The numbers of these places, by rows above and by samples to the left, of which up to seven are to the right.
static NEAR: LazyLock<[[u8; 16]; 8]> = LazyLock::new(|| {
    let mut near: Vec<(i32, i32)> = (0..8).flat_map(|up| (-7..9).map(move |left| (left, up))).collect();
    near.retain(|(left, up)| *up > 0 || *left > 0);
    near.sort_by_key(|(left, up)| (left * left + up * up, -up, -left));
    let mut numbers = [[0; 16]; 8];
    for (number, (left, up)) in (1..).zip(near) {
        numbers[up as usize][(left + 7) as usize] = number;
    }
    numbers
});

/// What stands for a distance in an image of this width.
fn written(distance: usize, width: usize) -> u32 {
    let (up, left) = (distance / width, distance % width);
    let near = |up: usize, left: usize| NEAR.get(up)?.get(left).copied().filter(|number| *number > 0);
    let number = near(up, left + 7).or_else(|| near(up + 1, (left + 7).checked_sub(width)?));
    number.map_or(distance as u32 + NEAR_CODES, u32::from)
}

/// The symbol of a length or of a distance, and what follows: bits, and how many.
pub(super) fn split(number: u32) -> (usize, u32, u32) {
    if number <= 4 {
        return (number as usize - 1, 0, 0);
    }
    let number = number - 1;
    let high = number.ilog2();
    let extra = high - 1;
    ((2 * high + (number >> extra & 1)) as usize, number & ((1 << extra) - 1), extra)
}

/// Samples, and what they cost.
pub(super) struct Samples {
    pub(super) levels: Vec<u8>,
    /// about what each costs without copies other than of the one before
    costs: Vec<u8>,
}

impl Samples {
    pub(super) fn new(levels: Vec<u8>) -> Self {
        // Where one level goes on, nothing is counted.
        let mut counts = [1; 256];
        each_change(&levels, |at| counts[usize::from(levels[at])] += 1);
        let of_levels = cost::of_symbols(&counts, (BIT / 2, 9 * BIT));
        let mut costs = vec![0; levels.len()];
        let mut last = 0;
        let run = |costs: &mut [u8], start: usize, end: usize| {
            let end = end.min(start + (SAME_RUN / SAME) as usize);
            costs[start..end].fill(SAME as u8);
        };
        each_change(&levels, |at| {
            run(&mut costs, last + 1, at);
            costs[at] = of_levels[usize::from(levels[at])] as u8;
            last = at;
        });
        run(&mut costs, last + 1, levels.len());
        Self { levels, costs }
    }

    /// What all of it costs.
    pub(super) fn cost(&self) -> u64 {
        self.costs.iter().map(|cost| u64::from(*cost)).sum()
    }
}

/// Finds what is copied, in order. No copy begins before the second sample.
///
/// # Errors
/// Those of `progress`.
pub(super) fn find(samples: &Samples, width: usize, progress: &Progress) -> Result<Vec<Copy>> {
    let Samples { levels: samples, costs } = samples;
    let places = vec![[0; REMEMBERED]; 1 << HASH_BITS];
    let mut finder = Finder { samples, width, costs, places, last: 1 };
    let mut copies = Vec::new();
    let (mut at, mut next_check) = (1, 0);
    let mut next = None;
    while at < samples.len() {
        if at >= next_check {
            progress.check()?;
            next_check = at + CHECKED;
        }
        let found = next.take().unwrap_or_else(|| finder.best(at));
        finder.enter(at);
        if found.length == 0 {
            at += 1;
            continue;
        }
        if found.length < 32 && found.distance != 1 && at + 1 < samples.len() {
            let later = finder.best(at + 1);
            if later.gain > found.gain {
                next = Some(later);
                at += 1;
                continue;
            }
        }
        let distance = written(found.distance, width);
        copies.push(Copy { at: at as u32, length: found.length as u16, distance });
        if found.distance != 1 {
            finder.last = found.distance;
            (at + 1..at + found.length.min(ENTERED)).for_each(|at| finder.enter(at));
        }
        at += found.length;
    }
    Ok(copies)
}

/// A copy that could be made, and what it saves. Of length 0, there is none.
#[derive(Clone, Copy, Default)]
struct Found {
    gain: u32,
    length: usize,
    distance: usize,
}

struct Finder<'a> {
    samples: &'a [u8],
    width: usize,
    /// of each sample without copies
    costs: &'a [u8],
    /// the distance of the last copy that was not of the sample before
    last: usize,
    /// by hash, the last one first
    places: Vec<[u32; REMEMBERED]>,
}

impl Finder<'_> {
    /// The number of a hash, and another part of it in the bits above a place. None for what is the same as the sample
    /// before: that is found by other ways.
    #[inline]
    fn hash(&self, at: usize) -> Option<(usize, u32)> {
        let hashed = *self.samples.get(at..at + HASHED)?.first_chunk()?;
        if self.samples[at - 1] == hashed[0] {
            return None;
        }
        let hash = u64::from_le_bytes(hashed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Some((
            (hash >> (u64::BITS - HASH_BITS)) as usize,
            (hash >> PLACE_BITS) as u32 >> PLACE_BITS << PLACE_BITS,
        ))
    }

    #[inline]
    fn enter(&mut self, at: usize) {
        if let Some((hash, part)) = self.hash(at) {
            let places = &mut self.places[hash];
            places.copy_within(..REMEMBERED - 1, 1);
            places[0] = part | at as u32 & ((1 << PLACE_BITS) - 1);
        }
    }

    #[inline]
    fn best(&self, at: usize) -> Found {
        let mut best = Found::default();
        self.consider(&mut best, at, 1, OF_BEFORE);
        self.consider(&mut best, at, self.width, OF_ABOVE);
        self.consider(&mut best, at, self.last, OF_FAR + self.last.ilog2() * BIT);
        if best.length >= GOOD {
            return best;
        }
        if let Some((hash, part)) = self.hash(at) {
            let places = &self.places[hash];
            let differs = |place: &u32| (place ^ part) >> PLACE_BITS != 0;
            // Counted first, for that is done without branches.
            if places.iter().filter(|place| !differs(place)).count() == 0 {
                return best;
            }
            for place in places {
                if differs(place) {
                    continue;
                }
                // A place of which the highest bits are forgotten is as good as any.
                let distance = at.wrapping_sub(*place as usize) & ((1 << PLACE_BITS) - 1);
                if distance > 0 && distance <= FARTHEST {
                    self.consider(&mut best, at, distance, OF_FAR + distance.ilog2() * BIT);
                }
                if best.length >= GOOD {
                    break;
                }
            }
        }
        best
    }

    /// Looks at a copy, and takes it if it is longer and better.
    #[inline]
    fn consider(&self, best: &mut Found, at: usize, distance: usize, cost: u32) {
        let Some(from) = at.checked_sub(distance) else { return };
        let (here, there) = (&self.samples[at..], &self.samples[from..]);
        if here.first_chunk::<LEAST>() == there.first_chunk()
            && here.get(best.length) == there.get(best.length)
        {
            self.measure(best, at, distance, cost);
        }
    }

    /// Takes a copy of which the beginning is known to be right if it is longer and better.
    fn measure(&self, best: &mut Found, at: usize, distance: usize, cost: u32) {
        let length = common(&self.samples[at..], &self.samples[at - distance..]);
        if length <= best.length || length < LEAST {
            return;
        }
        let cost = cost + length.ilog2() * BIT;
        let saved = if distance == 1 {
            (length as u32 * SAME).min(SAME_RUN + length.ilog2() * BIT)
        } else {
            self.costs[at..at + length].iter().map(|cost| u32::from(*cost)).sum()
        };
        if let Some(gain) = saved.checked_sub(cost).filter(|gain| *gain > best.gain) {
            *best = Found { gain, length, distance };
        }
    }
}

/// Calls `each` with the place of every sample that is not the one before.
fn each_change(samples: &[u8], mut each: impl FnMut(usize)) {
    const STEP: usize = 32;
    let (chunks, rest) = samples[1..].as_chunks::<STEP>();
    for (at, (chunk, before)) in chunks.iter().zip(samples.as_chunks::<STEP>().0).enumerate() {
        if chunk != before {
            for offset in 0..STEP {
                if chunk[offset] != before[offset] {
                    each(1 + at * STEP + offset);
                }
            }
        }
    }
    for at in samples.len() - rest.len()..samples.len() {
        if samples[at] != samples[at - 1] {
            each(at);
        }
    }
}

/// How many samples are the same from the first one on.
#[inline]
fn common(here: &[u8], there: &[u8]) -> usize {
    const STEP: usize = 32;
    let most = here.len().min(LONGEST);
    let (here, there) = (&here[..most], &there[..most]);
    let mut length = 0;
    let steps = here.as_chunks::<STEP>().0.iter().zip(there.as_chunks::<STEP>().0);
    length += STEP * steps.take_while(|(here, there)| here == there).count();
    for (here, there) in here[length..].as_chunks::<8>().0.iter().zip(there[length..].as_chunks::<8>().0) {
        let differing = u64::from_le_bytes(*here) ^ u64::from_le_bytes(*there);
        if differing != 0 {
            return length + (differing.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let rest = here[length..].iter().zip(&there[length..]);
    length + rest.take_while(|(here, there)| here == there).count()
}
