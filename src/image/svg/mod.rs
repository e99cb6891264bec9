//! SVG to pixels, for what `next/og` hands to sharp.
//!
//! Nothing outside of the bytes is ever read: images by path or url are left out, `data:` urls are decoded by the
//! decoders of this crate and within their limits, and there are no fonts, so `<text>` draws nothing (the SVG of
//! `next/og` has its text as outlines).
//!
//! A few bytes of SVG can ask for any amount of work. What it repeats by naming is counted before the library sees it
//! ([`references`]), and what drawing takes is computed from the finished tree ([`cost`]), because neither reading nor
//! drawing can be stopped.

mod cost;
mod nested;
mod references;

use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::roxmltree::{Document, ParsingOptions};
use resvg::usvg::{ImageHrefResolver, Options, Tree};

use crate::error::{Error, Result};
use crate::image::decode::{Header, Layout, Pixels};
use crate::image::limits::{Limits, Progress};
use nested::Images;

/// Elements, texts and comments that the file may have, entities expanded.
const MAX_NODES: u32 = 200_000;

/// Attributes of one element, and of all. Those of one are compared with one another.
const MAX_ATTRIBUTES_EACH: usize = 1_000;
const MAX_ATTRIBUTES: usize = 1_000_000;

/// Stack that [`header`] and [`render`] may take: both call themselves for every level of nesting. Measured, the deepest
/// file takes an eighth of it in an optimised build. Memory is taken only for what is used.
pub const STACK_BYTES: usize = 16 << 20;

/// Physical units are rare on the web; sharp's default.
const DOTS_PER_INCH: f32 = 72.0;

/// Reads the size, and what drawing at that size would take. Needs [`STACK_BYTES`].
///
/// # Errors
/// [`Error::Decode`], [`Error::TooManyPixels`].
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let images = Images::measured(limits);
    let tree = parse(input, &images)?;
    let side = |length: f32| length.round().max(1.0) as u32;
    let (width, height) = (side(tree.size().width()), side(tree.size().height()));
    limits.check_pixels(width.into(), height.into())?;
    let canvas = u64::from(width) * u64::from(height) * 4;
    let layers_bytes = cost::of(&tree, width, height, Transform::identity())?.layers_bytes;
    let decoded_bytes = canvas.saturating_add(layers_bytes).saturating_add(images.bytes());
    Ok(Header { width, height, orientation: 1, has_alpha: true, animated: false, depth: 8, decoded_bytes })
}

/// Draws the whole image at `width` × `height` px. Needs [`STACK_BYTES`].
///
/// # Errors
/// [`Error::Decode`], also for an image that would take too long or too much memory to draw,
/// [`Error::TooManyPixels`], [`Error::Aborted`], [`Error::Timeout`].
pub fn render(input: &[u8], width: u32, height: u32, limits: &Limits, progress: &Progress) -> Result<Pixels> {
    limits.check_pixels(width.into(), height.into())?;
    progress.check()?;
    let images = Images::decoded(limits, progress);
    let tree = parse(input, &images)?;
    progress.check()?;
    let (from_width, from_height) = (tree.size().width(), tree.size().height());
    let transform = Transform::from_scale(width as f32 / from_width, height as f32 / from_height);
    cost::of(&tree, width, height, transform)?;
    let mut canvas =
        Pixmap::new(width, height).ok_or_else(|| Error::Decode(format!("svg of {width}x{height} px")))?;
    caught(|| resvg::render(&tree, transform, &mut canvas.as_mut()))?;
    drop(tree);
    progress.check()?;
    Ok(Pixels { data: canvas.take_demultiplied(), width, height, layout: Layout::Rgba })
}

fn parse(input: &[u8], images: &Images) -> Result<Tree> {
    let tree = parse_nested(input, images);
    images.failure().map_or(tree, Err)
}

fn parse_nested(input: &[u8], images: &Images) -> Result<Tree> {
    let text = std::str::from_utf8(input).map_err(|_| Error::Decode("svg: not UTF-8".to_owned()))?;
    check_attributes(text)?;
    // A document type is common and harmless; what is external is not loaded.
    let reading = ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, reading)
        .map_err(|error| Error::Decode(format!("svg: {error}")))?;
    references::check(&document)?;
    let options = Options {
        dpi: DOTS_PER_INCH,
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, data, _| images.resolve(&data)),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    caught(|| Tree::from_xmltree(&document, &options))?
        .map_err(|error| Error::Decode(format!("svg: {error}")))
}

/// Parser and rasterizer reckon with coordinates near those of the canvas, and panic over some that are far from it.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| Error::Decode("svg: the drawing reaches too far".to_owned()))
}

/// Counts what looks like an attribute between two `<`, which no value can hold; text in between may count as well.
fn check_attributes(text: &str) -> Result<()> {
    let mut all = 0;
    for element in text.split('<') {
        let attributes = element.bytes().filter(|byte| *byte == b'=').count();
        all += attributes;
        if attributes > MAX_ATTRIBUTES_EACH || all > MAX_ATTRIBUTES {
            return Err(Error::Decode("svg: it has too many attributes".to_owned()));
        }
    }
    Ok(())
}
