//! The memory that decoding takes, from a look at what stands before the pixels.
//!
//! RFC 9649 lets an image name 65 536 groups of five codes, whatever its size. A code of 11 symbols is 8 bytes in the file and
//! a table of 1 KiB in the decoder, which keeps all of them: 2.6 MB can ask for 400. How many groups there are
//! stands behind the images that describe the transforms, so these are read too. Only symbols are: where a pixel is copied from
//! does not change what follows, and the number of groups is decided by pixels that are written out.

use super::bits::Bits;
use super::codes::{Group, LENGTHS, LITERALS};
use super::pixels::copied;
use super::rows::band_bytes;
use super::transform::shared_bits;

/// Bytes of a pixel in an image of its own, and in a picture.
const PIXEL_BYTES: u64 = 4;

/// What a palette takes, with all that its bytes stand for.
const PALETTE_BYTES: u64 = 256 * (4 + 8);

/// What the stream is.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::image::decode::webp) enum Content {
    Picture,
    /// of alpha
    Plane,
}

/// The bytes that decoding the stream takes, at most. `stream` begins behind the header with the dimensions, and `size` is
/// what that says, px. Where the stream is damaged, the decoder stops too, and so does the count.
pub(in crate::image::decode::webp) fn memory_bytes(stream: &[u8], size: (u32, u32), content: Content) -> u64 {
    let mut reader = Reader { bits: Bits::new(stream), held: 0, most: 0 };
    // Either way it has met all that the decoder would.
    let _ = reader.image(size, content);
    reader.most
}

struct Reader<'a> {
    bits: Bits<'a>,
    /// bytes that are held to the end
    held: u64,
    most: u64,
}

impl Reader<'_> {
    /// Bytes that are held from now on.
    fn hold(&mut self, bytes: u64) {
        self.held += bytes;
        self.most = self.most.max(self.held);
    }

    /// `None` where the stream ends or is damaged.
    fn image(&mut self, (width, height): (u32, u32), content: Content) -> Option<()> {
        let area = |width: u32| u64::from(width) * u64::from(height);
        let mut across = width;
        let mut is_green_alone = true;
        let mut seen = [false; 4];
        while self.bits.read(1) == 1 {
            let kind = self.bits.read(2);
            if std::mem::replace(&mut seen[kind as usize], true) {
                return None;
            }
            match kind {
                0 => {
                    is_green_alone = false;
                    self.hold(PIXEL_BYTES * (u64::from(across) + 1));
                    self.blocks((across, height))?;
                }
                1 => {
                    self.blocks((across, height))?;
                }
                2 => {}
                _ => {
                    let count = self.bits.read(8) + 1;
                    self.hold(PALETTE_BYTES);
                    self.inner_image(count, 1)?;
                    across = across.div_ceil(1 << shared_bits(count as usize));
                }
            }
        }
        let cache_bits = super::cache_bits(&mut self.bits)?;
        let mut groups = 1;
        if self.bits.read(1) == 1 {
            groups += self.blocks((across, height))?;
        }
        for _ in 0..groups {
            let group = Group::read(&mut self.bits, cache_bits)?;
            is_green_alone &= group.rest.is_some();
            self.hold(group.memory_bytes());
        }
        self.hold(match content {
            Content::Plane if is_green_alone && cache_bits == 0 => area(across),
            Content::Plane => area(across) * PIXEL_BYTES + area(width) + band_bytes(width),
            Content::Picture => area(across) * PIXEL_BYTES + band_bytes(width),
        });
        Some(())
    }

    /// An image with a pixel for each block of another one, which is held.
    fn blocks(&mut self, (width, height): (u32, u32)) -> Option<u32> {
        let side = 1 << (self.bits.read(3) + 2);
        let (across, down) = (width.div_ceil(side), height.div_ceil(side));
        // As numbers of groups they are copied once.
        self.hold(u64::from(across) * u64::from(down) * (PIXEL_BYTES + 2));
        self.inner_image(across, down)
    }

    /// An image with one group of codes. Returns the largest red and green of its pixels as one number, which is what
    /// names a group.
    fn inner_image(&mut self, width: u32, height: u32) -> Option<u32> {
        let cache_bits = super::cache_bits(&mut self.bits)?;
        let group = Group::read(&mut self.bits, cache_bits)?;
        self.most = self.most.max(self.held + group.memory_bytes());
        if let Some(pixel) = group.only_pixel {
            return Some(pixel >> 8 & 0xffff);
        }
        let mut left = u64::from(width) * u64::from(height);
        let mut largest = 0;
        while left > 0 {
            self.bits.refill();
            let symbol = group.green.symbol(&mut self.bits);
            if symbol < LITERALS as u32 {
                let red = group.red.symbol(&mut self.bits);
                group.blue.symbol(&mut self.bits);
                self.bits.refill();
                group.alpha.symbol(&mut self.bits);
                largest = largest.max(red << 8 | symbol);
                left -= 1;
            } else if symbol < (LITERALS + LENGTHS) as u32 {
                let length = copied(&mut self.bits, symbol - LITERALS as u32);
                self.bits.refill();
                let distance = group.distance.symbol(&mut self.bits);
                copied(&mut self.bits, distance);
                left = left.checked_sub(length as u64)?;
            } else {
                // From the cache, which holds pixels that were there before.
                left -= 1;
            }
            if self.bits.is_exhausted() {
                return None;
            }
        }
        Some(largest)
    }
}
