//! Files that are a row of pieces, each with a name and a body: JPEG, PNG, GIF, WebP.

use fastrand::Rng;

use super::bytes;

/// A part of a file. Without a name it stands as it is.
#[derive(Clone)]
pub struct Piece {
    pub name: Vec<u8>,
    pub body: Vec<u8>,
}

impl Piece {
    pub fn raw(body: &[u8]) -> Self {
        Self { name: Vec::new(), body: body.to_vec() }
    }
}

/// How a format's pieces are told apart and put together.
pub struct Format {
    pub split: fn(&[u8]) -> Option<Vec<Piece>>,
    pub join: fn(&[Piece]) -> Vec<u8>,
    /// Names that mean something to a decoder.
    pub names: &'static [&'static [u8]],
}

/// `None` when the input is not of the format.
pub fn mutate(data: &[u8], format: &Format, random: &mut Rng) -> Option<Vec<u8>> {
    let mut pieces = (format.split)(data)?;
    if pieces.is_empty() {
        return None;
    }
    for _ in 0..=random.u8(..2) {
        rearrange(&mut pieces, format.names, random);
    }
    Some((format.join)(&pieces))
}

/// One change to the row or to a piece of it; half of them to a body.
pub fn rearrange(pieces: &mut Vec<Piece>, names: &[&[u8]], random: &mut Rng) {
    if pieces.is_empty() {
        return;
    }
    let at = random.usize(..pieces.len());
    let other = random.usize(..pieces.len());
    match random.u8(..12) {
        0..=5 => bytes::mutate(&mut pieces[at].body, random),
        6 => drop(pieces.remove(at)),
        7 => pieces.insert(other, pieces[at].clone()),
        8 => pieces.swap(at, other),
        9 => pieces[at].body = pieces[other].body.clone(),
        10 => {
            let name = names[random.usize(..names.len())].to_vec();
            let body = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
            pieces.insert(at, Piece { name, body });
        }
        _ => {
            if !pieces[at].name.is_empty() {
                pieces[at].name = names[random.usize(..names.len())].to_vec();
            }
        }
    }
}

/// Marker segments, and what follows a scan's header up to the next marker as a piece without a name.
pub const JPEG: Format = Format {
    split: split_jpeg,
    join: join_jpeg,
    names: &[
        &[0xc0],
        &[0xc1],
        &[0xc2],
        &[0xc3],
        &[0xc4],
        &[0xc9],
        &[0xcc],
        &[0xd0],
        &[0xd7],
        &[0xd8],
        &[0xd9],
        &[0xda],
        &[0xdb],
        &[0xdc],
        &[0xdd],
        &[0xe0],
        &[0xe1],
        &[0xe2],
        &[0xee],
        &[0xfe],
        &[0x01],
    ],
};

/// Markers without a length: TEM, RST0 to 7, SOI and EOI.
fn is_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd9)
}

fn split_jpeg(data: &[u8]) -> Option<Vec<Piece>> {
    let mut rest = data.strip_prefix(&[0xff, 0xd8])?;
    let mut pieces = vec![Piece { name: vec![0xd8], body: Vec::new() }];
    while let Some(after) = rest.strip_prefix(&[0xff]) {
        let Some((&marker, after)) = after.split_first() else { break };
        let length = if is_alone(marker) {
            0
        } else {
            after.first_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)))
        };
        let body = after.get(2.min(length)..length).unwrap_or_default();
        pieces.push(Piece { name: vec![marker], body: body.to_vec() });
        rest = after.get(length..).unwrap_or_default();
        let scan = rest
            .windows(2)
            .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff))
            .unwrap_or(rest.len());
        if scan > 0 {
            pieces.push(Piece::raw(&rest[..scan]));
            rest = &rest[scan..];
        }
    }
    Some(pieces)
}

fn join_jpeg(pieces: &[Piece]) -> Vec<u8> {
    let mut file = Vec::new();
    for Piece { name, body } in pieces {
        if let [marker] = name[..] {
            file.extend([0xff, marker]);
            if !is_alone(marker) {
                let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
                file.extend(length.to_be_bytes());
            }
        }
        file.extend(body);
    }
    file
}

/// The header with the palette, extensions, image descriptors and data, each as it is.
pub const GIF: Format = Format { split: split_gif, join: join_raw, names: &[b""] };

fn split_gif(data: &[u8]) -> Option<Vec<Piece>> {
    let header = data.get(..13).filter(|header| header.starts_with(b"GIF"))?;
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let blocks = |from: usize| {
        let mut at = from;
        while let Some(&length) = data.get(at) {
            at += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
        at.min(data.len())
    };
    let mut ends = vec![13 + table(header[10])];
    loop {
        let at = *ends.last().expect("the first is there");
        match data.get(at) {
            Some(0x21) => ends.push(blocks(at + 2)),
            Some(0x2c) => {
                let end = at + 10 + data.get(at + 9).map_or(0, |flags| table(*flags));
                ends.extend([end, blocks(end + 1)]);
            }
            Some(_) => ends.push(at + 1),
            None => break,
        }
    }
    let mut pieces = Vec::new();
    let mut from = 0;
    for end in ends {
        let end = end.clamp(from, data.len());
        pieces.push(Piece::raw(&data[from..end]));
        from = end;
    }
    Some(pieces)
}

fn join_raw(pieces: &[Piece]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.body.iter().copied()).collect()
}

/// Chunks of a WebP.
pub const RIFF: Format = Format {
    split: split_riff,
    join: join_riff,
    names: &[b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF"],
};

fn split_riff(data: &[u8]) -> Option<Vec<Piece>> {
    let mut rest = data.get(12..).filter(|_| data.starts_with(b"RIFF"))?;
    let mut pieces = Vec::new();
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let length = length.min(body.len());
        pieces.push(Piece { name: header[..4].to_vec(), body: body[..length].to_vec() });
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
    Some(pieces)
}

fn join_riff(pieces: &[Piece]) -> Vec<u8> {
    let mut chunks = b"WEBP".to_vec();
    for Piece { name, body } in pieces {
        chunks.extend(name);
        chunks.extend((body.len() as u32).to_le_bytes());
        chunks.extend(body);
        chunks.extend(std::iter::repeat_n(0, body.len() % 2));
    }
    let mut file = b"RIFF".to_vec();
    file.extend((chunks.len() as u32).to_le_bytes());
    file.extend(chunks);
    file
}
