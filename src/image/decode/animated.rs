//! Whether an input has more than one frame, by the rules of Next 16.4.6 (its `is-animated` package): what
//! it passes through untouched, we do, even where a stricter reader would decide otherwise.

use memchr::memmem;

use crate::image::format::Format;

/// Whether Next would pass the input through as an animation. Reads structure only, in one pass, and never
/// fails: what is damaged counts as not animated.
#[must_use]
pub fn is_animated(input: &[u8], format: Format) -> bool {
    match format {
        Format::Gif => gif(input),
        Format::Png => png(input),
        // Anywhere in the file, not only as a chunk.
        Format::WebP => memmem::find(input, b"ANIM").is_some(),
        _ => false,
    }
}

/// Two image descriptors.
fn gif(input: &[u8]) -> bool {
    let mut frames = 0;
    let mut at = 13 + color_table(input, 10);
    while frames < 2 {
        match input.get(at) {
            Some(b',') => {
                frames += 1;
                // The descriptor, its color table, the byte with the LZW code size, then the data.
                at += 10 + color_table(input, at + 9);
                at = after_blocks(input, at + 1);
            }
            Some(b'!') => at = after_blocks(input, at + 2),
            _ => break,
        }
    }
    frames > 1
}

/// Bytes of the color table that the flags at `at` announce.
pub(super) fn color_table(input: &[u8], at: usize) -> usize {
    match input.get(at) {
        Some(flags) if flags & 0x80 != 0 => 3 << ((flags & 7) + 1),
        _ => 0,
    }
}

/// Where a chain of data sub-blocks ends.
pub(super) fn after_blocks(input: &[u8], mut at: usize) -> usize {
    while let Some(&len @ 1..) = input.get(at) {
        at += usize::from(len) + 1;
    }
    at + 1
}

/// An `acTL` chunk before the first `IDAT`, the image data being the animation's first frame, and `fdAT`
/// data after it.
fn png(input: &[u8]) -> bool {
    let mut control = false;
    let mut first_frame = false;
    let mut previous = [0; 4];
    let mut rest = input.get(8..).unwrap_or_default();
    while let Some((length, name)) = rest
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| Some((u32::from_be_bytes(*length) as usize, *rest.first_chunk::<4>()?)))
    {
        match &name {
            b"acTL" => control = true,
            b"IDAT" if !control || !matches!(&previous, b"fcTL" | b"IDAT") => return false,
            b"IDAT" => first_frame = true,
            b"fdAT" => return control && first_frame && matches!(&previous, b"fcTL" | b"fdAT"),
            _ => {}
        }
        previous = name;
        // 4 bytes each of length, name and checksum
        rest = length.checked_add(12).and_then(|chunk| rest.get(chunk..)).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GIF of 2x2 px: palette of two colors, then `frames` times an extension and a frame with a palette of
    /// its own.
    fn gif_of(frames: usize) -> Vec<u8> {
        let mut gif = b"GIF89a\x02\0\x02\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
        for _ in 0..frames {
            gif.extend(b"!\xf9\x04\0\0\0\0\0");
            gif.extend(b",\0\0\0\0\x02\0\x02\0\x80\0\0\0\xff\xff\xff\x02\x03\x44\x02\x05\0");
        }
        gif.push(b';');
        gif
    }

    fn png_of(chunks: &[&[u8; 4]]) -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for name in chunks {
            png.extend([&5_u32.to_be_bytes()[..], *name, b"12345", b"csum"].concat());
        }
        png
    }

    #[test]
    fn a_gif_is_animated_from_its_second_frame_on() {
        for (frames, animated) in [(0, false), (1, false), (2, true), (3, true)] {
            assert_eq!(is_animated(&gif_of(frames), Format::Gif), animated, "{frames} frames");
        }
    }

    #[test]
    fn a_gif_counts_frames_only_up_to_its_end_or_an_unknown_block() {
        let mut gif = gif_of(1);
        gif.extend(&gif_of(2)[19..]);
        assert!(!is_animated(&gif, Format::Gif));
        *gif.iter_mut().rev().find(|byte| **byte == b';').expect("it ends so") = b'?';
        assert!(!is_animated(&gif, Format::Gif));
    }

    #[test]
    fn a_png_is_animated_when_its_image_data_is_the_first_of_several_frames() {
        let cases: [(&[&[u8; 4]], bool); 8] = [
            (&[b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT", b"IEND"], true),
            (&[b"IHDR", b"acTL", b"fcTL", b"IDAT", b"IDAT", b"fcTL", b"fdAT", b"fdAT"], true),
            (&[b"IHDR", b"IDAT", b"IEND"], false),
            (&[b"IHDR", b"acTL", b"fcTL", b"IDAT", b"IEND"], false),
            // The default image is no part of the animation.
            (&[b"IHDR", b"acTL", b"IDAT", b"fcTL", b"fdAT"], false),
            // The control chunk comes too late.
            (&[b"IHDR", b"fcTL", b"IDAT", b"acTL", b"fcTL", b"fdAT"], false),
            (&[b"IHDR", b"acTL", b"fcTL", b"IDAT", b"tEXt", b"fdAT"], false),
            (&[b"acTL", b"fdAT"], false),
        ];
        for (chunks, animated) in cases {
            assert_eq!(is_animated(&png_of(chunks), Format::Png), animated, "{chunks:?}");
        }
    }

    #[test]
    fn a_webp_is_animated_when_the_letters_stand_anywhere() {
        assert!(is_animated(b"RIFF\0\0\0\0WEBPVP8X........ANIM", Format::WebP));
        assert!(!is_animated(b"RIFF\0\0\0\0WEBPVP8X........ANMF", Format::WebP));
    }

    #[test]
    fn kinds_without_animation_are_never_animated() {
        for format in [Format::Jpeg, Format::Tiff, Format::Svg] {
            assert!(!is_animated(b"ANIM GIF89a acTL", format));
        }
    }

    #[test]
    fn damage_anywhere_is_no_animation_and_no_panic() {
        let png = png_of(&[b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT"]);
        let gif = gif_of(2);
        let second_frame = gif.iter().rposition(|byte| *byte == b',').expect("it is there") + 1;
        for cut in 0..gif.len() {
            assert_eq!(is_animated(&gif[..cut], Format::Gif), cut >= second_frame, "cut at {cut}");
        }
        for cut in 0..png.len() - 12 {
            assert!(!is_animated(&png[..cut], Format::Png), "cut at {cut}");
        }
        let endless = [&png[..8], &[0xff; 64]].concat();
        assert!(!is_animated(&endless, Format::Png));
    }
}
