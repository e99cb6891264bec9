//! The blurred placeholder of `next dev`, where static imports carry a url for it instead of inlined bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::image::Optimized;

/// One pixel of the tiny image in the placeholder's own units: large enough for the blur to be smooth.
const SCALE: u32 = 40;

/// An SVG that shows `tiny` stretched and blurred. The edges repeat, so that they do not fade into the page.
#[must_use]
pub fn placeholder(tiny: &Optimized) -> String {
    let (width, height) = (tiny.width * SCALE, tiny.height * SCALE);
    let mime = tiny.format.mime();
    let data = STANDARD.encode(&tiny.data);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>\
         <filter id='b' color-interpolation-filters='sRGB'><feGaussianBlur stdDeviation='20' edgeMode='duplicate'/></filter>\
         <image width='100%' height='100%' preserveAspectRatio='none' filter='url(#b)' href='data:{mime};base64,{data}'/>\
         </svg>"
    )
}
