//! Scores pairs of pictures with SSIMULACRA2 and with butteraugli.
//!
//! A request is one line on standard input, an answer one line on standard output, in the same order:
//!
//! ```text
//! WIDTH <tab> HEIGHT <tab> REFERENCE <tab> DISTORTED   ->   score <tab> 71.25 <tab> 1.01 <tab> 2.34
//!                                                      or   error <tab> why
//! ```
//!
//! Both files hold raw 8-bit sRGB, three bytes a pixel, rows without padding. The numbers are
//!
//! 1. SSIMULACRA2: 100 means equal; about 90 is hard to tell apart in a direct comparison, 70 is good, 50 is
//!    visibly worse;
//! 2. butteraugli's 3-norm over the picture: 0 means equal, and less is nearer;
//! 3. butteraugli's maximum, which is the worst place: below 1 nobody sees it, from 2 on it shows.
//!
//! A request that can't be scored gets an error line and the next one is read.

use std::fs;
use std::io::{self, BufRead, Write};

use butteraugli::{ButteraugliParams, Img, RGB8, butteraugli};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// The smallest side the metrics are defined for, px.
const MIN_SIDE_PX: u64 = 8;

/// More pixels than this are refused before a file is opened: SSIMULACRA2 keeps about 150 bytes a pixel.
const MAX_PIXELS: u64 = 64_000_000;

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        match score(&line?) {
            Ok(Scores { ssimulacra2, butteraugli, worst }) => {
                writeln!(output, "score\t{ssimulacra2:.4}\t{butteraugli:.5}\t{worst:.5}")?;
            }
            Err(reason) => writeln!(output, "error\t{}", reason.replace(['\r', '\n'], " "))?,
        }
        output.flush()?;
    }
    Ok(())
}

/// How far two pictures are apart.
#[derive(Debug)]
struct Scores {
    ssimulacra2: f64,
    /// the 3-norm
    butteraugli: f64,
    /// butteraugli's maximum
    worst: f64,
}

/// Scores one request line.
fn score(line: &str) -> Result<Scores, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [width, height, reference, distorted] = fields[..] else {
        return Err(format!("expected 4 tab-separated fields, found {}", fields.len()));
    };
    let (width, height) = (side(width)?, side(height)?);
    let pixels = width.checked_mul(height).filter(|&pixels| pixels <= MAX_PIXELS);
    let pixels = pixels.ok_or_else(|| format!("{width}x{height} is over {MAX_PIXELS} pixels"))?;
    // Both sides passed the pixel limit, so they fit any usize.
    let length = |px: u64| usize::try_from(px).map_err(|error| error.to_string());
    let size = (length(width)?, length(height)?);
    let (reference, distorted) = (picture(reference, size, pixels)?, picture(distorted, size, pixels)?);

    let ssimulacra2 = compute_frame_ssimulacra2(in_floats(&reference, size)?, in_floats(&distorted, size)?)
        .map_err(|error| error.to_string())?;
    let [reference, distorted] = [reference, distorted].map(|picture| Img::new(picture, size.0, size.1));
    let found = butteraugli(reference.as_ref(), distorted.as_ref(), &ButteraugliParams::default())
        .map_err(|error| error.to_string())?;
    Ok(Scores { ssimulacra2, butteraugli: found.pnorm_3, worst: found.score })
}

fn side(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(side) if side >= MIN_SIDE_PX => Ok(side),
        Ok(side) => Err(format!("a side of {side} px is under the metric's {MIN_SIDE_PX} px")),
        Err(error) => Err(format!("side {text:?}: {error}")),
    }
}

/// Reads one raw picture. The length is checked before the file is read.
fn picture(path: &str, (width, height): (usize, usize), pixels: u64) -> Result<Vec<RGB8>, String> {
    let expected = pixels * 3;
    let found = fs::metadata(path).map_err(|error| format!("{path}: {error}"))?.len();
    if found != expected {
        return Err(format!("{path} holds {found} bytes, {width}x{height} needs {expected}"));
    }
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(bytes.as_chunks().0.iter().map(|&[r, g, b]| RGB8 { r, g, b }).collect())
}

fn in_floats(picture: &[RGB8], (width, height): (usize, usize)) -> Result<Rgb, String> {
    let pixels =
        picture.iter().map(|&RGB8 { r, g, b }| [r, g, b].map(|value| f32::from(value) / 255.0)).collect();
    Rgb::new(pixels, width, height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
        .map_err(|error| error.to_string())
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
    fn an_equal_pair_is_perfect_and_more_noise_is_worse_to_every_metric() {
        let clean = file("clean", |_| 0);
        let little = file("little", |i| scattered(i) % 4);
        let much = file("much", |i| scattered(i) % 50);

        let equal = score(&request(&clean, &clean)).unwrap();
        let near = score(&request(&clean, &little)).unwrap();
        let far = score(&request(&clean, &much)).unwrap();

        assert!((equal.ssimulacra2 - 100.0).abs() < 1e-3, "{equal:?}");
        assert!(equal.butteraugli.abs() < 1e-6 && equal.worst.abs() < 1e-6, "{equal:?}");
        for (better, worse) in [(&equal, &near), (&near, &far)] {
            assert!(better.ssimulacra2 > worse.ssimulacra2, "{better:?} {worse:?}");
            assert!(better.butteraugli < worse.butteraugli, "{better:?} {worse:?}");
            assert!(better.worst < worse.worst, "{better:?} {worse:?}");
        }
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
