//! Images of every kind, byte by byte where no encoder writes them.

pub mod avif;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod profile;
pub mod samples;
pub mod tiff;
pub mod webp;

/// A picture with smooth areas, structure and every level, as RGB.
pub fn rgb(width: u32, height: u32) -> Vec<u8> {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let wave = ((x as f32 / 9.0).sin() * (y as f32 / 13.0).cos() * 90.0 + 128.0) as u8;
            data.extend([(x * 255 / width.max(2)) as u8, wave, (y * 255 / height.max(2)) as u8]);
        }
    }
    data
}

/// The middle channel of [`rgb`].
pub fn gray(width: u32, height: u32) -> Vec<u8> {
    rgb(width, height).chunks_exact(3).map(|pixel| pixel[1]).collect()
}

/// [`rgb`] with an alpha that runs from 0 to 255.
pub fn rgba(width: u32, height: u32) -> Vec<u8> {
    let alpha = |index: usize| (index * 255 / (width as usize * height as usize - 1).max(1)) as u8;
    let rgb = rgb(width, height);
    rgb.chunks_exact(3).enumerate().flat_map(|(i, p)| [p[0], p[1], p[2], alpha(i)]).collect()
}

/// Inks, 0 being none: the picture's complement and some black.
pub fn cmyk(width: u32, height: u32) -> Vec<u8> {
    rgb(width, height).chunks_exact(3).flat_map(|p| [255 - p[0], 255 - p[1], 255 - p[2], p[1] / 4]).collect()
}

/// An EXIF block that names an orientation, without the `Exif\0\0` of JPEG.
pub fn exif(orientation: u16, big_endian: bool) -> Vec<u8> {
    let mut exif = tiff::Writer::new(big_endian);
    exif.short(274, &[orientation]);
    exif.finish(&[])
}
