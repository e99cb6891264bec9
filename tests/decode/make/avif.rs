use unsharp::image::decode::{Layout, Pixels};
use unsharp::image::encode::{EncodeOptions, encode};
use unsharp::image::{OutputFormat, Progress};

pub fn file(pixels: Vec<u8>, width: u32, height: u32, layout: Layout) -> Vec<u8> {
    let pixels = Pixels { data: pixels, width, height, layout };
    encode(pixels, OutputFormat::Avif, &EncodeOptions::default(), &Progress::unbounded()).expect("AVIF")
}
