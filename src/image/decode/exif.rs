//! The one fact that is wanted from EXIF: which way up the image is.

use image::metadata::Orientation;

/// The orientation 1..=8 that a TIFF structure (with or without the `Exif\0\0` that JPEG puts before it)
/// names, 1 if it names none or an impossible one. Reads the first directory only and follows no offset but
/// the one to it.
pub(crate) fn orientation(exif: &[u8]) -> u8 {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).map_or(1, Orientation::to_exif)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One directory with one entry: tag, type and count as given, the value in its first two bytes.
    fn exif(big_endian: bool, entry: [u16; 2], count: u32, value: u16) -> Vec<u8> {
        let short = |number: u16| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        let long = |number: u32| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut bytes = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        bytes.extend(short(42));
        bytes.extend(long(8));
        bytes.extend(short(1));
        bytes.extend(short(entry[0]));
        bytes.extend(short(entry[1]));
        bytes.extend(long(count));
        bytes.extend(short(value));
        bytes.extend([0; 6]);
        bytes
    }

    #[test]
    fn all_orientations_are_read_in_both_byte_orders_with_and_without_the_jpeg_prefix() {
        for big_endian in [false, true] {
            for number in 1..=8 {
                let bytes = exif(big_endian, [0x112, 3], 1, number);
                assert_eq!(u16::from(orientation(&bytes)), number);
                assert_eq!(u16::from(orientation(&[b"Exif\0\0", &bytes[..]].concat())), number);
            }
        }
    }

    #[test]
    fn an_impossible_orientation_is_upright() {
        for (entry, count, value) in [
            ([0x112, 3], 1, 0),
            ([0x112, 3], 1, 9),
            ([0x112, 3], 2, 6),
            ([0x112, 4], 1, 6),
            ([0x113, 3], 1, 6),
        ] {
            assert_eq!(orientation(&exif(true, entry, count, value)), 1);
        }
    }

    #[test]
    fn damaged_exif_is_upright() {
        let whole = exif(false, [0x112, 3], 1, 6);
        for cut in 0..whole.len() - 8 {
            assert_eq!(orientation(&whole[..cut]), 1, "cut at {cut}");
        }
        let mut far = whole;
        far[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(orientation(&far), 1);
        assert_eq!(orientation(b"Exif\0\0not a TIFF structure at all"), 1);
    }
}
