//! Takes content codings off a body, by the rules of the fetch in Next: gzip, x-gzip, deflate (with or without
//! its zlib wrapper) and br, stacked up to five deep. A stream that ends early counts as far as it goes, what
//! follows after its end is ignored, and damage is an error.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// More codings than this are refused, so that a header alone can't make us build decoders without end.
const MAXIMUM_CODINGS: usize = 5;

/// Bytes that every stage may give beyond twice the limit. A stage below the last holds compressed data, which
/// for an honest answer is about as large as the result at most; without a bound there, five stages of a
/// thousandfold expansion each could burn CPU for hours and never give a byte to the last one.
const STAGE_ALLOWANCE_BYTES: u64 = 64 << 10;

const BUFFER_BYTES: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// Why a body could not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CodingError {
    TooLarge,
    Corrupt(String),
}

/// The codings of a `Content-Encoding` header in the order in which they come off. None when a single one
/// is unknown: the body is then taken as it is. `Err` when there are too many.
pub(crate) fn parse(header: &str) -> Result<Vec<Coding>, ()> {
    if header.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = header.split(',').collect();
    if names.len() > MAXIMUM_CODINGS {
        return Err(());
    }
    let coding = |name: &&str| match name.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        _ => None,
    };
    Ok(names.iter().rev().map(coding).collect::<Option<_>>().unwrap_or_default())
}

/// How many bytes of an encoded body are worth reading when the decoded one may have `limit_bytes`.
pub(crate) fn encoded_limit(limit_bytes: u64) -> u64 {
    limit_bytes.saturating_mul(2).saturating_add(STAGE_ALLOWANCE_BYTES)
}

/// Decodes `body`, stopping as soon as the result passes `limit_bytes`.
pub(crate) fn decode(body: Bytes, codings: &[Coding], limit_bytes: u64) -> Result<Vec<u8>, CodingError> {
    let stage_limit = encoded_limit(limit_bytes);
    let mut decoded = Vec::new();
    let read = || -> io::Result<usize> {
        let mut stage: Box<dyn BufRead> = Box::new(Cursor::new(body));
        for coding in codings {
            let inner = decoder(*coding, stage)?;
            stage =
                Box::new(BufReader::with_capacity(BUFFER_BYTES, Stage { inner, left_bytes: stage_limit }));
        }
        stage.take(limit_bytes.saturating_add(1)).read_to_end(&mut decoded)
    };
    match read() {
        Ok(len) if len as u64 > limit_bytes => Err(CodingError::TooLarge),
        Ok(_) => Ok(decoded),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(CodingError::TooLarge),
        Err(error) => Err(CodingError::Corrupt(error.to_string())),
    }
}

fn decoder(coding: Coding, mut input: Box<dyn BufRead>) -> io::Result<Box<dyn Read>> {
    Ok(match coding {
        Coding::Gzip => Box::new(Gunzip { member: next_member(input)? }),
        // A zlib header starts with compression method 8; raw deflate can't be told otherwise.
        Coding::Deflate => match input.fill_buf()?.first() {
            Some(first) if first & 0x0f != 8 => Box::new(DeflateDecoder::new(input)),
            _ => Box::new(ZlibDecoder::new(input)),
        },
        Coding::Brotli => {
            let mut decoder = Decompressor::new(EndMark { inner: input, ended: false }, BUFFER_BYTES);
            // The extension for windows of up to 1 GB is no part of the content coding (RFC 7932), and the crate
            // has it on.
            decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
            Box::new(Unbrotli { decoder })
        }
    })
}

/// One decoder with a bound on what comes out, and with the early end of its input taken as the end.
struct Stage {
    inner: Box<dyn Read>,
    left_bytes: u64,
}

impl Read for Stage {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Ok(len) => match self.left_bytes.checked_sub(len as u64) {
                Some(left) => {
                    self.left_bytes = left;
                    Ok(len)
                }
                None => Err(ErrorKind::FileTooLarge.into()),
            },
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Gzip members one after the other. After the last, zeros are padding; anything else has to be a member.
struct Gunzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let len = member.read(buf)?;
            if len > 0 || buf.is_empty() {
                self.member = Some(member);
                return Ok(len);
            }
            let mut rest = member.into_inner();
            if rest.fill_buf()?.first() != Some(&0) {
                self.member = next_member(rest)?;
            }
        }
        Ok(0)
    }
}

/// `None` at the end of the input. The first byte is checked here, because the crate takes what is shorter than
/// a header for one that ends early.
fn next_member<R: BufRead>(mut input: R) -> io::Result<Option<GzDecoder<R>>> {
    match input.fill_buf()?.first() {
        None => Ok(None),
        Some(0x1f) => Ok(Some(GzDecoder::new(input))),
        Some(_) => Err(io::Error::new(ErrorKind::InvalidData, "no gzip header")),
    }
}

/// Tells a brotli stream that ends early from a damaged one, which the crate reports alike: only the former
/// asks for input past the end.
struct Unbrotli {
    decoder: Decompressor<EndMark>,
}

impl Read for Unbrotli {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buf).map_err(|error| {
            let ended_early = error.kind() == ErrorKind::InvalidData && self.decoder.get_ref().ended;
            if ended_early { ErrorKind::UnexpectedEof.into() } else { error }
        })
    }
}

struct EndMark {
    inner: Box<dyn BufRead>,
    ended: bool,
}

impl Read for EndMark {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buf)?;
        self.ended |= len == 0 && !buf.is_empty();
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const LIMIT: u64 = 100_000;

    fn text() -> Vec<u8> {
        (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 28) as u8).collect()
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(body: &[u8]) -> Vec<u8> {
        let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 22);
        encoder.write_all(body).unwrap();
        encoder.into_inner()
    }

    fn run(header: &str, body: impl Into<Bytes>) -> Result<Vec<u8>, CodingError> {
        decode(body.into(), &parse(header).unwrap(), LIMIT)
    }

    #[test]
    fn every_coding_comes_off_in_any_spelling() {
        for (header, encoded) in [
            ("gzip", gzip(&text())),
            ("X-GZIP", gzip(&text())),
            ("deflate", zlib(&text())),
            (" Deflate ", raw_deflate(&text())),
            ("br", brotli(&text())),
            ("gzip, br", brotli(&gzip(&text()))),
            ("br,deflate , gzip", gzip(&zlib(&brotli(&text())))),
            ("gzip,gzip,gzip,gzip,gzip", gzip(&gzip(&gzip(&gzip(&gzip(&text())))))),
        ] {
            assert_eq!(run(header, encoded), Ok(text()), "{header}");
        }
    }

    #[test]
    fn an_unknown_coding_leaves_the_body_as_it_is() {
        for header in ["", "identity", "zstd", "zstd, gzip", "gzip,", "gzip;q=1"] {
            assert_eq!(parse(header), Ok(vec![]), "{header:?}");
        }
        assert_eq!(run("zstd", &b"raw"[..]), Ok(b"raw".to_vec()));
    }

    #[test]
    fn more_than_five_codings_are_refused() {
        assert_eq!(parse("gzip,gzip,gzip,gzip,gzip,gzip"), Err(()));
        assert_eq!(parse(",,,,,"), Err(()));
    }

    #[test]
    fn a_stream_that_ends_early_counts_as_far_as_it_goes() {
        for (header, encoded) in [
            ("gzip", gzip(&text())),
            ("deflate", zlib(&text())),
            ("deflate", raw_deflate(&text())),
            ("br", brotli(&text())),
        ] {
            let half = run(header, encoded[..encoded.len() / 2].to_vec()).unwrap();
            assert!(half.len() > 1_000 && text().starts_with(&half), "{header}: {}", half.len());
            let without_trailer = run(header, encoded[..encoded.len() - 1].to_vec()).unwrap();
            assert!(text().starts_with(&without_trailer), "{header}");
            assert_eq!(run(header, Bytes::new()), Ok(Vec::new()), "{header}");
        }
    }

    #[test]
    fn what_follows_a_stream_is_ignored_or_a_member_or_damage() {
        let followed = |mut encoded: Vec<u8>, rest: &[u8]| {
            encoded.extend(rest);
            encoded
        };
        assert_eq!(run("deflate", followed(zlib(b"abc"), b"rest")), Ok(b"abc".to_vec()));
        assert_eq!(run("deflate", followed(raw_deflate(b"abc"), b"rest")), Ok(b"abc".to_vec()));
        assert_eq!(run("br", followed(brotli(b"abc"), b"rest")), Ok(b"abc".to_vec()));
        assert_eq!(run("gzip", followed(gzip(b"abc"), b"\0\0rest")), Ok(b"abc".to_vec()));
        assert_eq!(run("gzip", followed(gzip(b"abc"), &gzip(b"def"))), Ok(b"abcdef".to_vec()));
        assert!(matches!(
            run("gzip", followed(gzip(b"abc"), b"rest of something")),
            Err(CodingError::Corrupt(_))
        ));
    }

    #[test]
    fn damage_is_an_error() {
        let mut wrong_sum = gzip(&text());
        let sum_at = wrong_sum.len() - 8;
        wrong_sum[sum_at] ^= 1;
        let mut wrong_adler = zlib(&text());
        *wrong_adler.last_mut().unwrap() ^= 1;
        for (header, body) in [
            ("gzip", wrong_sum),
            ("gzip", b"this is no gzip stream".to_vec()),
            ("gzip", b"short".to_vec()),
            ("deflate", wrong_adler),
            ("deflate", b"hello plain text".to_vec()),
            ("br", b"this is no brotli stream, as should be seen".to_vec()),
            ("br", vec![0xff; 1_000]),
        ] {
            assert!(
                matches!(run(header, body.clone()), Err(CodingError::Corrupt(_))),
                "{header} {body:.20?}"
            );
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 20 << 20];
        for (header, body) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("br", brotli(&zeros))] {
            assert!(body.len() < 100_000);
            assert_eq!(run(header, body), Err(CodingError::TooLarge), "{header}");
        }
        assert_eq!(run("gzip, gzip", gzip(&gzip(&zeros))), Err(CodingError::TooLarge));
        let exact = vec![7; LIMIT as usize];
        assert_eq!(run("gzip", gzip(&exact)), Ok(exact), "the limit itself passes");
        assert_eq!(run("gzip", gzip(&vec![7; LIMIT as usize + 1])), Err(CodingError::TooLarge));
    }

    #[test]
    fn a_bomb_between_two_stages_stops_as_well() {
        // Empty gzip members decode to nothing, however many there are.
        let nothing = gzip(b"").repeat(500_000);
        assert_eq!(run("gzip", nothing.clone()), Ok(Vec::new()));
        assert_eq!(run("gzip, gzip", gzip(&nothing)), Err(CodingError::TooLarge));
    }

    #[test]
    fn brotli_windows_beyond_the_rfc_are_refused() {
        let large = brotli::enc::BrotliEncoderParams { large_window: true, lgwin: 28, ..Default::default() };
        let mut encoded = Vec::new();
        brotli::BrotliCompress(&mut &text()[..], &mut encoded, &large).unwrap();
        assert!(matches!(run("br", encoded), Err(CodingError::Corrupt(_))));
    }
}
