//! The file around pictures and planes (RFC 9649, 2.3 to 2.7).

use crate::error::{Error, Result};

/// Says in `VP8X` that there is transparency.
const HAS_ALPHA: u8 = 1 << 4;

/// Puts the data of a plane of alpha before the picture of a file that holds nothing else, whose sides are 1 to 16 384 px.
///
/// # Errors
/// [`Error::Encode`] for another kind of file, and where the result would be larger than a file can say.
pub(super) fn with_alpha(file: &[u8], alpha: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let picture = match file {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', picture @ ..]
            if picture.starts_with(b"VP8 ") =>
        {
            picture
        }
        _ => return Err(Error::Encode("libwebp wrote another kind of file than it was asked for".into())),
    };
    let mut sides = [0; 6];
    sides[..3].copy_from_slice(&(width - 1).to_le_bytes()[..3]);
    sides[3..].copy_from_slice(&(height - 1).to_le_bytes()[..3]);
    let canvas = [&[HAS_ALPHA, 0, 0, 0][..], &sides].concat();

    let mut body = Vec::with_capacity(4 + 8 + canvas.len() + 8 + alpha.len() + 1 + picture.len());
    body.extend(b"WEBP");
    for (name, data) in [(b"VP8X", &canvas[..]), (b"ALPH", alpha)] {
        body.extend(name);
        body.extend(length(data)?);
        body.extend(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    body.extend(picture);
    let head = [*b"RIFF", length(&body)?].concat();
    body.splice(..0, head);
    Ok(body)
}

fn length(data: &[u8]) -> Result<[u8; 4]> {
    let length = u32::try_from(data.len());
    length.map(u32::to_le_bytes).map_err(|_| Error::Encode("a WebP of more than 4 GB".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_stands_between_the_canvas_and_the_picture() {
        let file =
            with_alpha(b"RIFF\x0e\0\0\0WEBPVP8 \x02\0\0\0ab", &[1, 2, 3], (300, 2)).expect("a picture");
        let expected = [
            &b"RIFF\x2c\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\x2b\x01\0\x01\0\0"[..],
            b"ALPH\x03\0\0\0\x01\x02\x03\0VP8 \x02\0\0\0ab",
        ];
        assert_eq!(file, expected.concat());
    }

    #[test]
    fn what_is_no_lossy_picture_is_refused() {
        for file in [&b""[..], b"RIFF\x0e\0\0\0WEBPVP8L\x02\0\0\0ab", b"RIFF\x0e\0\0\0WEBP"] {
            assert!(matches!(with_alpha(file, &[0], (1, 1)), Err(Error::Encode(_))));
        }
    }
}
