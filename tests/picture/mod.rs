//! A decoded picture with all its pixels, for tests that look at them.

use unsharp::Result;
use unsharp::image::decode::{Decoded, Pixels};

#[derive(Debug)]
#[allow(dead_code, reason = "not every test that has this module reads every field")]
pub struct Picture {
    pub pixels: Pixels,
    pub source_width: f64,
    pub source_height: f64,
    pub icc: Option<Vec<u8>>,
    pub orientation: u8,
}

impl Picture {
    pub fn of(mut decoded: Decoded) -> Result<Self> {
        let Decoded { source_width, source_height, orientation, .. } = decoded;
        let icc = decoded.icc.take();
        Ok(Self { pixels: decoded.collect()?, source_width, source_height, icc, orientation })
    }
}
