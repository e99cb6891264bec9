//! AVIF: boxes within boxes, and an `iloc` that says where in the file the items lie.

use fastrand::Rng;

use super::pieces::{self, Piece};

const NAMES: [&[u8]; 27] = [
    b"ftyp", b"meta", b"hdlr", b"pitm", b"iloc", b"iinf", b"infe", b"iprp", b"ipco", b"ipma", b"ispe",
    b"pixi", b"av1C", b"colr", b"auxC", b"irot", b"imir", b"clap", b"pasp", b"iref", b"auxl", b"dimg",
    b"prem", b"idat", b"mdat", b"a1op", b"lsel",
];

/// How deep boxes lie within each other in what is looked into.
const DEPTH: u8 = 6;

pub fn mutate(data: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
    let mut boxes = split(data)?;
    let before = place_of(&boxes, b"mdat");
    change(&mut boxes, DEPTH, random);
    let after = place_of(&boxes, b"mdat");
    if let (Some(before), Some(after)) = (before, after)
        && before != after
    {
        shift_items(&mut boxes, before, after);
    }
    Some(join(&boxes))
}

/// One change, in whichever box chance leads to.
fn change(boxes: &mut Vec<Piece>, depth: u8, random: &mut Rng) {
    let within: Vec<usize> = (0..boxes.len()).filter(|at| header_of(&boxes[*at]).is_some()).collect();
    let inner = random.choice(within).filter(|_| depth > 0 && random.u8(..5) > 0);
    let Some(at) = inner else {
        return pieces::rearrange(boxes, &NAMES, random);
    };
    let header = header_of(&boxes[at]).unwrap_or_default().min(boxes[at].body.len());
    let Some(mut children) = split(&boxes[at].body[header..]) else {
        return pieces::rearrange(boxes, &NAMES, random);
    };
    change(&mut children, depth - 1, random);
    boxes[at].body.truncate(header);
    boxes[at].body.extend(join(&children));
}

/// How many bytes stand before the boxes within this one; `None` where there are none.
fn header_of(piece: &Piece) -> Option<usize> {
    match &piece.name[..] {
        b"meta" | b"iref" => Some(4),
        b"iinf" => Some(6),
        b"iprp" | b"ipco" | b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => Some(0),
        _ => None,
    }
}

fn split(data: &[u8]) -> Option<Vec<Piece>> {
    let mut rest = data;
    let mut boxes = Vec::new();
    while let Some((header, _)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let length = if length < 8 { rest.len() } else { length.min(rest.len()) };
        boxes.push(Piece { name: header[4..].to_vec(), body: rest[8..length].to_vec() });
        rest = &rest[length..];
    }
    (!boxes.is_empty()).then_some(boxes)
}

fn join(boxes: &[Piece]) -> Vec<u8> {
    let mut file = Vec::new();
    for Piece { name, body } in boxes {
        if name.len() == 4 {
            file.extend((body.len() as u32 + 8).to_be_bytes());
            file.extend(name);
        }
        file.extend(body);
    }
    file
}

/// Where the box starts among these.
fn place_of(boxes: &[Piece], name: &[u8]) -> Option<u32> {
    let at = boxes.iter().position(|piece| piece.name == name)?;
    Some(boxes[..at].iter().map(|piece| piece.body.len() as u32 + 8).sum())
}

/// Every four bytes in the `iloc` that look like an offset behind the start of `mdat` move along with it.
fn shift_items(boxes: &mut [Piece], before: u32, after: u32) {
    let Some(meta) = boxes.iter_mut().find(|piece| piece.name == b"meta") else { return };
    let Some(start) = meta.body.windows(4).position(|name| name == b"iloc") else { return };
    let length = start
        .checked_sub(4)
        .and_then(|at| meta.body[at..].first_chunk())
        .map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let end = meta.body.len().min((start + length).saturating_sub(4));
    let mut at = start + 4;
    while at + 4 <= end {
        let field: &mut [u8; 4] = meta.body[at..].first_chunk_mut().expect("four are left");
        let offset = u32::from_be_bytes(*field);
        if (before..before.saturating_add(1 << 16)).contains(&offset) {
            *field = (offset - before).wrapping_add(after).to_be_bytes();
            at += 4;
        } else {
            at += 1;
        }
    }
}
