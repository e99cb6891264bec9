//! The transparency of a lossy WebP: a plane of its own (RFC 9649, 2.7.1.2).

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use super::super::source::{COARSE, Source, failed};
use crate::error::{Error, Result};
use crate::image::limits::Progress;

/// Bytes that reading a plane takes per pixel, at most: the lossless decoder's copy of four channels, what it gives of
/// them, and the plane.
pub(super) const BYTES_PER_PIXEL: u64 = 4 + 3 + 1;

/// Reads the data of a chunk `ALPH`: a byte per pixel, or `None` where all are opaque.
///
/// # Errors
/// [`Error::Decode`] for damage, [`Error::Aborted`], [`Error::Timeout`].
pub(super) fn read(
    chunk: &[u8],
    (width, height): (u32, u32),
    progress: &Progress,
) -> Result<Option<Vec<u8>>> {
    let damaged = |what: &str| Error::Decode(format!("WebP with {what}"));
    let (&[head], data) = chunk.split_first_chunk().ok_or_else(|| damaged("an empty plane of alpha"))?;
    let area = width as usize * height as usize;
    let mut plane = match head & 3 {
        0 => data.get(..area).ok_or_else(|| damaged("a plane of alpha that ends too early"))?.to_vec(),
        1 => lossless(data, (width, height), progress)?,
        _ => return Err(damaged("alpha of an unknown kind")),
    };
    unfilter(&mut plane, width as usize, head >> 2 & 3);
    Ok(plane.iter().any(|&alpha| alpha != 255).then_some(plane))
}

/// The plane as the green channel of a lossless picture, of which only the header is missing.
fn lossless(data: &[u8], (width, height): (u32, u32), progress: &Progress) -> Result<Vec<u8>> {
    const HEADER: usize = 5;
    let chunk = data.len() + HEADER;
    let size = |bytes: usize| u32::try_from(bytes).map(u32::to_le_bytes);
    let (Ok(file), Ok(chunk)) = (size(chunk + chunk % 2 + 12), size(chunk)) else {
        return Err(Error::Decode("WebP with alpha of gigabytes".to_owned()));
    };
    let sides = (width - 1) | (height - 1) << 14;
    let mut bytes = Vec::with_capacity(data.len() + HEADER + 21);
    for part in [b"RIFF", &file, b"WEBP", b"VP8L", &chunk] {
        bytes.extend_from_slice(part);
    }
    bytes.push(0x2f);
    bytes.extend_from_slice(&sides.to_le_bytes());
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(2), 0);

    let source = Source::new(&bytes, COARSE, progress);
    let decoder = WebPDecoder::new(source).map_err(|error| failed(progress, error))?;
    let mut rgb = vec![0; width as usize * height as usize * 3];
    if decoder.total_bytes() != rgb.len() as u64 {
        return Err(Error::Decode("WebP with alpha of another size".to_owned()));
    }
    decoder.read_image(&mut rgb).map_err(|error| failed(progress, error))?;
    Ok(rgb.as_chunks::<3>().0.iter().map(|&[_, green, _]| green).collect())
}

/// Adds to each byte what its neighbours predict.
fn unfilter(plane: &mut [u8], width: usize, filter: u8) {
    if filter == 0 {
        return;
    }
    let mut before: &[u8] = &[];
    for row in plane.chunks_exact_mut(width) {
        let mut left = before.first().copied().unwrap_or(0);
        let mut corner = left;
        for (x, sample) in row.iter_mut().enumerate() {
            let above = before.get(x).copied();
            let predicted = match (filter, above) {
                (2, Some(above)) => above,
                (3, Some(above)) => {
                    (i16::from(left) + i16::from(above) - i16::from(corner)).clamp(0, 255) as u8
                }
                _ => left,
            };
            *sample = sample.wrapping_add(predicted);
            left = *sample;
            corner = above.unwrap_or(0);
        }
        before = row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_planes_are_read_by_each_filter() {
        let progress = Progress::unbounded();
        for (filter, expected) in [
            (0, [10, 1, 2, 20, 3, 4]),
            (1, [10, 11, 13, 30, 33, 37]),
            (2, [10, 11, 13, 30, 14, 17]),
            (3, [10, 11, 13, 30, 34, 40]),
        ] {
            let chunk = [filter << 2, 10, 1, 2, 20, 3, 4];
            let plane = read(&chunk, (3, 2), &progress).expect("the plane is whole");
            assert_eq!(plane.as_deref(), Some(&expected[..]), "filter {filter}");
        }
    }

    #[test]
    fn opaque_planes_are_left_out_and_damaged_ones_are_errors() {
        let progress = Progress::unbounded();
        assert_eq!(read(&[0, 255, 255], (2, 1), &progress), Ok(None));
        for chunk in [&[][..], &[0, 255], &[1], &[1, 0xff, 0xff], &[2, 255, 255]] {
            assert!(matches!(read(chunk, (2, 1), &progress), Err(Error::Decode(_))), "{chunk:?}");
        }
    }
}
