//! What the bytes are, by their magic numbers alone: neither a file name nor a header is believed.
//!
//! [`detect`] answers what Next 16.4.6 answers for the same bytes, including the documents it refuses, so
//! that an input is optimized, passed through or rejected by both alike.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// What an input was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG, animated ones included.
    Png,
    /// GIF, animated ones included.
    Gif,
    /// WebP, animated ones included.
    WebP,
    /// AVIF with the major brand `avif`; image sequences (`avis`) are not recognised.
    Avif,
    /// TIFF in either byte order.
    Tiff,
    /// SVG; served untouched, and only where the configuration allows it.
    Svg,
    /// A Windows icon; served untouched.
    Ico,
    /// An Apple icon; served untouched.
    Icns,
    /// A Windows bitmap; served untouched.
    Bmp,
    /// JPEG XL, bare or in its container; served untouched.
    Jxl,
    /// HEIC with the major brand `heic`; served untouched.
    Heic,
    /// JPEG 2000 in its container; served untouched.
    Jp2,
}

impl Format {
    /// The MIME type, in Next's spelling.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
            Self::Tiff => "image/tiff",
            Self::Svg => "image/svg+xml",
            Self::Ico => "image/x-icon",
            Self::Icns => "image/x-icns",
            Self::Bmp => "image/bmp",
            Self::Jxl => "image/jxl",
            Self::Heic => "image/heic",
            Self::Jp2 => "image/jp2",
        }
    }

    /// The file extension without its dot, the one Next puts into file names.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Avif => "avif",
            Self::Tiff => "tiff",
            Self::Svg => "svg",
            Self::Ico => "ico",
            Self::Icns => "icns",
            Self::Bmp => "bmp",
            Self::Jxl => "jxl",
            Self::Heic => "heic",
            Self::Jp2 => "jp2",
        }
    }

    /// The output format of the same kind, if it can be encoded.
    #[must_use]
    pub const fn output(self) -> Option<OutputFormat> {
        match self {
            Self::Jpeg => Some(OutputFormat::Jpeg),
            Self::Png => Some(OutputFormat::Png),
            Self::Gif => Some(OutputFormat::Gif),
            Self::WebP => Some(OutputFormat::WebP),
            Self::Avif => Some(OutputFormat::Avif),
            Self::Tiff => Some(OutputFormat::Tiff),
            Self::Svg | Self::Ico | Self::Icns | Self::Bmp | Self::Jxl | Self::Heic | Self::Jp2 => None,
        }
    }

    /// Whether the input is an image that is served as it came and never decoded. Next names all of them
    /// but JPEG 2000, for which sharp fails and the original is served all the same.
    #[must_use]
    pub const fn is_bypass(self) -> bool {
        matches!(self, Self::Svg | Self::Ico | Self::Icns | Self::Bmp | Self::Jxl | Self::Heic | Self::Jp2)
    }
}

/// What can be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// AVIF.
    Avif,
    /// Lossy WebP.
    WebP,
    /// Progressive JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// TIFF.
    Tiff,
}

impl OutputFormat {
    /// Every one of them.
    pub const ALL: [Self; 6] = [Self::Avif, Self::WebP, Self::Jpeg, Self::Png, Self::Gif, Self::Tiff];

    /// The MIME type.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        self.format().mime()
    }

    /// The file extension without its dot, the one Next puts into file names.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        self.format().extension()
    }

    /// The output format of this name, the one [`OutputFormat::extension`] gives.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// The output format of a MIME type, which must be spelled exactly as [`OutputFormat::mime`] spells it.
    #[must_use]
    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.mime() == mime)
    }

    const fn format(self) -> Format {
        match self {
            Self::Avif => Format::Avif,
            Self::WebP => Format::WebP,
            Self::Jpeg => Format::Jpeg,
            Self::Png => Format::Png,
            Self::Gif => Format::Gif,
            Self::Tiff => Format::Tiff,
        }
    }
}

/// Recognises an input as Next 16.4.6 does (`dist/server/image-optimizer/detect-content-type.js`): a list of
/// signatures first, then, on the first 1024 bytes, the rules of its `image-size` package. `None` is an
/// input that Next answers with "isn't a valid image".
#[must_use]
pub fn detect(input: &[u8]) -> Option<Format> {
    // Next recognises PDF, so that no SVG is looked for inside, and refuses it.
    if input.starts_with(b"%PDF-") {
        return None;
    }
    by_signature(input).or_else(|| by_rules(&input[..input.len().min(1024)]))
}

fn by_signature(input: &[u8]) -> Option<Format> {
    let starts = |magic: &[u8]| input.starts_with(magic);
    Some(match () {
        () if starts(b"\xff\xd8\xff") => Format::Jpeg,
        () if starts(b"\x89PNG\r\n\x1a\n") => Format::Png,
        () if starts(b"GIF8") => Format::Gif,
        () if starts(b"RIFF") && input.get(8..12) == Some(b"WEBP") => Format::WebP,
        () if starts(b"<?xml") || starts(b"<svg") => Format::Svg,
        () if has_ftyp(input, *b"avif") => Format::Avif,
        () if starts(b"\0\0\x01\0") => Format::Ico,
        () if starts(b"icns") => Format::Icns,
        () if starts(b"II*\0") => Format::Tiff,
        () if starts(b"BM") => Format::Bmp,
        () if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL \r\n\x87\n") => Format::Jxl,
        () if has_ftyp(input, *b"heic") => Format::Heic,
        () if starts(b"\0\0\0\x0cjP  \r\n\x87\n") => Format::Jp2,
        () => return None,
    })
}

/// Whether the input starts with an `ftyp` box of this major brand whose size is possible. The size is what
/// keeps text with those letters at offset 4, such as an XML comment, from being taken for an image.
fn has_ftyp(input: &[u8], brand: [u8; 4]) -> bool {
    let Some([a, b, c, d, b'f', b't', b'y', b'p', rest @ ..]) = input.first_chunk::<12>() else {
        return false;
    };
    let size = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
    size >= 16 && size <= input.len() as u64 && *rest == brand
}

/// The rules of `image-size` that can still tell something apart once [`by_signature`] has found nothing.
/// Their order matters: a kind that Next does not support ends the search before an SVG is looked for.
fn by_rules(head: &[u8]) -> Option<Format> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let at_4 = |name: &[u8; 4]| head.get(4..8) == Some(name);

    if starts(b"\xff\xd8") {
        return Some(Format::Jpeg);
    }
    if starts(b"MM\0*") {
        return Some(Format::Tiff);
    }
    if at_4(b"jP  ") && brand(head) == Some(*b"jp2 ") {
        return Some(Format::Jp2);
    }
    if at_4(b"JXL ") && brand(head) == Some(*b"jxl ") {
        return Some(Format::Jxl);
    }
    if head.get(1..8) == Some(b"PNG\r\n\x1a\n") {
        return has_ihdr(head).then_some(Format::Png);
    }
    if is_unsupported_kind(head) {
        return None;
    }
    SVG_ROOT.is_match(&head[..head.len().min(1000)]).then_some(Format::Svg)
}

/// Cursors, `DirectDraw` surfaces, HEIF brands other than the two above, bare JPEG 2000 streams, KTX, the
/// Netpbm family and Photoshop files.
fn is_unsupported_kind(head: &[u8]) -> bool {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let cursor = starts(b"\0\0\x02\0") && head.get(4..6).is_some_and(|count| count != [0, 0]);
    let heif = head.get(4..8) == Some(b"ftyp")
        && brand(head).is_some_and(|brand| {
            [b"avif", b"mif1", b"msf1", b"heic", b"heix", b"hevc", b"hevx"].contains(&&brand)
        });
    let ktx = matches!(head.get(1..7), Some(b"KTX 11" | b"KTX 20"));
    let netpbm = matches!(head, [b'P', b'1'..=b'7' | b'F', ..]);
    cursor || heif || ktx || netpbm || starts(b"DDS ") || starts(b"\xff\x4f\xff\x51") || starts(b"8BPS")
}

/// The major brand of the first `ftyp` box; a box must lie wholly in `head` to be stepped over.
fn brand(head: &[u8]) -> Option<[u8; 4]> {
    let mut rest = head;
    while let Some(size) = rest.first_chunk::<4>() {
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        if size > rest.len() {
            return None;
        }
        if rest.get(4..8) == Some(b"ftyp") {
            return rest.get(8..12)?.try_into().ok();
        }
        rest = rest.get(if size > 0 { size } else { 8 }..)?;
    }
    None
}

/// A PNG's first chunk is IHDR, after Apple's `CgBI` where that is present.
fn has_ihdr(head: &[u8]) -> bool {
    let name = match head.get(12..16) {
        Some(b"CgBI") => head.get(28..32),
        name => name,
    };
    name == Some(b"IHDR")
}

/// A complete `<svg …>` tag with quotes that match. The white space is JavaScript's `\s`.
static SVG_ROOT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"<svg(?:[\t\n\x0b\x0c\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}])",
        r#"(?s-u:[^>"']|"[^"]*"|'[^']*')*>"#
    ))
    .expect("the pattern is a constant")
});

#[cfg(test)]
mod tests;
