//! Lossless pictures, and planes of alpha, of which green is all that counts.

use fearless_simd::{Level, Simd, dispatch};

use super::Image;
use super::transform::Transform;
use crate::error::Result;
use crate::image::decode::{Band, Layout, Rows};
use crate::image::limits::Progress;

/// Rows that are handed out at once.
const BAND_ROWS: usize = 16;

/// A lossless picture whose pixels have been read, and not yet computed.
pub(in crate::image::decode::webp) struct Lossless<'a> {
    pixels: Vec<u32>,
    /// of a row of them
    across: usize,
    transforms: Vec<Transform>,
    width: usize,
    height: usize,
    /// rows given out already
    done: usize,
    row: Vec<u32>,
    out: Vec<u8>,
    layout: Layout,
    has_alpha: bool,
    level: Level,
    progress: &'a Progress,
}

/// Bytes that a picture so wide takes beside its pixels.
pub(super) fn band_bytes(width: u32) -> u64 {
    u64::from(width) * (BAND_ROWS as u64 * 4 + 4)
}

impl<'a> Lossless<'a> {
    /// Reads the pixels. Without `has_alpha`, what they say of transparency is left out.
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) for damage, and where `progress` says so.
    pub(in crate::image::decode::webp) fn new(
        stream: &[u8],
        size: (u32, u32),
        has_alpha: bool,
        progress: &'a Progress,
    ) -> Result<Self> {
        let image = Image::read(stream, size, progress)?;
        Self::of(image, size, has_alpha, progress)
    }

    fn of(mut image: Image, size: (u32, u32), has_alpha: bool, progress: &'a Progress) -> Result<Self> {
        let (width, height) = (size.0 as usize, size.1 as usize);
        Ok(Self {
            pixels: image.pixels(progress)?,
            across: image.size.0,
            transforms: image.transforms,
            width,
            height,
            done: 0,
            row: vec![0; width],
            out: Vec::with_capacity(BAND_ROWS * width * 4),
            layout: Layout::Rgb,
            has_alpha,
            level: Level::new(),
            progress,
        })
    }

    /// Computes the next row.
    #[inline(always)]
    fn next_row(&mut self) {
        self.row[..self.across].copy_from_slice(&self.pixels[self.done * self.across..][..self.across]);
        let mut across = self.across;
        for transform in self.transforms.iter_mut().rev() {
            if let Transform::Palette(_) = transform {
                across = self.width;
            }
            transform.undo(&mut self.row[..across], self.done);
        }
        self.done += 1;
    }

    #[inline(always)]
    fn next_band<S: Simd>(&mut self, _: S) -> Result<()> {
        self.out.clear();
        for _ in 0..BAND_ROWS.min(self.height - self.done) {
            self.next_row();
            if self.has_alpha && self.layout == Layout::Rgb && self.row.iter().any(|pixel| pixel >> 24 < 255)
            {
                self.layout.turn(&mut self.out, Layout::Rgba)?;
                self.layout = Layout::Rgba;
            }
            let start = self.out.len();
            self.out.resize(start + self.width * self.layout.channels(), 0);
            let out = &mut self.out[start..];
            if self.layout == Layout::Rgba {
                for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(&self.row) {
                    *out = pixel.rotate_left(8).to_be_bytes();
                }
            } else {
                for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(&self.row) {
                    let [_, rgb @ ..] = pixel.to_be_bytes();
                    *out = rgb;
                }
            }
        }
        Ok(())
    }
}

impl Rows for Lossless<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        self.progress.check()?;
        if self.done == self.height {
            return Ok(None);
        }
        let level = self.level;
        dispatch!(level, simd => self.next_band(simd))?;
        Ok(Some(Band { data: &self.out, layout: self.layout }))
    }
}

/// A plane of samples that is coded as the green of a lossless picture.
pub(in crate::image::decode::webp) struct Plane {
    samples: Vec<u8>,
    /// of a row of them
    across: usize,
    /// what each of them stands for, and how many of these samples are meant
    levels: Option<(Vec<[u8; 8]>, usize)>,
}

impl Plane {
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) for damage, and where `progress` says so.
    pub(in crate::image::decode::webp) fn read(
        stream: &[u8],
        size: (u32, u32),
        progress: &Progress,
    ) -> Result<Self> {
        let mut image = Image::read(stream, size, progress)?;
        if image.is_green_alone() {
            let levels = image.transforms.iter().find_map(|transform| match transform {
                Transform::Palette(palette) => Some((palette.greens(), palette.shared())),
                _ => None,
            });
            return Ok(Self { samples: image.pixels(progress)?, across: image.size.0, levels });
        }
        // This is how libwebp writes alpha, unless it has few levels. It takes half the memory, which the system has to clear first.
        if image.is_predicted_without_red_and_blue() {
            let start = image.bits.clone();
            let pixels: Vec<u16> = image.pixels(progress)?;
            if let [Transform::Prediction(prediction)] = &image.transforms[..]
                && let Some(samples) = prediction.undo_green(&pixels, progress)?
            {
                return Ok(Self { samples, across: image.size.0, levels: None });
            }
            image.bits = start;
        }
        let mut picture = Lossless::of(image, size, false, progress)?;
        let mut samples = Vec::with_capacity(picture.width * picture.height);
        while picture.done < picture.height {
            progress.check()?;
            picture.next_row();
            samples.extend(picture.row.iter().map(|pixel| (pixel >> 8) as u8));
        }
        Ok(Self { samples, across: picture.width, levels: None })
    }

    /// Row `y`, of which there are as many samples as in `row`.
    #[inline(always)]
    pub(in crate::image::decode::webp) fn row(&self, y: usize, row: &mut [u8]) {
        let samples = &self.samples[y * self.across..][..self.across];
        match &self.levels {
            None => row.copy_from_slice(samples),
            Some((levels, 1)) => {
                for (sample, number) in row.iter_mut().zip(samples) {
                    *sample = levels[usize::from(*number)][0];
                }
            }
            Some((levels, shared)) => {
                for (samples, number) in row.chunks_mut(*shared).zip(samples) {
                    samples.copy_from_slice(&levels[usize::from(*number)][..samples.len()]);
                }
            }
        }
    }
}
