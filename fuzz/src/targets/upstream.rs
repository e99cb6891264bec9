//! What an upstream sends around the image.

use bytes::Bytes;
use unsharp::fuzzing;

use crate::memory;

const LIMIT_BYTES: u64 = 64 << 10;

/// Up to five stages of decoders with their windows (16 MiB is brotli's largest), and the result, which grows by
/// doubling.
const MOST_BYTES: u64 = 5 * (17 << 20) + 4 * LIMIT_BYTES;

/// The first line is the `Content-Encoding`, the rest the body.
pub fn content_coding(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let header = String::from_utf8_lossy(&data[..end]);
    let body = Bytes::copy_from_slice(data.get(end + 1..).unwrap_or_default());
    let (decoded, peak) = memory::peak(|| fuzzing::decoded_body(&header, body, LIMIT_BYTES));
    assert!(decoded.is_none_or(|decoded| decoded.len() as u64 <= LIMIT_BYTES));
    assert!(peak <= MOST_BYTES, "{peak} bytes of memory");
}
