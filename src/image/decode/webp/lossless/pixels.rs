//! The pixels of an image: written out, copied, or taken from a cache of colours (RFC 9649, 3.6).

use std::sync::LazyLock;

use super::bits::Bits;
use super::codes::{Group, LENGTHS, LITERALS};
use super::{Codes, damage};
use crate::error::Result;
use crate::image::limits::Progress;

/// Pixels between two looks at the clock, and at whether the input has ended.
const CHECKED: usize = 1 << 14;

/// Samples that a short copy moves at once, needed or not.
const SHORT: usize = 16;

/// What is kept of a pixel.
pub(super) trait Sample: Copy + Default + PartialEq {
    /// Reads what follows green, for which 15 bits are available.
    fn beside(green: u32, group: &Group, bits: &mut Bits) -> Self;
    /// From alpha, red, green, blue, the last one lowest.
    fn of(pixel: u32) -> Self;
    /// Where it lies in a cache of so many bits.
    fn place(self, cache_bits: u32) -> usize;
}

impl Sample for u32 {
    #[inline(always)]
    fn beside(green: u32, group: &Group, bits: &mut Bits) -> Self {
        if let Some(rest) = group.rest {
            return rest | green << 8;
        }
        let pixel = green << 8 | group.red.symbol(bits) << 16 | group.blue.symbol(bits);
        // Four codes may take 60 bits, and 56 were there.
        if bits.available() < 15 {
            bits.refill();
        }
        pixel | group.alpha.symbol(bits) << 24
    }

    #[inline(always)]
    fn of(pixel: u32) -> Self {
        pixel
    }

    #[inline(always)]
    fn place(self, cache_bits: u32) -> usize {
        let hash = 0x1e35_a7bd_u32.wrapping_mul(self) >> (u32::BITS - LARGEST_CACHE);
        (hash >> (LARGEST_CACHE - cache_bits)) as usize
    }
}

/// Alpha and, below it, green, of images in which red and blue are 0 wherever they are written out.
impl Sample for u16 {
    #[inline(always)]
    fn beside(green: u32, group: &Group, bits: &mut Bits) -> Self {
        (green | group.alpha.symbol(bits) << 8) as Self
    }

    #[inline(always)]
    fn of(pixel: u32) -> Self {
        (pixel >> 16 & 0xff00 | pixel >> 8 & 0xff) as Self
    }

    #[inline(always)]
    fn place(self, cache_bits: u32) -> usize {
        let [green, alpha] = self.to_le_bytes();
        (u32::from(alpha) << 24 | u32::from(green) << 8).place(cache_bits)
    }
}

/// Green alone, of images in which nothing else changes, so that the codes of the rest take no bits.
impl Sample for u8 {
    #[inline(always)]
    fn beside(green: u32, _: &Group, _: &mut Bits) -> Self {
        green as u8
    }

    #[inline(always)]
    fn of(pixel: u32) -> Self {
        (pixel >> 8) as u8
    }

    /// Such images have no cache.
    fn place(self, _: u32) -> usize {
        0
    }
}

/// Reads all pixels of an image.
///
/// # Errors
/// [`Error::Decode`](crate::Error::Decode) for damage, and where `progress` says so.
pub(super) fn read<P: Sample>(
    bits: &mut Bits,
    codes: &Codes,
    (width, height): (usize, usize),
    progress: &Progress,
) -> Result<Vec<P>> {
    let area = width * height;
    let mut pixels = vec![P::default(); area];
    let mut cache = Cache::new(codes.cache_bits);
    let (mut at, mut x, mut y) = (0, 0, 0);
    let mut next_check = 0;
    while at < area {
        if at >= next_check {
            progress.check()?;
            next_check = at + CHECKED;
        }
        let (group, length) = match &codes.blocks {
            None => (&codes.groups[0], CHECKED),
            Some(blocks) => {
                let block = x >> blocks.side_bits;
                let end = ((block + 1) << blocks.side_bits).min(width);
                (&codes.groups[usize::from(blocks.row(y)[block])], end - x)
            }
        };
        let start = at;
        let end = area.min(at + length);
        if let Some(pixel) = group.only_pixel {
            pixels[at..end].fill(P::of(pixel));
            at = end;
        } else {
            at = stretch(bits, group, &mut cache, &mut pixels, (at, end), width)
                .ok_or_else(|| damage("a copy of pixels that are not there"))?;
        }
        if bits.is_exhausted() {
            return Err(damage("pixels that end too early"));
        }
        x += at - start;
        if x >= width && codes.blocks.is_some() {
            (x, y) = (x % width, y + x / width);
        }
    }
    Ok(pixels)
}

/// Reads pixels from one place to another or, by a copy, beyond it. Returns how far it came, and `None` for damage.
#[inline(always)]
fn stretch<P: Sample>(
    bits: &mut Bits,
    group: &Group,
    cache: &mut Cache<P>,
    pixels: &mut [P],
    (mut at, end): (usize, usize),
    width: usize,
) -> Option<usize> {
    // A copy on the stack stays in registers.
    let mut reader = bits.clone();
    while at < end {
        reader.refill();
        let symbol = group.green.symbol(&mut reader);
        if symbol < LITERALS as u32 {
            *pixels.get_mut(at)? = P::beside(symbol, group, &mut reader);
            at += 1;
        } else if symbol < (LITERALS + LENGTHS) as u32 {
            let length = copied(&mut reader, symbol - LITERALS as u32);
            reader.refill();
            let distance = group.distance.symbol(&mut reader);
            let distance = in_pixels(copied(&mut reader, distance), width);
            copy(pixels, at, distance, length)?;
            at += length;
        } else {
            *pixels.get_mut(at)? = cache.look_up(symbol as usize - LITERALS - LENGTHS, &pixels[..at]);
            at += 1;
        }
    }
    *bits = reader;
    Some(at)
}

/// A length or a distance: the symbol says how many bits follow, of which 18 must be available.
#[inline(always)]
pub(super) fn copied(bits: &mut Bits, symbol: u32) -> usize {
    if symbol < 4 {
        return symbol as usize + 1;
    }
    let extra = (symbol - 2) >> 1;
    (((2 + (symbol & 1)) << extra) + bits.take(extra) + 1) as usize
}

/// Copies pixels that lie `distance` back, and may reach into themselves. `None` where that is before the first one or
/// goes beyond the last.
#[inline(always)]
fn copy<P: Sample>(pixels: &mut [P], at: usize, distance: usize, length: usize) -> Option<()> {
    let from = at.checked_sub(distance)?;
    if length <= SHORT && distance >= SHORT && at + SHORT <= pixels.len() {
        // What is written beyond the end will be written again.
        pixels.copy_within(from..from + SHORT, at);
        return Some(());
    }
    let target = pixels.get(at..at + length)?.len();
    if distance == 1 {
        let pixel = pixels[from];
        pixels[at..at + target].fill(pixel);
        return Some(());
    }
    // What repeats doubles with each step.
    let mut done = 0;
    while done < length {
        let step = (distance + done).min(length - done);
        pixels.copy_within(from..from + step, at + done);
        done += step;
    }
    Some(())
}

/// The nearest places that may be copied from, px to the left and rows above, in the order of their numbers: by distance,
/// of the same ones the highest first, and of two in one row the left one.
static NEAR: LazyLock<Vec<(i32, i32)>> = LazyLock::new(|| {
    let mut near: Vec<(i32, i32)> = (0..=7).flat_map(|up| (-7..=8).map(move |left| (left, up))).collect();
    near.retain(|(left, up)| *up > 0 || *left > 0);
    near.sort_by_key(|(left, up)| (left * left + up * up, -up, -left));
    near
});

/// How far back a distance is in an image of this width.
#[inline(always)]
pub(super) fn in_pixels(distance: usize, width: usize) -> usize {
    NEAR.get(distance - 1).map_or_else(
        || distance - NEAR.len(),
        |(left, up)| {
            let back = i64::from(*up) * width as i64 + i64::from(*left);
            back.max(1) as usize
        },
    )
}

/// The largest cache of colours, as a power of two.
pub(super) const LARGEST_CACHE: u32 = 11;

/// The colours that occurred last, by a hash of themselves.
struct Cache<P> {
    bits: u32,
    colours: [P; 1 << LARGEST_CACHE],
    /// pixels that were entered
    entered: usize,
}

impl<P: Sample> Cache<P> {
    fn new(bits: u32) -> Self {
        Self { bits, colours: [P::default(); 1 << LARGEST_CACHE], entered: 0 }
    }

    /// `before` are all pixels so far. They are entered only now, because one that is the same as the one before changes
    /// nothing, and because many are never asked for.
    #[inline(always)]
    fn look_up(&mut self, place: usize, before: &[P]) -> P {
        let mut last = None;
        for pixels in before[self.entered..].chunks(16) {
            // Counted, for that is done without branches.
            if last.is_some_and(|last| pixels.iter().filter(|pixel| **pixel != last).count() == 0) {
                continue;
            }
            for pixel in pixels {
                self.colours[pixel.place(self.bits)] = *pixel;
            }
            last = pixels.last().copied();
        }
        self.entered = before.len();
        self.colours[place % self.colours.len()]
    }
}
