//! Changes to bytes that nothing is known of.

use fastrand::Rng;

/// Numbers around which things break, as the low bytes of one.
const EDGES: [u32; 20] = [
    0,
    1,
    2,
    7,
    8,
    9,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0xff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_fffe,
    0xffff_ffff,
];

/// One to four changes; may leave nothing.
pub fn mutate(data: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..=random.u8(..4) {
        once(data, random);
    }
}

fn once(data: &mut Vec<u8>, random: &mut Rng) {
    if data.is_empty() {
        data.extend((0..random.usize(..16)).map(|_| random.u8(..)));
        return;
    }
    let at = position(data.len(), random);
    let range = at..data.len().min(at + 1 + random.usize(..24));
    match random.u8(..14) {
        0 => data[at] ^= 1 << random.u8(..8),
        1 => data[at] = random.u8(..),
        2 => data[at] = data[at].wrapping_add(random.u8(..9)).wrapping_sub(4),
        3..=6 => number(data, at, random),
        7 => drop(data.drain(range)),
        8 => {
            let copy = data[range].to_vec();
            data.splice(at..at, copy);
        }
        9 => {
            let target = position(data.len(), random);
            let length = range.len().min(data.len() - target);
            data.copy_within(range.start..range.start + length, target);
        }
        10 => random.shuffle(&mut data[range]),
        11 => {
            let byte = if random.bool() { 0 } else { random.u8(..) };
            let most = if random.u8(..8) == 0 { 512 } else { 16 };
            let count = 1 + random.usize(..most);
            data.splice(at..at, std::iter::repeat_n(byte, count));
        }
        12 => data[range].fill(random.choice([0, 0xff, b' ']).unwrap_or(0)),
        _ => data.truncate(at),
    }
}

/// More often near the start, where the structure is.
fn position(length: usize, random: &mut Rng) -> usize {
    let range = if random.bool() { length.min(64) } else { length };
    random.usize(..range)
}

/// Writes an edge, or something near to what is there, over one to four bytes in either order.
fn number(data: &mut [u8], at: usize, random: &mut Rng) {
    let width = random.choice([1, 2, 4]).unwrap_or(1).min(data.len() - at);
    let field = &mut data[at..at + width];
    write(field, random);
}

/// The same over a field of one to four bytes whose place is known.
pub fn write(field: &mut [u8], random: &mut Rng) {
    let little = random.bool();
    let mut now = [0; 4];
    let width = field.len().min(4);
    now[4 - width..].copy_from_slice(&field[..width]);
    if little {
        now[4 - width..].reverse();
    }
    let now = u32::from_be_bytes(now);
    let near = now.wrapping_add(random.u32(..33)).wrapping_sub(16);
    let next = match random.u8(..4) {
        0 => near,
        1 => now.rotate_left(random.u32(..8)),
        _ => EDGES[random.usize(..EDGES.len())],
    };
    let mut bytes = next.to_be_bytes();
    let bytes = &mut bytes[4 - width..];
    if little {
        bytes.reverse();
    }
    field[..width].copy_from_slice(bytes);
}

/// Puts in a word, exchanges one for another, or doubles a part.
pub fn with_word(data: &[u8], words: &[&str], random: &mut Rng) -> Vec<u8> {
    let mut text = data.to_vec();
    for _ in 0..=random.u8(..3) {
        let word = words[random.usize(..words.len())].as_bytes();
        let at = random.usize(..=text.len());
        match random.u8(..6) {
            0 | 1 => drop(text.splice(at..at, word.iter().copied())),
            2 => {
                let end = text.len().min(at + word.len());
                text.splice(at..end, word.iter().copied());
            }
            3 => exchange(&mut text, word, words, random),
            4 => {
                let end = text.len().min(at + 1 + random.usize(..64));
                let copy = text[at..end].repeat(1 + random.usize(..4));
                text.splice(at..at, copy);
            }
            _ => {
                let end = text.len().min(at + 1 + random.usize(..16));
                text.drain(at..end);
            }
        }
    }
    text
}

fn exchange(text: &mut Vec<u8>, word: &[u8], words: &[&str], random: &mut Rng) {
    let from = words[random.usize(..words.len())].as_bytes();
    let places: Vec<usize> = text
        .windows(from.len().max(1))
        .enumerate()
        .filter(|(_, part)| *part == from)
        .map(|(at, _)| at)
        .collect();
    if let Some(at) = random.choice(places) {
        text.splice(at..at + from.len(), word.iter().copied());
    }
}
