//! Tables whose entries point into the file: TIFF and ICC. Nothing moves, so what is not touched stays right.

use std::ops::Range;

use fastrand::Rng;

use super::bytes;

/// Changes an entry of the first directory, or what one points to.
pub fn mutate_tiff(data: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
    let little = data.starts_with(b"II");
    let number = |range: Range<usize>| -> Option<usize> {
        let field = data.get(range)?;
        let digits: Box<dyn Iterator<Item = &u8>> =
            if little { Box::new(field.iter().rev()) } else { Box::new(field.iter()) };
        Some(digits.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let directory = number(4..8)?;
    let count = number(directory..directory.checked_add(2)?)?;
    let entry = |at: usize| directory + 2 + at * 12;
    let inside = (0..count.min(64)).take_while(|at| entry(*at) + 12 <= data.len()).count();
    if inside == 0 {
        return None;
    }
    let chosen = entry(random.usize(..inside));
    let mut file = data.to_vec();
    match random.u8(..10) {
        // The tag, the type, the count, the value.
        0 => bytes::write(&mut file[chosen..chosen + 2], random),
        1 => {
            let low = if little { chosen + 2 } else { chosen + 3 };
            file[low] = random.u8(..20);
        }
        2 | 3 => bytes::write(&mut file[chosen + 4..chosen + 8], random),
        4 => bytes::write(&mut file[chosen + 8..chosen + 12], random),
        5 => {
            let at = if little { chosen + 8 } else { chosen + 9 };
            file[at] = random.u8(..35);
        }
        6 => {
            let other = entry(random.usize(..inside));
            file.copy_within(chosen..chosen + 12, other);
        }
        // Which compression, photometric interpretation, predictor, sample format, planes it is.
        7 => {
            let tags = [258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339];
            let tag: u16 = tags[random.usize(..tags.len())];
            let tag = if little { tag.to_le_bytes() } else { tag.to_be_bytes() };
            file[chosen..chosen + 2].copy_from_slice(&tag);
        }
        _ => {
            let target = number(chosen + 8..chosen + 12)?.min(data.len());
            let mut rest = file.split_off(target);
            bytes::mutate(&mut rest, random);
            file.extend(rest);
        }
    }
    Some(file)
}

/// Behind the byte that chooses the pixels: the header's fields, the tags' table, and what the tags point to.
pub fn mutate_icc(data: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
    const START: usize = 1;
    const HEADER: usize = 128;
    const SPACES: [&[u8; 4]; 6] = [b"RGB ", b"GRAY", b"CMYK", b"XYZ ", b"Lab ", b"7CLR"];
    const TYPES: [&[u8; 4]; 9] =
        [b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"XYZ ", b"sf32", b"desc"];
    let table = START + HEADER;
    let count = u32::from_be_bytes(*data.get(table..)?.first_chunk()?) as usize;
    let inside = (0..count.min(64)).take_while(|at| table + 16 + at * 12 <= data.len()).count();
    if inside == 0 {
        return None;
    }
    let entry = table + 4 + random.usize(..inside) * 12;
    let offset = u32::from_be_bytes(*data[entry + 4..].first_chunk()?) as usize;
    let target = (START + offset).min(data.len());
    let mut profile = data.to_vec();
    match random.u8(..10) {
        0 => profile[0] = random.u8(..),
        1 => {
            let field = START + random.choice([16, 20]).unwrap_or(16);
            profile[field..field + 4].copy_from_slice(SPACES[random.usize(..SPACES.len())]);
        }
        2 => bytes::write(&mut profile[entry + 4..entry + 8], random),
        3 => bytes::write(&mut profile[entry + 8..entry + 12], random),
        4 => {
            let other = table + 4 + random.usize(..inside) * 12;
            profile.copy_within(entry + 4..entry + 12, other + 4);
        }
        5 if target + 4 <= data.len() => {
            profile[target..target + 4].copy_from_slice(TYPES[random.usize(..TYPES.len())]);
        }
        6 => {
            let field = START + random.usize(..HEADER / 4) * 4;
            bytes::write(&mut profile[field..field + 4], random);
        }
        _ => {
            // The counts and sizes stand first.
            let end = data.len().min(target + if random.bool() { 32 } else { 4096 });
            let mut body = profile[target..end].to_vec();
            if body.is_empty() {
                return None;
            }
            let at = random.usize(..body.len());
            let width = 4.min(body.len() - at);
            bytes::write(&mut body[at..at + width], random);
            profile[target..end].copy_from_slice(&body);
        }
    }
    Some(profile)
}
