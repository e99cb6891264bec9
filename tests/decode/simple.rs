//! GIF and WebP.

use unsharp::Error;
use unsharp::image::decode::Layout;

use crate::make::gif::{self, Gif};
use crate::make::{self, profile, webp};
use crate::{assert_pixels, decoded, mean_difference, optimized};

const WIDTH: u16 = 45;
const HEIGHT: u16 = 31;

fn whole<'a>(palette: &'a [u8], indices: &'a [u8]) -> Gif<'a> {
    Gif {
        canvas: (WIDTH, HEIGHT),
        frame: [0, 0, WIDTH, HEIGHT],
        palette,
        indices,
        transparent: None,
        interlaced: false,
    }
}

/// RGB of RGBA.
fn without_alpha(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect()
}

#[test]
fn gif_interlaced_or_not_with_and_without_transparency() {
    let (palette, indices) = (gif::palette(), gif::indices(WIDTH, HEIGHT));
    for interlaced in [false, true] {
        let opaque = Gif { interlaced, ..whole(&palette, &indices) };
        let shown = gif::shown(&indices, None);
        assert_pixels("opaque", &opaque.file(), Layout::Rgb, &without_alpha(&shown));
        let clear = Gif { interlaced, transparent: Some(7), ..whole(&palette, &indices) };
        let pixels = decoded(&clear.file()).expect("an image").pixels;
        assert_eq!(pixels.layout, Layout::Rgba);
        for (pixel, wanted) in pixels.data.chunks_exact(4).zip(gif::shown(&indices, Some(7)).chunks_exact(4))
        {
            assert_eq!(pixel[3], wanted[3]);
            assert!(pixel[3] == 0 || pixel == wanted);
        }
    }
}

#[test]
fn what_a_gif_frame_leaves_free_is_transparent() {
    let (palette, indices) = (gif::palette(), gif::indices(WIDTH, HEIGHT));
    let (canvas, frame) = ((WIDTH + 9, HEIGHT + 5), [4, 3, WIDTH, HEIGHT]);
    let file = Gif { canvas, frame, ..whole(&palette, &indices) }.file();
    let shown = gif::shown(&indices, None);
    let (width, line) = (usize::from(canvas.0) * 4, usize::from(WIDTH) * 4);
    let mut expected = vec![0; width * usize::from(canvas.1)];
    for (y, row) in shown.chunks_exact(line).enumerate() {
        expected[(y + 3) * width + 4 * 4..][..line].copy_from_slice(row);
    }
    assert_pixels("offset", &file, Layout::Rgba, &expected);
}

#[test]
fn a_gif_frame_beyond_the_canvas_makes_it_grow() {
    let (palette, indices) = (gif::palette(), gif::indices(WIDTH, HEIGHT));
    let shown = without_alpha(&gif::shown(&indices, None));
    for canvas in [(0, 0), (1, 1), (WIDTH, 2), (2, HEIGHT)] {
        let file = Gif { canvas, ..whole(&palette, &indices) }.file();
        let pixels = decoded(&file).expect("an image").pixels;
        assert_eq!((pixels.width, pixels.height), (WIDTH.into(), HEIGHT.into()));
        assert_eq!(pixels.data, shown);
    }
}

#[test]
fn a_gif_without_its_trailer_is_whole_and_one_without_frames_is_not() {
    let (palette, indices) = (gif::palette(), gif::indices(WIDTH, HEIGHT));
    let file = whole(&palette, &indices).file();
    assert_eq!(file.last(), Some(&b';'));
    let cut = decoded(&file[..file.len() - 1]).expect("an image").pixels;
    assert_eq!(cut, decoded(&file).expect("an image").pixels);
    let empty = [&file[..13], b";"].concat();
    assert!(matches!(decoded(&empty), Err(Error::Decode(_))));
}

#[test]
fn webp_lossless_is_exact() {
    let (width, height) = (WIDTH.into(), HEIGHT.into());
    let (rgb, rgba) = (make::rgb(width, height), make::rgba(width, height));
    let file = webp::lossless(&rgb, width, height, Layout::Rgb);
    assert_pixels("RGB", &file, Layout::Rgb, &rgb);
    let file = webp::lossless(&rgba, width, height, Layout::Rgba);
    assert_pixels("RGBA", &file, Layout::Rgba, &rgba);
}

#[test]
fn webp_lossy_is_near_and_its_alpha_exact() {
    let (width, height) = (WIDTH.into(), HEIGHT.into());
    let (rgb, rgba) = (make::rgb(width, height), make::rgba(width, height));
    let pixels = decoded(&webp::lossy(&rgb, width, height, Layout::Rgb)).expect("an image").pixels;
    assert_eq!(pixels.layout, Layout::Rgb);
    let difference = mean_difference(&pixels.data, &rgb);
    assert!(difference < 4.0, "{difference}");
    let pixels = decoded(&webp::lossy(&rgba, width, height, Layout::Rgba)).expect("an image").pixels;
    assert_eq!(pixels.layout, Layout::Rgba);
    for (got, wanted) in pixels.data.chunks_exact(4).zip(rgba.chunks_exact(4)) {
        assert_eq!(got[3], wanted[3]);
    }
}

#[test]
fn webp_metadata_is_read_from_the_extended_container() {
    let (width, height) = (WIDTH.into(), HEIGHT.into());
    let plain = webp::lossless(&make::rgb(width, height), width, height, Layout::Rgb);
    let icc = profile::display_p3();
    let file = webp::extended(&plain, (width, height), false, &icc, &make::exif(6, true));
    let image = decoded(&file).expect("an image");
    assert_eq!((image.icc.as_deref(), image.orientation), (Some(&icc[..]), 6));
    assert_eq!(image.pixels, decoded(&plain).expect("an image").pixels);
    let turned = optimized(&file, width).expect("an image");
    assert_eq!((turned.width, turned.height), (height, width));
}

#[test]
fn a_webp_whose_data_has_another_size_is_damaged() {
    let (width, height) = (WIDTH.into(), HEIGHT.into());
    let plain = webp::lossless(&make::rgb(width, height), width, height, Layout::Rgb);
    for size in [(width + 1, height), (width, height - 1), (1, 1)] {
        let file = webp::extended(&plain, size, false, &[], &[]);
        assert!(matches!(decoded(&file), Err(Error::Decode(_))), "{size:?}");
    }
}
