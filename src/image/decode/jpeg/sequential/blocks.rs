//! Blocks of coefficients, as they are written with Huffman codes.

use super::super::tables::ZIGZAG;
use super::bits::Bits;
use super::huffman::{DAMAGE, END, SKIP, Table, value};

/// How the blocks of a component are read: the step of each coefficient and its place, in zigzag order.
pub(super) struct Order {
    /// the step in the upper, the place in the lower 16 bits
    steps: [u32; 64],
    /// the last coefficient that matters
    last: usize,
}

impl Order {
    /// `kept` is the number of columns and of rows whose coefficients matter, 1..=8 each.
    pub(super) fn new(quantization: &[u16; 64], kept: (usize, usize)) -> Self {
        let mut steps = [0; 64];
        let mut last = 0;
        for (index, step) in steps.iter_mut().enumerate() {
            let place = ZIGZAG[index];
            if usize::from(place & 7) < kept.0 && usize::from(place >> 3) < kept.1 {
                *step = u32::from(quantization[index]) << 16 | u32::from(place);
                last = index;
            } else {
                // Times zero, at a place of no other coefficient that matters.
                *step = u32::from(place);
            }
        }
        Self { steps, last }
    }

    #[inline(always)]
    fn dequantize(&self, block: &mut [i16; 64], index: usize, value: i32) {
        let step = self.steps[index & 63];
        block[(step & 63) as usize] = (value as i16).wrapping_mul((step >> 16) as i16);
    }
}

/// Reads one block. `block` has to be all zeros; it gets the dequantized coefficients, row by row. Returns the index
/// of the last coefficient that is not zero, in zigzag order, or a little more.
///
/// # Errors
/// A code that does not exist, or a run beyond the end of the block.
#[inline(always)]
pub(super) fn read_block(
    bits: &mut Bits,
    (dc, ac): (&Table, &Table),
    order: &Order,
    prediction: &mut i32,
    block: &mut [i16; 64],
) -> Result<usize, &'static str> {
    bits.refill();
    let entry = dc.next(bits);
    if entry == DAMAGE {
        return end(usize::MAX).map(|()| 0);
    }
    *prediction = prediction.wrapping_add(value(entry, bits.peek()));
    bits.consume(entry & 255);
    order.dequantize(block, 0, *prediction);

    let mut index = 0;
    while index < order.last {
        // A refill is enough for two codes: the one above and the first one here, or the two here.
        let next = coefficient(bits, ac, order, index, block);
        if next > 63 {
            return end(next - index).map(|()| index);
        }
        index = next;
        if index >= order.last {
            break;
        }
        bits.refill();
        let next = coefficient(bits, ac, order, index, block);
        if next > 63 {
            return end(next - index).map(|()| index);
        }
        index = next;
    }
    skip_to_end(bits, ac, index).map(|()| index)
}

/// Reads a coefficient that comes after that of `index`, and returns its index, which is beyond 63 at the end.
#[inline(always)]
fn coefficient(bits: &mut Bits, ac: &Table, order: &Order, index: usize, block: &mut [i16; 64]) -> usize {
    let entry = ac.next(bits);
    let next = index + (entry >> 24) as usize;
    if next <= 63 {
        order.dequantize(block, next, value(entry, bits.peek()));
    }
    bits.consume(entry & 255);
    next
}

/// What an advance beyond the last coefficient means.
#[inline(always)]
fn end(advance: usize) -> Result<(), &'static str> {
    if advance == END as usize { Ok(()) } else { Err("JPEG with damaged image data") }
}

/// Reads over the rest of a block, of which the coefficients up to `index` have been read.
#[inline(always)]
fn skip_to_end(bits: &mut Bits, ac: &Table, mut index: usize) -> Result<(), &'static str> {
    while index < 63 {
        bits.refill_if_low();
        let string = (bits.peek() >> (64 - SKIP)) as usize;
        let several = ac.skip.get(string).map_or(0, |several| u32::from(*several));
        let next = index + (several >> 8 & 63) as usize;
        let ends = several >> 14;
        // Where the last coefficient comes in between, what follows it belongs to the next block.
        if several != 0 && next as u32 + ends <= 63 {
            bits.consume(several & 255);
            if ends == 1 {
                return Ok(());
            }
            index = next;
            continue;
        }
        let entry = ac.next(bits);
        bits.consume(entry & 255);
        index += (entry >> 24) as usize;
        if index > 63 {
            return end((entry >> 24) as usize);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::tables::Code;
    use super::super::huffman::Class;
    use super::super::huffman::tests::{Writer, codes};
    use super::*;

    /// Blocks whose AC coefficients are given by index, in zigzag order.
    fn blocks(blocks: &[&[(usize, i32)]]) -> (Vec<u8>, Table, Table) {
        // One value, two values and the long run, of 16 zeros.
        let mut counts = [0; 16];
        (counts[1], counts[3], counts[5]) = (2, 3, 15);
        let symbols = [0x00, 0x01, 0x02, 0xf0, 0x11]
            .into_iter()
            .chain((2..=14).map(|run| run << 4 | 1))
            .chain([0xf1, 0x03]);
        let symbols: Vec<u8> = symbols.collect();
        let codes = codes(&counts, &symbols);
        let mut writer = Writer::default();
        for block in blocks {
            writer.value(&codes, 0x01, 1);
            let mut at = 0;
            for &(index, value) in *block {
                let mut run = index - at - 1;
                while run > 15 {
                    writer.value(&codes, 0xf0, 0);
                    run -= 16;
                }
                writer.value(
                    &codes,
                    (run << 4) as u8 | (32 - value.unsigned_abs().leading_zeros()) as u8,
                    value,
                );
                at = index;
            }
            if at < 63 {
                writer.value(&codes, 0x00, 0);
            }
        }
        let code = Code { counts: &counts, symbols: &symbols };
        let table = |class| Table::new(&code, class).expect("a code");
        (writer.bytes(), table(Class::Dc), table(Class::Ac))
    }

    #[test]
    fn coefficients_come_to_their_places_whether_the_rest_is_skipped_or_not() {
        let ramp: Vec<(usize, i32)> =
            (1..64).map(|index| (index, if index % 2 == 0 { 1 } else { -1 })).collect();
        let all: [&[(usize, i32)]; 7] = [
            &[],
            &[(1, 5)],
            &[(63, -1)],
            &[(1, 3), (2, -3), (17, 1), (62, 1)],
            &ramp,
            &[(31, 1), (63, 1)],
            &ramp,
        ];
        let (scan, dc, ac) = blocks(&all);
        let ac = ac.with_skips();
        let steps: [u16; 64] = std::array::from_fn(|index| index as u16 + 2);
        for kept in 1..=8 {
            let order = Order::new(&steps, (kept, kept));
            let mut bits = Bits::new(&scan);
            let mut prediction = 0;
            for (number, wanted) in (1..).zip(&all) {
                let mut block = [0; 64];
                let last =
                    read_block(&mut bits, (&dc, &ac), &order, &mut prediction, &mut block).expect("a block");
                let mut expected = [0; 64];
                expected[0] = 2 * number;
                for &(index, value) in *wanted {
                    let place = usize::from(ZIGZAG[index]);
                    if place % 8 < kept && place / 8 < kept {
                        expected[place] = value as i16 * steps[index].cast_signed();
                        assert!(last >= index, "{kept}");
                    }
                }
                assert_eq!(block, expected, "block {number} with {kept} kept");
            }
            assert!(!bits.is_exhausted());
        }
    }

    #[test]
    fn a_run_beyond_the_block_is_damage() {
        for kept in [1, 8] {
            // Not the end, but one value too many.
            let ramp: Vec<(usize, i32)> = (1..60).map(|index| (index, 1)).chain([(64, 1)]).collect();
            let (scan, dc, ac) = blocks(&[&ramp]);
            let order = Order::new(&[1; 64], (kept, kept));
            let read =
                read_block(&mut Bits::new(&scan), (&dc, &ac.with_skips()), &order, &mut 0, &mut [0; 64]);
            assert!(read.is_err(), "{kept}");
        }
    }
}
