//! Pictures that have no more colors than a palette.

use super::Indexed;

/// Slots of the table of colors: far more than 256, so that few collide.
const BITS: u32 = 10;

/// The picture without loss, or nothing when it has more than 256 colors or is a gray photograph.
pub(super) fn indexed(pixels: impl ExactSizeIterator<Item = [u8; 4]>) -> Option<Indexed> {
    // A color's number plus one; 0 is a free slot.
    let mut slots = [0u16; 1 << BITS];
    let mut colors: Vec<[u8; 4]> = Vec::with_capacity(256);
    let mut indices = Vec::with_capacity(pixels.len());
    let (mut last, mut number, mut changes) = (None, 0, 0);
    for pixel in pixels {
        // All transparent pixels are one color.
        let pixel = if pixel[3] == 0 { [0; 4] } else { pixel };
        if last != Some(pixel) {
            let mut slot = (u32::from_le_bytes(pixel).wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize;
            number = loop {
                match slots[slot] {
                    0 if colors.len() == 256 => return None,
                    0 => {
                        colors.push(pixel);
                        slots[slot] = colors.len() as u16;
                        break (colors.len() - 1) as u8;
                    }
                    taken if colors[usize::from(taken) - 1] == pixel => break (taken - 1) as u8,
                    _ => slot = (slot + 1) % slots.len(),
                }
            };
            last = Some(pixel);
            changes += 1;
        }
        indices.push(number);
    }
    if is_gray_photograph(&colors, changes, indices.len()) {
        return None;
    }
    let mut order: Vec<u8> = (0..colors.len()).map(|number| number as u8).collect();
    order.sort_by_key(|&number| colors[usize::from(number)][3]);
    let mut places = [0; 256];
    for (place, &number) in order.iter().enumerate() {
        places[usize::from(number)] = place as u8;
    }
    for index in &mut indices {
        *index = places[usize::from(*index)];
    }
    Some(Indexed { colors: order.iter().map(|&number| colors[usize::from(number)]).collect(), indices })
}

/// Nothing gray has more than 256 colors. Where there are many, and most pixels differ from the one before, it
/// is no graphic, and a palette of all of them would take more bytes than the whole picture without one.
fn is_gray_photograph(colors: &[[u8; 4]], changes: usize, pixels: usize) -> bool {
    let is_gray = |&[r, g, b, a]: &[u8; 4]| r == g && g == b && a == 255;
    colors.len() > 64 && changes > pixels / 2 && colors.iter().all(is_gray)
}
