use unsharp::image::decode::{Layout, Pixels};
use unsharp::image::encode::{AvifEngine, EncodeOptions, encode};
use unsharp::image::{OutputFormat, Progress};

/// By the engine that every build has.
pub fn file(pixels: Vec<u8>, width: u32, height: u32, layout: Layout) -> Vec<u8> {
    let pixels = Pixels { data: pixels, width, height, layout };
    let options = EncodeOptions { avif_engine: Some(AvifEngine::Ravif), ..EncodeOptions::default() };
    encode(pixels, OutputFormat::Avif, &options, &Progress::unbounded()).expect("AVIF")
}
