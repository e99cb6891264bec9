//! The eight orientations of EXIF, in every container that has them.

use unsharp::image::decode::Layout;

use crate::make::jpeg::Jpeg;
use crate::make::png::Png;
use crate::make::tiff::Tiff;
use crate::make::{exif, webp};
use crate::{assert_near, decoded, optimized};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 32;

const TOP_LEFT: [u8; 3] = [230, 20, 20];
const TOP_RIGHT: [u8; 3] = [20, 220, 30];
const BOTTOM_LEFT: [u8; 3] = [20, 30, 225];
const BOTTOM_RIGHT: [u8; 3] = [240, 240, 240];

/// Four quarters, each in a color of its own.
fn quarters() -> Vec<u8> {
    let mut data = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            data.extend(match (x < WIDTH / 2, y < HEIGHT / 2) {
                (true, true) => TOP_LEFT,
                (false, true) => TOP_RIGHT,
                (true, false) => BOTTOM_LEFT,
                (false, false) => BOTTOM_RIGHT,
            });
        }
    }
    data
}

/// How the quarters lie once the image is upright: top left, top right, bottom left, bottom right.
fn upright(orientation: u16) -> [[u8; 3]; 4] {
    let [a, b, c, d] = [TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT];
    match orientation {
        2 => [b, a, d, c],
        3 => [d, c, b, a],
        4 => [c, d, a, b],
        5 => [a, c, b, d],
        6 => [c, a, d, b],
        7 => [d, b, c, a],
        8 => [b, d, a, c],
        _ => [a, b, c, d],
    }
}

fn files(orientation: u16) -> Vec<(&'static str, Vec<u8>)> {
    let rgb = quarters();
    let samples: Vec<u16> = rgb.iter().map(|sample| u16::from(*sample)).collect();
    let big_endian = orientation.is_multiple_of(2);
    let block = exif(orientation, big_endian);
    let png = Png {
        width: WIDTH,
        height: HEIGHT,
        depth: 8,
        color: 2,
        interlaced: false,
        samples: &samples,
        chunks: &[(b"eXIf", &block)],
    };
    let lossless = webp::lossless(&rgb, WIDTH, HEIGHT, Layout::Rgb);
    vec![
        ("JPEG", Jpeg { exif: block.clone(), ..Jpeg::default() }.file(&rgb, WIDTH, HEIGHT)),
        ("PNG", png.file()),
        ("WebP", webp::extended(&lossless, (WIDTH, HEIGHT), false, &[], &block)),
        ("TIFF", Tiff { big_endian, orientation, ..Tiff::new(WIDTH, HEIGHT, 8, 2, &samples) }.file()),
    ]
}

#[test]
fn images_are_turned_upright_at_full_and_at_half_size() {
    for orientation in 1..=8 {
        for (name, file) in files(orientation) {
            let turned = orientation >= 5;
            let (width, height) = if turned { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) };
            for part in [1, 2] {
                let result = optimized(&file, width / part).expect("an image");
                let name = format!("{name} {orientation} at 1/{part}");
                assert_eq!((result.width, result.height), (width / part, height / part), "{name}");
                let pixels = decoded(&result.data).expect("our own").pixels;
                let at = |x: u32, y: u32| {
                    let at = ((y * pixels.height / 4) * pixels.width + x * pixels.width / 4) as usize * 3;
                    &pixels.data[at..at + 3]
                };
                for (color, got) in upright(orientation).iter().zip([at(1, 1), at(3, 1), at(1, 3), at(3, 3)])
                {
                    assert_near(&name, got, color, 6);
                }
            }
        }
    }
}
