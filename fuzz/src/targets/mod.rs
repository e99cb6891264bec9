//! What is done with an input, and what must hold afterwards. A target panics where it does not.

mod decode;
mod header;
mod names;
pub(crate) mod optimize;
mod request;
mod response;
mod svg;
mod upstream;
pub(crate) mod words;

use crate::mutate::Kind;

/// One way into unsharp for bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// That of the program under `fuzz_targets/` and of the folder under `corpus/`.
    pub name: &'static str,
    /// How its inputs are mutated.
    pub kind: Kind,
    /// The longest input that is worth making, bytes.
    pub max_len: usize,
    /// Takes one input.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, kind: Kind, max_len: usize, run: fn(&[u8])) -> Target {
    Target { name, kind, max_len, run }
}

/// Images of a few thousand pixels are enough to reach every branch; larger ones only take longer.
const IMAGE: usize = 8 << 10;
const TEXT: usize = 1 << 10;

/// All of them.
pub const TARGETS: [Target; 25] = [
    target("jpeg", Kind::Jpeg, IMAGE, decode::jpeg),
    target("png", Kind::Png, IMAGE, decode::png),
    target("gif", Kind::Gif, IMAGE, decode::gif),
    target("webp", Kind::Riff, IMAGE, decode::webp),
    target("avif", Kind::Boxes, IMAGE, decode::avif),
    target("tiff", Kind::Tiff, IMAGE, decode::tiff),
    target("svg", Kind::Text(words::SVG), IMAGE, svg::svg),
    target("header", Kind::Image, IMAGE, header::inspect),
    target("jpeg_header", Kind::Jpeg, IMAGE, header::jpeg),
    target("png_header", Kind::Png, IMAGE, header::png),
    target("webp_header", Kind::Riff, IMAGE, header::webp),
    target("tiff_header", Kind::Tiff, IMAGE, header::tiff),
    target("avif_container", Kind::Boxes, IMAGE, header::avif),
    target("exif", Kind::Bytes, TEXT, header::exif),
    target("icc", Kind::Icc, IMAGE, header::icc),
    target("optimize", Kind::ImageWithOptions, IMAGE, optimize::optimize),
    target("request", Kind::Text(words::REQUEST), TEXT, request::request),
    target("negotiate", Kind::Text(words::ACCEPT), TEXT, request::accept),
    target("pattern", Kind::Text(words::PATTERN), 256, request::pattern),
    target("address", Kind::Text(words::ADDRESS), 256, request::address),
    target("response", Kind::Text(words::RESPONSE), TEXT, response::response),
    target("file_name", Kind::Text(words::NAMES), 256, names::file_name),
    target("store_listing", Kind::Text(words::LISTING), TEXT, names::listing),
    target("store_contents", Kind::Text(words::CONTENTS), TEXT, names::contents),
    target("content_coding", Kind::Bytes, TEXT, upstream::content_coding),
];

/// The target of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
