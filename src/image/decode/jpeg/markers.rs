//! The structure of a JPEG file: its segments, and where its scans begin and end.
//!
//! Read here and not by a decoder for three reasons: damage that a decoder would paint over is found (a
//! file that ends too early), what a decoder would spend is known before it starts (scans, coefficients),
//! and metadata costs no copy.

use memchr::memchr;

use super::tables::Tables;
use crate::error::{Error, Result};

/// One color component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    /// sampling factor 1..=4
    pub horizontal: u8,
    /// sampling factor 1..=4
    pub vertical: u8,
    /// number of its quantization table
    pub quantization: u8,
}

/// One component of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selected {
    /// of the component
    pub id: u8,
    /// number of its table for DC coefficients
    pub dc: u8,
    /// number of its table for AC coefficients
    pub ac: u8,
}

/// The first scan.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    /// in the order of the frame
    pub components: Vec<Selected>,
    /// whether it holds all coefficients at full precision
    pub is_whole: bool,
    /// the entropy-coded data with its restart markers
    pub data: &'a [u8],
}

/// What the segments say.
#[derive(Debug, Default)]
pub(super) struct Structure<'a> {
    /// px
    pub width: u16,
    /// px
    pub height: u16,
    pub progressive: bool,
    /// 1, 3 or 4
    pub components: Vec<Component>,
    /// the color transform of an Adobe segment
    pub adobe: Option<u8>,
    pub jfif: bool,
    /// the first EXIF segment, from its `Exif\0\0` on
    pub exif: Option<&'a [u8]>,
    pub scans: u32,
    /// as they stand when the first scan begins
    pub tables: Tables<'a>,
    /// the first scan, if its header is sound
    pub scan: Option<Scan<'a>>,
    /// components in the first scan
    pub first_scan: usize,
    /// bytes of entropy-coded data in all scans
    pub entropy: u64,
    /// bytes in APP and COM segments, which decoders copy
    pub metadata: u64,
    /// what is wrong after the first scan began; nothing in a whole file
    pub damage: Option<&'static str>,
    /// parts of the ICC profile by their number; APP2 counts from 1
    icc: Vec<(u8, u8, &'a [u8])>,
}

/// Reads the whole structure, up to the end-of-image marker; whatever follows that is ignored.
///
/// # Errors
/// [`Error::Decode`] for damage before the first scan and for kinds of JPEG that are not supported
/// (lossless, arithmetic, hierarchical, 12 bits, number of components other than 1, 3, 4). Later damage is
/// in [`Structure::damage`], because the header is good nevertheless.
pub(super) fn read(input: &[u8]) -> Result<Structure<'_>> {
    let mut jpeg = Structure::default();
    match segments(input, &mut jpeg) {
        Ok(()) => {}
        Err(damage) if jpeg.scans > 0 => jpeg.damage = Some(damage),
        Err(damage) => return Err(Error::Decode(damage.to_owned())),
    }
    Ok(jpeg)
}

fn segments<'a>(input: &'a [u8], jpeg: &mut Structure<'a>) -> std::result::Result<(), &'static str> {
    const CUT: &str = "the JPEG file ends too early";
    let mut at = 2;
    loop {
        // A marker is 0xFF, any number of times, and a code.
        if *input.get(at).ok_or(CUT)? != 0xff {
            return Err("extraneous bytes between JPEG segments");
        }
        while *input.get(at).ok_or(CUT)? == 0xff {
            at += 1;
        }
        let marker = input[at];
        at += 1;
        match marker {
            0xd9 if jpeg.scans == 0 => return Err("JPEG without image data"),
            0xd9 => return Ok(()),
            // A last restart marker before the end of a scan is superfluous but harmless.
            0xd0..=0xd7 if jpeg.scans > 0 => {
                let end = after_scan(input, at).ok_or(CUT)?;
                jpeg.entropy += (end - at) as u64;
                at = end;
                continue;
            }
            0x00 | 0x01 | 0xd0..=0xd8 => return Err("JPEG marker out of place"),
            _ => {}
        }
        let length = input.get(at..at + 2).ok_or(CUT)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err("JPEG segment of impossible length");
        }
        let body = input.get(at + 2..at + length).ok_or(CUT)?;
        at += length;
        match marker {
            0xc0..=0xc2 => frame(body, marker == 0xc2, jpeg)?,
            0xc3 | 0xc5..=0xc7 | 0xc8..=0xcb | 0xcd..=0xcf | 0xcc => {
                return Err("JPEG of an unsupported coding process");
            }
            0xdc => return Err("JPEG that defines its height late"),
            0xda => {
                if jpeg.components.is_empty() {
                    return Err("JPEG scan before its frame");
                }
                if jpeg.scans == 0 {
                    jpeg.first_scan = usize::from(*body.first().ok_or(CUT)?);
                }
                jpeg.scans += 1;
                let end = after_scan(input, at).ok_or(CUT)?;
                if jpeg.scans == 1 {
                    jpeg.scan = scan(body, &input[at..end]);
                }
                jpeg.entropy += (end - at) as u64;
                at = end;
            }
            // What changes between scans is the business of a decoder that reads several.
            0xc4 if jpeg.scans == 0 => jpeg.tables.huffman(body)?,
            0xdb if jpeg.scans == 0 => jpeg.tables.quantization(body)?,
            0xdd if jpeg.scans == 0 => jpeg.tables.restart(body)?,
            0xe0..=0xef | 0xfe => application(marker, body, jpeg),
            _ => {}
        }
    }
}

fn scan<'a>(header: &[u8], data: &'a [u8]) -> Option<Scan<'a>> {
    let (&count, rest) = header.split_first()?;
    let (components, rest) = rest.split_at_checked(usize::from(count) * 2)?;
    let components = components.as_chunks::<2>().0.iter();
    Some(Scan {
        components: components
            .map(|&[id, tables]| Selected { id, dc: tables >> 4, ac: tables & 15 })
            .collect(),
        is_whole: rest == [0, 63, 0],
        data,
    })
}

/// Where the next marker stands that ends entropy-coded data: not a stuffed zero, not a restart.
fn after_scan(input: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(0xff, input.get(at..)?)?;
        match input.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

fn frame(body: &[u8], progressive: bool, jpeg: &mut Structure) -> std::result::Result<(), &'static str> {
    const BAD: &str = "JPEG with an impossible frame header";
    if !jpeg.components.is_empty() {
        return Err("JPEG with two frame headers");
    }
    let [precision, h1, h2, w1, w2, count, components @ ..] = body else { return Err(BAD) };
    jpeg.height = u16::from_be_bytes([*h1, *h2]);
    jpeg.width = u16::from_be_bytes([*w1, *w2]);
    jpeg.progressive = progressive;
    if *precision != 8 {
        return Err("JPEG with other than 8 bits per sample");
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err("JPEG with other than 1, 3 or 4 components");
    }
    if components.len() != usize::from(*count) * 3 {
        return Err(BAD);
    }
    for component in components.chunks_exact(3) {
        let [horizontal, vertical] = [component[1] >> 4, component[1] & 15];
        if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
            return Err(BAD);
        }
        let [id, quantization] = [component[0], component[2]];
        jpeg.components.push(Component { id, horizontal, vertical, quantization });
    }
    Ok(())
}

fn application<'a>(marker: u8, body: &'a [u8], jpeg: &mut Structure<'a>) {
    jpeg.metadata += body.len() as u64;
    match marker {
        0xe0 => jpeg.jfif |= body.starts_with(b"JFIF\0"),
        0xe1 if jpeg.exif.is_none() && body.starts_with(b"Exif\0\0") => jpeg.exif = Some(body),
        0xe2 => {
            if let Some([number, count, part @ ..]) = body.strip_prefix(b"ICC_PROFILE\0")
                && jpeg.icc.len() < 255
            {
                jpeg.icc.push((*number, *count, part));
            }
        }
        0xee if body.starts_with(b"Adobe") => jpeg.adobe = body.get(11).copied(),
        _ => {}
    }
}

impl Structure<'_> {
    /// The ICC profile, put together in the order its parts name; `None` if a part is missing or double.
    pub(super) fn icc(&self) -> Option<Vec<u8>> {
        let mut parts = self.icc.clone();
        parts.sort_by_key(|&(number, ..)| number);
        let whole = !parts.is_empty()
            && parts.iter().enumerate().all(|(index, &(number, count, _))| {
                usize::from(number) == index + 1 && usize::from(count) == parts.len()
            });
        whole.then(|| parts.iter().flat_map(|(_, _, part)| *part).copied().collect())
    }

    /// The least bits that the claimed size can be coded with: a block takes a code of its DC coefficient, in a
    /// baseline file also one that ends it. Decoders make gray of what is missing, so that a few bytes would cost
    /// as much as a whole image.
    pub(super) fn least_bits(&self) -> u64 {
        let max = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1);
        let (across, down) = (max(|c| c.horizontal), max(|c| c.vertical));
        let blocks = |side: u16, factor: u8, largest: u8| {
            (u64::from(side) * u64::from(factor)).div_ceil(u64::from(largest)).div_ceil(8)
        };
        let all: u64 = self
            .components
            .iter()
            .map(|c| blocks(self.width, c.horizontal, across) * blocks(self.height, c.vertical, down))
            .sum();
        if self.progressive { all } else { all * 2 }
    }

    /// The samples of all components at full size, padded to whole MCUs as decoders keep them, and those of
    /// the largest component alone.
    pub(super) fn padded_samples(&self) -> (u64, u64) {
        let max =
            |factor: fn(&Component) -> u8| u64::from(self.components.iter().map(factor).max().unwrap_or(1));
        let columns = u64::from(self.width).div_ceil(8 * max(|c| c.horizontal));
        let rows = u64::from(self.height).div_ceil(8 * max(|c| c.vertical));
        let sizes = self
            .components
            .iter()
            .map(|c| columns * rows * u64::from(c.horizontal) * u64::from(c.vertical) * 64);
        (sizes.clone().sum(), sizes.max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        [&[0xff, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat()
    }

    /// A frame header of 16x9 px with components of 2x2 and 1x1 sampling.
    fn sof(marker: u8, components: u8) -> Vec<u8> {
        let mut body = vec![8, 0, 9, 0, 16, components];
        for id in 1..=components {
            body.extend([id, if id == 1 { 0x22 } else { 0x11 }, 0]);
        }
        segment(marker, &body)
    }

    fn scan(data: &[u8]) -> Vec<u8> {
        [&segment(0xda, &[1, 1, 0, 0, 63, 0])[..], data].concat()
    }

    fn jpeg(parts: &[Vec<u8>]) -> Vec<u8> {
        [&[0xff, 0xd8], &parts.concat()[..], &[0xff, 0xd9]].concat()
    }

    fn message(input: &[u8]) -> String {
        read(input).expect_err("it is refused").to_string()
    }

    #[test]
    fn a_whole_file_is_read_to_its_end_and_no_further() {
        let data = b"\x12\xff\x00\x34\xff\xd3\x56\xff\xff";
        let mut file = jpeg(&[sof(0xc2, 3), scan(data), scan(data)]);
        file.extend(b"\xff\xda and whatever follows");
        let jpeg = read(&file).expect("it is whole");
        assert_eq!((jpeg.width, jpeg.height, jpeg.progressive), (16, 9, true));
        assert_eq!((jpeg.scans, jpeg.first_scan, jpeg.damage), (2, 1, None));
        assert_eq!(jpeg.components.len(), 3);
        // One column and one row of MCUs of 16x16 px.
        assert_eq!(jpeg.padded_samples(), (256 + 64 + 64, 256));
    }

    #[test]
    fn a_cut_file_is_damaged_but_keeps_its_header_once_a_scan_began() {
        let file = jpeg(&[sof(0xc0, 1), scan(b"12345678")]);
        let scan_begins = file.len() - 10;
        for cut in 0..file.len() {
            match read(&file[..cut]) {
                Ok(jpeg) => {
                    assert!(cut >= scan_begins && jpeg.damage.is_some(), "cut at {cut}");
                    assert_eq!(jpeg.width, 16);
                }
                Err(error) => assert!(cut < scan_begins && matches!(error, Error::Decode(_)), "cut at {cut}"),
            }
        }
    }

    #[test]
    fn bytes_between_segments_are_damage_as_in_sharp() {
        assert!(message(&jpeg(&[b"ab".to_vec(), sof(0xc0, 1), scan(b"1")])).contains("extraneous"));
    }

    #[test]
    fn kinds_that_no_decoder_here_reads_are_named() {
        for marker in [0xc3, 0xc5, 0xc9, 0xca, 0xcc] {
            assert!(message(&jpeg(&[sof(marker, 1), scan(b"1")])).contains("coding process"));
        }
        assert!(message(&jpeg(&[sof(0xc0, 2), scan(b"1")])).contains("components"));
        let twelve_bits = segment(0xc1, &[12, 0, 9, 0, 16, 1, 1, 0x11, 0]);
        assert!(message(&jpeg(&[twelve_bits, scan(b"1")])).contains("8 bits"));
        let sampling = segment(0xc0, &[8, 0, 9, 0, 16, 1, 1, 0x51, 0]);
        assert!(message(&jpeg(&[sampling, scan(b"1")])).contains("frame header"));
    }

    #[test]
    fn segments_out_of_order_are_refused() {
        assert!(message(&jpeg(&[scan(b"1")])).contains("before its frame"));
        assert!(message(&jpeg(&[sof(0xc0, 1)])).contains("without image data"));
        assert!(message(&jpeg(&[sof(0xc0, 1), sof(0xc0, 1), scan(b"1")])).contains("two frame"));
        assert!(message(&jpeg(&[vec![0xff, 0xd8], sof(0xc0, 1), scan(b"1")])).contains("out of place"));
        assert!(message(b"\xff\xd8\xff\xe0\x00\x01").contains("impossible length"));
    }

    #[test]
    fn the_first_exif_segment_counts_and_other_metadata_is_only_measured() {
        let exif = |text: &[u8]| segment(0xe1, &[b"Exif\0\0", text].concat());
        let file = jpeg(&[
            segment(0xe0, b"JFIF\0\x01\x02"),
            segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
            exif(b"one"),
            exif(b"two"),
            segment(0xee, b"Adobe\0\x64\0\0\0\0\x02"),
            segment(0xfe, b"comment"),
            sof(0xc0, 1),
            scan(b"1"),
        ]);
        let jpeg = read(&file).expect("it is whole");
        assert_eq!(jpeg.exif, Some(&b"Exif\0\0one"[..]));
        assert_eq!((jpeg.jfif, jpeg.adobe), (true, Some(2)));
        assert_eq!(jpeg.metadata, 7 + 33 + 9 + 9 + 12 + 7);
        assert_eq!(jpeg.icc(), None);
    }

    #[test]
    fn a_profile_is_joined_by_its_numbers_or_not_at_all() {
        let part = |number: u8, count: u8, text: &[u8]| {
            segment(0xe2, &[&b"ICC_PROFILE\0"[..], &[number, count], text].concat())
        };
        let icc = |parts: &[Vec<u8>]| {
            let file = jpeg(&[parts.concat(), sof(0xc0, 1), scan(b"1")]);
            read(&file).expect("it is whole").icc()
        };
        assert_eq!(icc(&[part(2, 2, b"cd"), part(1, 2, b"ab")]), Some(b"abcd".to_vec()));
        assert_eq!(icc(&[part(1, 2, b"ab")]), None);
        assert_eq!(icc(&[part(1, 2, b"ab"), part(1, 2, b"cd")]), None);
        assert_eq!(icc(&[part(0, 2, b"ab"), part(1, 2, b"cd")]), None);
        assert_eq!(icc(&[part(1, 1, b"ab"), part(2, 2, b"cd")]), None);
        // No count of parts is possible beyond 255, and the rest takes no memory.
        assert_eq!(icc(&vec![part(1, 255, b"ab"); 1000]), None);
    }
}
