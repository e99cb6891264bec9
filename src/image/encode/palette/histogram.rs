//! Which colors a picture has, and how many pixels of each.

use super::space::{Point, premultiplied};

/// Pixels that look nearly the same.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) mean: Point,
    /// What an error here counts.
    pub(super) weight: f32,
    pub(super) pixels: u32,
    /// The color of most of them, if there is one, and by how many pixels it leads all others together.
    pub(super) majority: [u8; 4],
    pub(super) lead: u32,
}

/// The colors of a picture.
pub(super) struct Histogram {
    /// Whether there are pixels with alpha 0.
    pub(super) transparent: bool,
    /// Those of pixels with alpha 1..=254.
    pub(super) translucent: Vec<Group>,
    pub(super) opaque: Vec<Group>,
}

/// Weight grows slower than the count of pixels: a small thing of its own color is seen as well. Fitted.
const WEIGHT_EXPONENT: f32 = 0.7;

/// Half again as much for translucent pixels: [`super::space`] averages over pages, but the worse one is seen.
pub(super) const TRANSLUCENT_WEIGHT: f32 = 1.5;

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// Premultiplied samples and alpha, 0..=255, summed.
    sums: [u64; 4],
    pixels: u32,
    majority: [u8; 4],
    lead: u32,
}

/// Buckets by the high bits of a color. Only those that have pixels take memory.
struct Table {
    /// Numbers of buckets plus one; 0 is none.
    slots: Vec<u32>,
    buckets: Vec<Bucket>,
}

impl Table {
    fn new(bits: u32) -> Self {
        Self { slots: vec![0; 1 << bits], buckets: Vec::new() }
    }

    fn add(&mut self, key: u32, color: [u8; 4], premultiplied: [u32; 4], count: u32) {
        let slot = &mut self.slots[key as usize];
        if *slot == 0 {
            self.buckets.push(Bucket::default());
            *slot = self.buckets.len() as u32;
        }
        let bucket = &mut self.buckets[*slot as usize - 1];
        for (sum, sample) in bucket.sums.iter_mut().zip(premultiplied) {
            *sum += u64::from(sample) * u64::from(count);
        }
        bucket.pixels = bucket.pixels.saturating_add(count);
        // The vote of Boyer and Moore: whoever has more than half of the pixels is ahead at the end.
        if bucket.majority == color {
            bucket.lead = bucket.lead.saturating_add(count);
        } else if bucket.lead >= count {
            bucket.lead -= count;
        } else {
            bucket.majority = color;
            bucket.lead = count - bucket.lead;
        }
    }

    fn groups(&self, weight: f32) -> Vec<Group> {
        let group = |bucket: &Bucket| {
            let pixels = bucket.pixels as f32;
            let [r, g, b, a] = bucket.sums.map(|sum| sum as f32 / pixels);
            Group {
                mean: premultiplied([r, g, b], a / 255.0),
                weight: weight * pixels.powf(WEIGHT_EXPONENT),
                pixels: bucket.pixels,
                majority: bucket.majority,
                lead: bucket.lead,
            }
        };
        self.buckets.iter().map(group).collect()
    }
}

impl Histogram {
    /// `has_alpha`: whether pixels may be translucent at all.
    pub(super) fn of(mut pixels: impl Iterator<Item = [u8; 4]>, has_alpha: bool) -> Self {
        let mut opaque = Table::new(16);
        let mut translucent = Table::new(if has_alpha { 18 } else { 0 });
        let mut transparent = false;
        let mut add = |color: [u8; 4], count: u32| {
            let [r, g, b, a] = color.map(u32::from);
            match a {
                0 => transparent = true,
                255 => opaque.add(r >> 3 << 11 | g >> 2 << 5 | b >> 3, color, [r, g, b, a], count),
                _ => {
                    let [r, g, b] = [r, g, b].map(|sample| (sample * a + 127) / 255);
                    let key = a >> 2 << 12 | r >> 4 << 8 | g >> 4 << 4 | b >> 4;
                    translucent.add(key, color, [r, g, b, a], count);
                }
            }
        };
        if let Some(mut color) = pixels.next() {
            let mut count: u32 = 1;
            for next in pixels {
                if next == color && count < u32::MAX {
                    count += 1;
                } else {
                    add(color, count);
                    (color, count) = (next, 1);
                }
            }
            add(color, count);
        }
        let translucent = translucent.groups(TRANSLUCENT_WEIGHT);
        Self { transparent, translucent, opaque: opaque.groups(1.0) }
    }
}
