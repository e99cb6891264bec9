//! What the bytes are, by their magic numbers alone: neither a file name nor a header is believed.

/// What an input was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Jpeg,
    Png,
    Gif,
    WebP,
    Avif,
    Tiff,
    Svg,
    Ico,
    Icns,
    Bmp,
    Jxl,
    Heic,
    Jp2,
    Pdf,
}

/// What can be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    Avif,
    WebP,
    Jpeg,
    Png,
    Gif,
    Tiff,
}
