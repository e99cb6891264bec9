//! Scores pairs of pictures with SSIMULACRA2.
//!
//! A request is one line on standard input, an answer one line on standard output, in the same order:
//!
//! ```text
//! WIDTH <tab> HEIGHT <tab> REFERENCE <tab> DISTORTED      ->      score <tab> 71.25
//!                                                         or      error <tab> why
//! ```
//!
//! Both files hold raw 8-bit sRGB, three bytes a pixel, rows without padding. 100 means equal; about 90 is
//! hard to tell apart in a direct comparison, 70 is good, 50 is visibly worse. A request that can't be
//! scored gets an error line and the next one is read.

use std::fs;
use std::io::{self, BufRead, Write};

use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// The smallest side the metric is defined for, px.
const MIN_SIDE_PX: u64 = 8;

/// More pixels than this are refused before a file is opened: the metric keeps about 150 bytes a pixel.
const MAX_PIXELS: u64 = 64_000_000;

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        match score(&line?) {
            Ok(score) => writeln!(output, "score\t{score:.4}")?,
            Err(reason) => writeln!(output, "error\t{}", reason.replace(['\r', '\n'], " "))?,
        }
        output.flush()?;
    }
    Ok(())
}

/// Scores one request line.
fn score(line: &str) -> Result<f64, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [width, height, reference, distorted] = fields[..] else {
        return Err(format!("expected 4 tab-separated fields, found {}", fields.len()));
    };
    let (width, height) = (side(width)?, side(height)?);
    let pixels = width.checked_mul(height).filter(|&pixels| pixels <= MAX_PIXELS);
    let pixels = pixels.ok_or_else(|| format!("{width}x{height} is over {MAX_PIXELS} pixels"))?;
    let size = Size { width, height, pixels };
    compute_frame_ssimulacra2(picture(reference, &size)?, picture(distorted, &size)?)
        .map_err(|error| error.to_string())
}

/// The size both pictures of a request must have.
struct Size {
    width: u64,
    height: u64,
    pixels: u64,
}

fn side(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(side) if side >= MIN_SIDE_PX => Ok(side),
        Ok(side) => Err(format!("a side of {side} px is under the metric's {MIN_SIDE_PX} px")),
        Err(error) => Err(format!("side {text:?}: {error}")),
    }
}

/// Reads one raw picture. The length is checked before the file is read.
fn picture(path: &str, size: &Size) -> Result<Rgb, String> {
    let expected = size.pixels * 3;
    let found = fs::metadata(path).map_err(|error| format!("{path}: {error}"))?.len();
    if found != expected {
        return Err(format!("{path} holds {found} bytes, {}x{} needs {expected}", size.width, size.height));
    }
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let pixels: Vec<[f32; 3]> =
        bytes.as_chunks().0.iter().map(|rgb: &[u8; 3]| rgb.map(|value| f32::from(value) / 255.0)).collect();
    // Both sides passed the pixel limit, so they fit any usize.
    let length = |px: u64| usize::try_from(px).map_err(|error| error.to_string());
    Rgb::new(
        pixels,
        length(size.width)?,
        length(size.height)?,
        TransferCharacteristic::SRGB,
        ColorPrimaries::BT709,
    )
    .map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    const WIDTH: usize = 48;
    const HEIGHT: usize = 32;

    /// Writes a gradient with some texture, every value changed by `noise`, to a file of its own.
    fn file(name: &str, noise: impl Fn(usize) -> u8) -> PathBuf {
        let path = std::env::temp_dir().join(format!("unsharp-quality-{}-{name}.rgb", std::process::id()));
        let bytes: Vec<u8> = (0..WIDTH * HEIGHT * 3)
            .map(|i| {
                let (x, y) = (i / 3 % WIDTH, i / 3 / WIDTH);
                u8::try_from((x * 3 + y * 2 + (x * y) % 11) % 200).unwrap().saturating_add(noise(i))
            })
            .collect();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A value that looks random from one index to the next.
    fn scattered(i: usize) -> u8 {
        (i.wrapping_mul(2_654_435_761) >> 16).to_le_bytes()[0]
    }

    fn request(reference: &Path, distorted: &Path) -> String {
        format!("{WIDTH}\t{HEIGHT}\t{}\t{}", reference.display(), distorted.display())
    }

    #[test]
    fn an_equal_pair_scores_100_and_more_noise_scores_lower() {
        let clean = file("clean", |_| 0);
        let little = file("little", |i| scattered(i) % 4);
        let much = file("much", |i| scattered(i) % 50);

        let equal = score(&request(&clean, &clean)).unwrap();
        let near = score(&request(&clean, &little)).unwrap();
        let far = score(&request(&clean, &much)).unwrap();

        assert!((equal - 100.0).abs() < 1e-3, "{equal}");
        assert!(near < equal && far < near, "{equal} {near} {far}");
        for path in [clean, little, much] {
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_file_of_another_size_is_an_error_that_names_both_sizes() {
        let picture = file("short", |_| 0);
        let line = format!("64\t64\t{0}\t{0}", picture.display());
        let reason = score(&line).unwrap_err();
        assert!(reason.contains("holds 4608 bytes, 64x64 needs 12288"), "{reason}");
        fs::remove_file(picture).unwrap();
    }

    #[test]
    fn a_request_that_makes_no_sense_is_an_error() {
        for (line, expected) in [
            ("", "4 tab-separated fields"),
            ("8\t8\tonly-one", "4 tab-separated fields"),
            ("7\t8\ta\tb", "under the metric's 8 px"),
            ("-8\t8\ta\tb", "side \"-8\""),
            ("18446744073709551615\t18446744073709551615\ta\tb", "over 64000000 pixels"),
            ("8\t8\t/no/such/file\t/no/such/file", "/no/such/file"),
        ] {
            let reason = score(line).unwrap_err();
            assert!(reason.contains(expected), "{line:?} gave {reason:?}");
        }
    }
}
