//! PNG: chunks with right checksums, and changes to what is compressed in them.

use std::io::{Read, Write};

use fastrand::Rng;
use flate2::Crc;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::bytes;
use super::pieces::{self, Format, Piece};

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

const PNG: Format = Format {
    split,
    join,
    names: &[
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"cICP",
        b"acTL", b"fcTL", b"fdAT", b"zTXt", b"iTXt", b"tEXt", b"sBIT", b"bKGD",
    ],
};

pub fn mutate(data: &[u8], random: &mut Rng) -> Option<Vec<u8>> {
    if random.u8(..3) == 0 {
        let mut pieces = split(data)?;
        repack(&mut pieces, random);
        return Some(join(&pieces));
    }
    pieces::mutate(data, &PNG, random)
}

/// Changes what one of the compressed chunks holds; all IDAT are one.
fn repack(pieces: &mut Vec<Piece>, random: &mut Rng) {
    let is_packed = |piece: &Piece| matches!(&piece.name[..], b"IDAT" | b"iCCP" | b"zTXt");
    let packed: Vec<usize> = (0..pieces.len()).filter(|at| is_packed(&pieces[*at])).collect();
    let Some(at) = random.choice(packed) else { return };
    let name = pieces[at].name.clone();
    let (head, stream) = if name == b"IDAT" {
        let all: Vec<u8> =
            pieces.iter().filter(|piece| piece.name == name).flat_map(|piece| piece.body.clone()).collect();
        (Vec::new(), all)
    } else {
        let body = &pieces[at].body;
        // A name, a zero, the method.
        let end = body.iter().position(|byte| *byte == 0).map_or(body.len(), |end| body.len().min(end + 2));
        (body[..end].to_vec(), body[end..].to_vec())
    };
    let mut plain = Vec::new();
    // What comes before damage is good enough.
    let _ = ZlibDecoder::new(&stream[..]).take(64 << 10).read_to_end(&mut plain);
    bytes::mutate(&mut plain, random);
    let mut packed = ZlibEncoder::new(head, flate2::Compression::fast());
    packed.write_all(&plain).expect("memory");
    let body = packed.finish().expect("memory");
    if name == b"IDAT" {
        let mut first = true;
        pieces.retain(|piece| piece.name != name || std::mem::take(&mut first));
        if let Some(piece) = pieces.iter_mut().find(|piece| piece.name == name) {
            piece.body = body;
        }
    } else {
        pieces[at].body = body;
    }
}

fn split(data: &[u8]) -> Option<Vec<Piece>> {
    let mut rest = data.strip_prefix(&SIGNATURE)?;
    let mut pieces = Vec::new();
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let length = length.min(body.len());
        pieces.push(Piece { name: header[4..].to_vec(), body: body[..length].to_vec() });
        rest = body.get(length + 4..).unwrap_or_default();
    }
    Some(pieces)
}

fn join(pieces: &[Piece]) -> Vec<u8> {
    let mut file = SIGNATURE.to_vec();
    for Piece { name, body } in pieces {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(body);
        file.extend((body.len() as u32).to_be_bytes());
        file.extend(name);
        file.extend(body);
        file.extend(crc.sum().to_be_bytes());
    }
    file
}
