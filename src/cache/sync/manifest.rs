//! The manifest: a hint, kept in the bucket, of what the bucket has, the hottest first.
//!
//! `<prefix>/.unsharp/manifest.gz`, gzipped text. The first line is `unsharp-manifest 1`, every other line a variant:
//! `<key> <used, seconds> <written, seconds> <bytes> <file name>`. Lines that are none are left out, so a damaged
//! manifest gives what of it is whole. It is written by whoever pushes, without any lock: what one pod's version
//! lacks is found by listing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::index::Index;
use crate::cache::file_name::FileName;
use crate::cache::object::Bucket;
use crate::error::{Error, Result};
use crate::key::CacheKey;

/// The note's name.
const NOTE: &str = "manifest.gz";

const HEADER: &str = "unsharp-manifest 1";

/// The longest line that is read, bytes. A key, four numbers and a file's name have less.
const LONGEST_LINE_BYTES: u64 = 512;

/// So much is unpacked at most, bytes: a few kilobytes of gzip can claim terabytes.
const LARGEST_TEXT_BYTES: u64 = 64 << 20;

/// A variant that a bucket has, or had when that was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) key: CacheKey,
    pub(crate) name: FileName,
    /// Length of the body.
    pub(crate) bytes: u64,
    /// When it was put into the bucket, in seconds since the Unix epoch by some pod's clock.
    pub(crate) written_secs: u64,
    /// When some pod last answered with it, likewise.
    pub(crate) used_secs: u64,
}

/// Packs the variants in the order in which they come.
pub(super) fn encode<'a>(variants: impl IntoIterator<Item = &'a Noted>) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let write = |packed: &mut GzEncoder<_>| -> io::Result<()> {
        writeln!(packed, "{HEADER}")?;
        for Noted { key, name, bytes, written_secs, used_secs } in variants {
            writeln!(packed, "{key} {used_secs} {written_secs} {bytes} {name}")?;
        }
        Ok(())
    };
    let written = write(&mut packed);
    let finished = written.and_then(|()| packed.finish());
    finished.expect("writing to memory does not fail").into()
}

/// The variants of a manifest, at most `limit`, unpacked line by line.
pub(crate) fn decode(packed: Bytes, limit: usize) -> impl Iterator<Item = Noted> + Send {
    let text = GzDecoder::new(packed.reader()).take(LARGEST_TEXT_BYTES);
    let mut lines = Lines { text: BufReader::new(text) };
    let known = lines.next().is_some_and(|line| line == HEADER);
    let variants = lines.filter_map(|line| parse(&line)).take(limit);
    known.then_some(variants).into_iter().flatten()
}

/// What the bucket's manifest holds, in its order. Nothing when there is none.
///
/// # Errors
/// [`Error::Store`] when the store can't be asked.
pub(super) async fn read(bucket: &Bucket, limit: usize) -> Result<Vec<Noted>> {
    let Some(packed) = bucket.read_note(NOTE).await? else { return Ok(Vec::new()) };
    blocking(move || decode(packed, limit).collect()).await
}

/// Writes what the index knows, and what the bucket's manifest holds beyond that, which the index takes in. Returns
/// the manifest's length, bytes.
///
/// # Errors
/// [`Error::Store`] when it can't be written.
pub(super) async fn write(bucket: &Bucket, index: &Arc<Index>) -> Result<u64> {
    // One that can't be read, such as one that is too large, is written anew: it is only a hint.
    let stored = bucket.read_note(NOTE).await.ok().flatten().unwrap_or_default();
    let merged = Arc::clone(index);
    let packed = blocking(move || {
        decode(stored, merged.capacity()).for_each(|noted| merged.note(noted));
        encode(&merged.hottest_first())
    });
    let packed = packed.await?;
    let bytes = packed.len() as u64;
    bucket.write_note(NOTE, packed).await?;
    index.manifest_written();
    Ok(bytes)
}

/// Work that takes a while, off the threads that wait for the network.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|stopped| Error::Store(format!("the process is ending: {stopped}")))
}

fn parse(line: &str) -> Option<Noted> {
    let mut parts = line.split(' ');
    let key = CacheKey::parse(parts.next()?)?;
    let mut number = || parts.next()?.parse().ok();
    let (used_secs, written_secs, bytes) = (number()?, number()?, number()?);
    let name = FileName::parse(parts.next()?)?;
    let whole = parts.next().is_none() && bytes > 0 && name.fallback.is_none();
    whole.then_some(Noted { key, name, bytes, written_secs, used_secs })
}

/// Lines up to a bound; what is longer or no UTF-8 comes as an empty one. Ends where the text can't be unpacked.
struct Lines<R> {
    text: BufReader<R>,
}

impl<R: Read> Iterator for Lines<R> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.text.by_ref().take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line).ok()?;
        if read == 0 {
            return None;
        }
        if line.last() != Some(&b'\n') {
            // Too long, or cut off at the end.
            self.text.skip_until(b'\n').ok()?;
            return Some(String::new());
        }
        line.pop();
        Some(String::from_utf8(line).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::{entry, key};

    fn noted(n: u8) -> Noted {
        let name = FileName::of(&entry(b"body")).expect("a name");
        Noted { key: key(n), name, bytes: 4, written_secs: 10 + u64::from(n), used_secs: u64::MAX }
    }

    fn pack(text: &[u8]) -> Bytes {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text).expect("in memory");
        packed.finish().expect("in memory").into()
    }

    fn line(noted: &Noted) -> String {
        let Noted { key, name, bytes, written_secs, used_secs } = noted;
        format!("{key} {used_secs} {written_secs} {bytes} {name}\n")
    }

    #[test]
    fn what_is_written_is_read_in_the_same_order_and_up_to_the_limit() {
        let variants = [noted(3), noted(1), noted(2)];
        let packed = encode(&variants);
        assert_eq!(decode(packed.clone(), 10).collect::<Vec<_>>(), variants);
        assert_eq!(decode(packed, 2).collect::<Vec<_>>(), variants[..2]);
        assert_eq!(decode(encode(&[]), 10).count(), 0);
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        let good = noted(1);
        let hostile_key = line(&good).replace(good.key.as_str(), "../../x");
        let hostile_name = line(&good).replace(&good.name.to_string(), "../../etc/passwd");
        let fallback = line(&good).replace(".webp", ".webp.ERR_UNSHARP_DECODE");
        let empty = line(&good).replace(" 4 ", " 0 ");
        let long = format!("{}{}", line(&good).trim_end(), "x".repeat(100_000));
        let mut text = format!("{HEADER}\n").into_bytes();
        for bad in [&hostile_key, &hostile_name, &fallback, &empty, &long, "\n", " \n", "1 2 3 4 5\n"] {
            text.extend(bad.as_bytes());
        }
        text.extend(b"\n\xff\xfe\n");
        text.extend(line(&good).as_bytes());
        assert_eq!(decode(pack(&text), 10).collect::<Vec<_>>(), [good]);
    }

    #[test]
    fn another_version_and_other_bytes_give_nothing() {
        let text = format!("unsharp-manifest 2\n{}", line(&noted(1)));
        assert_eq!(decode(pack(text.as_bytes()), 10).count(), 0);
        assert_eq!(decode(Bytes::from_static(b"not gzip at all"), 10).count(), 0);
        assert_eq!(decode(Bytes::new(), 10).count(), 0);
    }

    #[test]
    fn a_cut_off_manifest_gives_what_of_it_is_whole() {
        let variants: Vec<Noted> = (0..100).map(noted).collect();
        let packed = encode(&variants);
        let found: Vec<Noted> = decode(packed.slice(..packed.len() / 2), 1_000).collect();
        assert!(!found.is_empty() && found.len() < 100, "{}", found.len());
        assert_eq!(found, variants[..found.len()]);
    }

    #[test]
    fn a_bomb_is_unpacked_up_to_a_bound() {
        // 80 MiB of text without a line's end in 80 KB, then a variant that lies beyond the bound.
        let mut text = format!("{HEADER}\n").into_bytes();
        text.resize(80 << 20, b'a');
        text.push(b'\n');
        text.extend(line(&noted(1)).as_bytes());
        assert_eq!(decode(pack(&text), 10).count(), 0);
    }
}
