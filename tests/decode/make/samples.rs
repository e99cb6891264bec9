use jpeg_encoder::{ColorType, SamplingFactor};
use unsharp::image::decode::Layout;

use super::avif;
use super::gif::{self, Gif};
use super::jpeg::Jpeg;
use super::png::{self, Png};
use super::profile;
use super::tiff::{Packing, Tiff};
use super::webp;

pub struct Sample {
    pub name: String,
    pub file: Vec<u8>,
}

/// One of each kind that takes another way through a decoder.
pub fn all(width: u32, height: u32) -> Vec<Sample> {
    [
        jpegs(width, height),
        pngs(width, height),
        gifs(width, height),
        webps(width, height),
        tiffs(width, height),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sample(name: impl Into<String>, file: Vec<u8>) -> Sample {
    Sample { name: name.into(), file }
}

pub fn jpegs(width: u32, height: u32) -> Vec<Sample> {
    let rgb = super::rgb(width, height);
    let gray = super::gray(width, height);
    let cmyk = super::cmyk(width, height);
    let exif = super::exif(6, true);
    let base = || Jpeg { quality: 80, ..Jpeg::default() };
    let half = SamplingFactor::F_2_2;
    vec![
        sample("jpeg 4:4:4", base().file(&rgb, width, height)),
        sample("jpeg 4:2:0", Jpeg { sampling: half, exif, ..base() }.file(&rgb, width, height)),
        sample(
            "jpeg 4:2:2 with restarts",
            Jpeg { sampling: SamplingFactor::F_2_1, restart: Some(2), ..base() }.file(&rgb, width, height),
        ),
        sample(
            "jpeg progressive",
            Jpeg { sampling: half, progressive: true, ..base() }.file(&rgb, width, height),
        ),
        sample("jpeg gray", Jpeg { color: ColorType::Luma, ..base() }.file(&gray, width, height)),
        sample(
            "jpeg gray progressive",
            Jpeg { color: ColorType::Luma, progressive: true, ..base() }.file(&gray, width, height),
        ),
        sample(
            "jpeg cmyk",
            Jpeg { color: ColorType::Cmyk, icc: profile::press(), ..base() }.file(&cmyk, width, height),
        ),
        sample(
            "jpeg ycck progressive",
            Jpeg { color: ColorType::CmykAsYcck, progressive: true, ..base() }.file(&cmyk, width, height),
        ),
    ]
}

pub fn pngs(width: u32, height: u32) -> Vec<Sample> {
    let widen = |samples: Vec<u8>| samples.into_iter().map(u16::from).collect::<Vec<_>>();
    let deep = |samples: Vec<u8>| samples.into_iter().map(|s| u16::from(s) * 257).collect::<Vec<_>>();
    let gray_alpha: Vec<u16> =
        super::rgba(width, height).chunks_exact(4).flat_map(|p| [p[1].into(), p[3].into()]).collect();
    let nibbles: Vec<u16> = super::gray(width, height).into_iter().map(|level| (level >> 4).into()).collect();
    let p3 = png::iccp(&profile::display_p3());
    let exif = super::exif(8, false);
    let make = |name: &str, depth, color, interlaced, samples: &[u16], chunks: &[(&[u8; 4], &[u8])]| {
        sample(name, Png { width, height, depth, color, interlaced, samples, chunks }.file())
    };
    vec![
        make("png rgb", 8, 2, false, &widen(super::rgb(width, height)), &[(b"iCCP", &p3), (b"eXIf", &exif)]),
        make("png rgb 16 interlaced", 16, 2, true, &deep(super::rgb(width, height)), &[]),
        make("png rgba", 8, 6, false, &widen(super::rgba(width, height)), &[]),
        make("png rgba 16", 16, 6, false, &deep(super::rgba(width, height)), &[]),
        make("png gray and alpha", 8, 4, true, &gray_alpha, &[]),
        make("png gray 16", 16, 0, false, &deep(super::gray(width, height)), &[]),
        make("png palette", 4, 3, false, &nibbles, &[(b"PLTE", &gif::palette()), (b"tRNS", &[0, 90])]),
    ]
}

pub fn gifs(width: u32, height: u32) -> Vec<Sample> {
    let (width, height) = (width as u16, height as u16);
    let indices = gif::indices(width, height);
    let whole = Gif {
        canvas: (width, height),
        frame: [0, 0, width, height],
        palette: &gif::palette(),
        indices: &indices,
        transparent: None,
        interlaced: false,
    };
    vec![
        sample("gif", whole.file()),
        sample("gif interlaced", Gif { interlaced: true, transparent: Some(3), ..whole }.file()),
        sample(
            "gif on a canvas",
            Gif { canvas: (width + 9, height + 5), frame: [4, 3, width, height], ..whole }.file(),
        ),
        sample("gif beyond its canvas", Gif { canvas: (1, 1), ..whole }.file()),
    ]
}

pub fn webps(width: u32, height: u32) -> Vec<Sample> {
    let (rgb, rgba) = (super::rgb(width, height), super::rgba(width, height));
    let lossless = webp::lossless(&rgb, width, height, Layout::Rgb);
    let p3 = profile::display_p3();
    vec![
        sample("webp lossy", webp::lossy(&rgb, width, height, Layout::Rgb)),
        sample("webp lossy with alpha", webp::lossy(&rgba, width, height, Layout::Rgba)),
        sample("webp lossless with alpha", webp::lossless(&rgba, width, height, Layout::Rgba)),
        sample(
            "webp extended",
            webp::extended(&lossless, (width, height), false, &p3, &super::exif(5, false)),
        ),
        sample("webp lossless", lossless),
    ]
}

pub fn tiffs(width: u32, height: u32) -> Vec<Sample> {
    let widen = |samples: Vec<u8>| samples.into_iter().map(u16::from).collect::<Vec<_>>();
    let rgb = widen(super::rgb(width, height));
    let rgba = widen(super::rgba(width, height));
    let gray = widen(super::gray(width, height));
    let cmyk = widen(super::cmyk(width, height));
    let deep: Vec<u16> = rgb.iter().map(|sample| sample * 257).collect();
    let bits: Vec<u16> = gray.iter().map(|level| level >> 7).collect();
    let map: Vec<u16> = (0..768).map(|i| i * 85).collect();
    let of = |depth, photometric, samples| Tiff::new(width, height, depth, photometric, samples);
    let plain = of(8, 2, &rgb);
    let press = profile::press();
    let lzw = Packing::Lzw;
    let make = |name: &str, tiff: Tiff| sample(format!("tiff {name}"), tiff.file());
    vec![
        make("rgb", plain.clone()),
        make("rgb big-endian lzw", Tiff { big_endian: true, packing: lzw, predictor: true, ..plain.clone() }),
        make("rgb tiles deflate", Tiff { tiles: Some((16, 32)), packing: Packing::Deflate, ..plain.clone() }),
        make("rgb planes packbits", Tiff { planar: true, packing: Packing::PackBits, ..plain }),
        make("rgb 16 lzw", Tiff { packing: lzw, ..of(16, 2, &deep) }),
        make("rgba", Tiff { extra: Some(1), ..of(8, 2, &rgba) }),
        make("gray 1 bit", of(1, 1, &bits)),
        make("palette", Tiff { color_map: &map, ..of(8, 3, &gray) }),
        make("cmyk", Tiff { icc: &press, ..of(8, 5, &cmyk) }),
    ]
}

/// Not among [`all`]: they take a while to make.
pub fn avifs(width: u32, height: u32) -> Vec<Sample> {
    let (gray, rgb, rgba) =
        (super::gray(width, height), super::rgb(width, height), super::rgba(width, height));
    vec![
        sample("avif gray", avif::file(gray, width, height, Layout::Luma)),
        sample("avif rgb", avif::file(rgb, width, height, Layout::Rgb)),
        sample("avif rgba", avif::file(rgba, width, height, Layout::Rgba)),
    ]
}

/// Numbers that are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// 0..`end`
    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) % end.max(1) as u64) as usize
    }
}
