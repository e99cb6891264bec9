//! AVIF files that no encoder writes: built box by box, cut short or altered. Each gives a picture or an
//! error, and none costs more than it may.

mod picture;

use picture::Picture;
use unsharp::Error;
use unsharp::image::decode::{Header, avif};
use unsharp::image::{Limits, Progress};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/avif");
/// Side of each tile of the grid fixture, px.
const TILE: u32 = 64;

fn header(file: &[u8]) -> Result<Header, Error> {
    avif::header(file, &Limits::default())
}

fn decode(file: &[u8]) -> Result<Picture, Error> {
    avif::decode(file, None, &Limits::default(), &Progress::unbounded()).and_then(Picture::of)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/{name}.avif")).unwrap()
}

fn all_fixtures() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(FIXTURES).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "avif"));
    paths.sort();
    assert!(paths.len() > 20);
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), &kind, body].concat()
}

fn full(kind: [u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], body].concat())
}

fn ispe(width: u32, height: u32) -> Vec<u8> {
    full(*b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat())
}

fn grid(columns: u8, rows: u8, width: u16, height: u16) -> Vec<u8> {
    [&[0, 0, rows - 1, columns - 1], &width.to_be_bytes()[..], &height.to_be_bytes()].concat()
}

/// An item whose bytes are the extents of the `idat` box; its number is its place, from 1.
struct Item {
    kind: [u8; 4],
    extents: Vec<(u32, u32)>,
    /// From 1, as in `ipma`.
    properties: Vec<u8>,
}

/// A file of which item 1 is shown, with everything in `idat`.
struct File {
    idat: Vec<u8>,
    items: Vec<Item>,
    properties: Vec<Vec<u8>>,
    references: Vec<Vec<u8>>,
}

impl File {
    /// One tile of the grid fixture as an image of its own.
    fn single() -> Self {
        let idat = tile();
        let extents = vec![(0, idat.len() as u32)];
        let item = Item { kind: *b"av01", extents, properties: vec![1] };
        Self { idat, items: vec![item], properties: vec![ispe(TILE, TILE)], references: Vec::new() }
    }

    /// A grid of `columns`×`rows` times the same tile, shown at `width`×`height` px.
    fn grid(columns: u8, rows: u8, width: u16, height: u16) -> Self {
        let mut file = Self::single();
        let layout = grid(columns, rows, width, height);
        let extent = (file.idat.len() as u32, layout.len() as u32);
        file.idat.extend(layout);
        file.properties.push(ispe(width.into(), height.into()));
        file.items.insert(0, Item { kind: *b"grid", extents: vec![extent], properties: vec![2] });
        let count = u16::from(columns) * u16::from(rows);
        let tiles = [2u16.to_be_bytes()].repeat(count.into()).concat();
        file.references.push(boxed(*b"dimg", &[&[0, 1], &count.to_be_bytes()[..], &tiles].concat()));
        file
    }

    fn iloc(&self) -> Vec<u8> {
        let mut body = vec![0x44, 0x00];
        body.extend((self.items.len() as u16).to_be_bytes());
        for (item, id) in self.items.iter().zip(1u16..) {
            body.extend(
                [id.to_be_bytes(), [0, 1], [0, 0], (item.extents.len() as u16).to_be_bytes()].concat(),
            );
            for (offset, length) in &item.extents {
                body.extend([offset.to_be_bytes(), length.to_be_bytes()].concat());
            }
        }
        full(*b"iloc", 1, &body)
    }

    fn meta(&self, iloc: &[u8]) -> Vec<u8> {
        let mut infos = (self.items.len() as u16).to_be_bytes().to_vec();
        let mut associations = (self.items.len() as u32).to_be_bytes().to_vec();
        for (item, id) in self.items.iter().zip(1u16..) {
            infos.extend(full(*b"infe", 2, &[&id.to_be_bytes(), &[0, 0], &item.kind[..], &[0]].concat()));
            associations.extend([&id.to_be_bytes()[..], &[item.properties.len() as u8]].concat());
            associations.extend(&item.properties);
        }
        let properties =
            [boxed(*b"ipco", &self.properties.concat()), full(*b"ipma", 0, &associations)].concat();
        let boxes = [
            full(*b"pitm", 0, &[0, 1]),
            full(*b"iinf", 0, &infos),
            iloc.to_vec(),
            full(*b"iref", 0, &self.references.concat()),
            boxed(*b"iprp", &properties),
            boxed(*b"idat", &self.idat),
        ];
        full(*b"meta", 0, &boxes.concat())
    }

    fn bytes(&self) -> Vec<u8> {
        [boxed(*b"ftyp", b"avif\0\0\0\0avifmif1"), self.meta(&self.iloc())].concat()
    }
}

/// The AV1 data of the grid fixture's first tile.
fn tile() -> Vec<u8> {
    let file = fixture("grid-2x2");
    // The extent of item 2, the first tile, from avifenc's iloc (version 0, 4-byte offset and length).
    let iloc = file.windows(4).position(|window| window == b"iloc").unwrap() + 4;
    let entries = &file[iloc + 8..];
    let entry = entries.chunks_exact(14).find(|entry| entry[..2] == [0, 2]).unwrap();
    let number = |at: usize| u32::from_be_bytes(entry[at..at + 4].try_into().unwrap()) as usize;
    file[number(6)..number(6) + number(10)].to_vec()
}

fn assert_refused(file: &[u8], why: &str) {
    let error = decode(file).expect_err(why);
    assert!(error.to_string().contains(why), "{error} instead of {why}");
}

#[test]
fn a_built_file_decodes() {
    let decoded = decode(&File::single().bytes()).unwrap();
    assert_eq!((decoded.pixels.width, decoded.pixels.height), (TILE, TILE));
}

#[test]
fn an_item_in_several_extents_is_joined() {
    let whole = decode(&File::single().bytes()).unwrap();
    let mut file = File::single();
    let len = file.idat.len() as u32;
    file.items[0].extents = vec![(0, 10), (10, 1), (11, len - 11)];
    assert_eq!(decode(&file.bytes()).unwrap().pixels, whole.pixels);
    // Swapped, they are something else.
    file.items[0].extents = vec![(10, len - 10), (0, 10)];
    assert!(decode(&file.bytes()).is_err());
}

#[test]
fn a_grid_repeats_and_crops_its_tiles() {
    let tile = decode(&File::single().bytes()).unwrap().pixels;
    let whole = decode(&File::grid(3, 2, 150, 101).bytes()).unwrap().pixels;
    assert_eq!((whole.width, whole.height), (150, 101));
    for (y, row) in whole.data.chunks_exact(150 * 3).enumerate() {
        for (x, pixel) in row.chunks_exact(3).enumerate() {
            let at = ((y % 64) * 64 + x % 64) * 3;
            assert_eq!(pixel, &tile.data[at..at + 3], "at {x}, {y}");
        }
    }
}

#[test]
fn a_claim_of_65535_by_65535_px_is_refused_before_memory_is_taken() {
    let mut file = File::single();
    file.properties[0] = ispe(65_535, 65_535);
    for result in [header(&file.bytes()).map(drop), decode(&file.bytes()).map(drop)] {
        assert!(matches!(result, Err(Error::TooManyPixels { width: 65_535, height: 65_535, .. })));
    }
    file.properties[0] = ispe(u32::MAX, u32::MAX);
    assert!(matches!(header(&file.bytes()), Err(Error::TooManyPixels { .. })));
    file.properties[0] = ispe(0, 64);
    assert!(matches!(header(&file.bytes()), Err(Error::Decode(_))));
}

#[test]
fn a_size_that_the_stream_contradicts_is_refused() {
    for (width, height) in [(64, 63), (63, 64), (32, 32), (65, 64), (128, 32), (16_000, 16_000)] {
        let mut file = File::single();
        file.properties[0] = ispe(width, height);
        assert!(matches!(decode(&file.bytes()), Err(Error::Decode(_))), "{width}x{height}");
    }
}

#[test]
fn a_grid_of_65536_tiles_is_refused() {
    let mut file = File::grid(1, 1, 64, 64);
    let at = file.idat.len() - 8;
    file.idat[at..].copy_from_slice(&[0, 0, 255, 255, 0x30, 0, 0x30, 0]);
    file.properties[1] = ispe(0x3000, 0x3000);
    assert_refused(&file.bytes(), "too many tiles");
}

#[test]
fn grids_that_do_not_add_up_are_refused() {
    assert_refused(&File::grid(3, 2, 200, 101).bytes(), "don't fit");
    assert_refused(&File::grid(3, 2, 128, 101).bytes(), "don't fit");
    let mut file = File::grid(3, 2, 150, 101);
    file.properties[1] = ispe(151, 101);
    assert_refused(&file.bytes(), "another size");
    let mut file = File::grid(2, 2, 128, 128);
    file.references.clear();
    assert_refused(&file.bytes(), "tiles missing");
    // A grid made of itself.
    let mut file = File::grid(1, 1, 64, 64);
    file.references = vec![boxed(*b"dimg", &[0, 1, 0, 1, 0, 1])];
    assert_refused(&file.bytes(), "not AV1");
}

#[test]
fn extents_are_held_to_the_bytes_there_are() {
    let mut file = File::single();
    let len = file.idat.len() as u32;
    for extent in [(0, len + 1), (len + 1, 0), (u32::MAX, 1), (1, u32::MAX)] {
        file.items[0].extents = vec![extent];
        assert_refused(&file.bytes(), "past the end");
    }
    file.items[0].extents = vec![(0, len); 10_000];
    assert_refused(&file.bytes(), "extents overlap");
    file.items[0].extents.clear();
    assert!(matches!(decode(&file.bytes()), Err(Error::Decode(_))));
}

#[test]
fn extents_that_take_no_bytes_to_describe_are_counted() {
    // Offsets and lengths of no bytes: 4000 items of 65535 extents in 32 kB.
    let mut body = vec![0, 0];
    body.extend(4000u16.to_be_bytes());
    for id in 1..=4000u16 {
        body.extend([id.to_be_bytes(), [0, 1], [0, 0], [0xFF, 0xFF]].concat());
    }
    let file = File::single();
    let bytes = [boxed(*b"ftyp", b"avif\0\0\0\0avif"), file.meta(&full(*b"iloc", 1, &body))].concat();
    assert_refused(&bytes, "too many extents");
}

#[test]
fn boxes_larger_than_the_file_are_refused() {
    let good = File::single().bytes();
    for kind in [b"meta", b"iinf", b"iloc", b"iprp", b"ipco", b"ispe", b"ipma", b"pitm"] {
        let at = good.windows(4).position(|window| window == kind).unwrap() - 4;
        for size in [u32::MAX, 0x7FFF_FFFF, 9, 7, 2, 1] {
            let mut file = good.clone();
            file[at..at + 4].copy_from_slice(&size.to_be_bytes());
            assert!(decode(&file).is_err(), "{} of {size} bytes", kind.escape_ascii());
        }
    }
}

#[test]
fn deep_nests_and_long_lists_of_boxes_are_harmless() {
    let mut nest = Vec::new();
    for _ in 0..2000 {
        nest = boxed(*b"meta", &[&[0; 4], &nest[..]].concat());
    }
    let ftyp = boxed(*b"ftyp", b"avif\0\0\0\0avif");
    assert!(decode(&[&ftyp[..], &nest].concat()).is_err());
    let list = boxed(*b"free", b"").repeat(200_000);
    assert!(decode(&[&ftyp[..], &list].concat()).is_err());
    let mut file = File::single();
    file.properties.extend(vec![boxed(*b"free", b""); 10_000]);
    assert_refused(&file.bytes(), "too many properties");
}

#[test]
fn an_essential_property_that_is_not_understood_is_refused() {
    let mut file = File::single();
    file.properties.push(boxed(*b"abcd", b""));
    file.items[0].properties.push(2);
    assert!(decode(&file.bytes()).is_ok());
    file.items[0].properties[1] |= 0x80;
    assert_refused(&file.bytes(), "not understood");
    file.items[0].properties = vec![1, 3];
    assert_refused(&file.bytes(), "not there");
}

/// Asked for such a point, the decoder writes a line to standard error each time.
#[test]
fn an_operating_point_beyond_those_that_av1_has_is_refused() {
    let mut file = File::single();
    file.properties.push(boxed(*b"a1op", &[31]));
    file.items[0].properties.push(2);
    assert!(decode(&file.bytes()).is_ok());
    for point in [32, 255] {
        file.properties[1] = boxed(*b"a1op", &[point]);
        assert_refused(&file.bytes(), "operating point");
        assert!(header(&file.bytes()).is_err());
    }
}

#[test]
fn a_stream_that_changes_its_mind_is_refused() {
    let mut file = File::single();
    let other = {
        let bytes = fixture("444-10");
        let at = bytes.windows(4).position(|window| window == b"mdat").unwrap() + 4;
        bytes[at..].to_vec()
    };
    file.idat.splice(0..0, other);
    file.items[0].extents = vec![(0, file.idat.len() as u32)];
    assert_refused(&file.bytes(), "two different sequence headers");
}

#[test]
fn every_cut_gives_a_picture_or_an_error() {
    for file in all_fixtures() {
        for len in (0..file.len()).step_by(64) {
            let _ = header(&file[..len]);
            let _ = decode(&file[..len]);
        }
        assert!(decode(&file[..file.len() / 3]).is_err());
    }
}

#[test]
fn altered_bytes_give_a_picture_or_an_error() {
    // Small limits, so that an altered size can't make a test machine work for seconds.
    let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = |below: usize| {
        // xorshift64, so that a failure can be had again.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let fixtures = all_fixtures();
    // More on demand: UNSHARP_MUTATIONS=150000 takes half a minute.
    let rounds = std::env::var("UNSHARP_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let mut pictures = 0;
    for _ in 0..rounds {
        let mut file = fixtures[random(fixtures.len())].clone();
        for _ in 0..=random(6) {
            let at = random(file.len());
            file[at] = match random(4) {
                0 => 0,
                1 => 0xFF,
                2 => file[at] ^ (1 << random(8)),
                _ => random(256) as u8,
            };
        }
        let claimed = avif::header(&file, &limits);
        if let Ok(decoded) = avif::decode(&file, None, &limits, &Progress::unbounded()).and_then(Picture::of)
        {
            let (claimed, pixels) = (claimed.expect("what decodes has a header"), decoded.pixels);
            assert_eq!((claimed.width, claimed.height), (pixels.width, pixels.height));
            let len = pixels.width as usize * pixels.height as usize * pixels.layout.channels();
            assert_eq!(pixels.data.len(), len);
            assert!((1..=8).contains(&decoded.orientation));
            pictures += 1;
        }
    }
    assert!(pictures > 0 && pictures < rounds, "{pictures} of {rounds} were pictures");
}
