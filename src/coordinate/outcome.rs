//! What comes of a job, as it is written for other processes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::Results;
use crate::cache::Entry;
use crate::cache::file_name::FileName;
use crate::error::Error;

/// How those who wait get at a variant that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// From the variant store.
    Stored,
    /// From the coordinator's storage.
    Carried,
    /// Not at all: it is too large to be carried.
    None,
}

impl How {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Carried => "carried",
            Self::None => "none",
        }
    }

    pub(super) fn from_name(name: &str) -> Self {
        [Self::Stored, Self::Carried].into_iter().find(|how| how.name() == name).unwrap_or(Self::None)
    }
}

/// A variant ready to be announced.
pub(super) struct Parcel {
    pub(super) how: How,
    /// How long newcomers may be given it.
    pub(super) fresh: Duration,
    /// Empty unless it is carried.
    pub(super) body: Vec<u8>,
}

/// How long it is remembered that a variant was made which lies in the store: whoever looked there just before
/// is told to look again.
const REMEMBERED: Duration = Duration::from_secs(30);

impl Parcel {
    /// What is announced of an entry.
    pub(super) fn of(entry: &Entry, results: Results) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let fresh = Duration::from_millis(entry.expires_at_ms).saturating_sub(now);
        match results {
            Results::InStore => Self { how: How::Stored, fresh: fresh.min(REMEMBERED), body: Vec::new() },
            Results::Carried { max_bytes, ttl } => match encode_entry(entry) {
                Some(body) if body.len() as u64 <= max_bytes => {
                    Self { how: How::Carried, fresh: fresh.min(ttl), body }
                }
                _ => Self { how: How::None, fresh: Duration::ZERO, body: Vec::new() },
            },
        }
    }
}

/// The name of the entry's file, a line break, and the body; `None` for texts that can't stand in a name.
pub(super) fn encode_entry(entry: &Entry) -> Option<Vec<u8>> {
    let mut bytes = FileName::of(entry).ok()?.to_string().into_bytes();
    bytes.reserve_exact(entry.body.len() + 1);
    bytes.push(b'\n');
    bytes.extend_from_slice(&entry.body);
    Some(bytes)
}

/// `None` for what no entry is.
pub(crate) fn decode_entry(bytes: Vec<u8>) -> Option<Entry> {
    let end = memchr::memchr(b'\n', &bytes)?;
    let name = FileName::parse(std::str::from_utf8(&bytes[..end]).ok()?)?;
    let body = Bytes::from(bytes).slice(end + 1..);
    (!body.is_empty()).then(|| name.with_body(body))
}

/// The error, so that its code, status and texts come out the same.
pub(super) fn encode_error(error: &Error) -> String {
    serde_json::to_string(error).unwrap_or_default()
}

/// `None` for what no error is, an upstream's status that is none included.
pub(crate) fn decode_error(text: &str) -> Option<Error> {
    let error: Error = serde_json::from_str(text).ok()?;
    (400..=599).contains(&error.status()).then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::entry;

    #[test]
    fn an_entry_comes_out_as_it_went_in() {
        let plain = entry(&[0, 10, 255, 10]);
        let fallback = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..entry(b"\n") };
        for entry in [plain, fallback] {
            assert_eq!(decode_entry(encode_entry(&entry).unwrap()), Some(entry));
        }
    }

    #[test]
    fn bytes_that_are_no_entry_are_none() {
        let whole = encode_entry(&entry(b"body")).unwrap();
        let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
        for cut in 0..=end + 1 {
            assert_eq!(decode_entry(whole[..cut].to_vec()), None, "cut at {cut}");
        }
        assert_eq!(decode_entry(b"\xff\xfe\nbody".to_vec()), None);
        assert_eq!(encode_entry(&Entry { etag: "a\nb".into(), ..entry(b"x") }), None);
    }

    #[test]
    fn an_error_keeps_code_status_and_texts() {
        for error in [
            Error::UpstreamStatus {
                status: 404,
                answered: 404,
                public: "\"url\" parameter is valid but …".into(),
            },
            Error::NotAllowed { public: "p".into(), detail: "d".into() },
            Error::TooManyPixels { width: 1, height: u64::MAX, max_pixels: 3 },
            Error::Aborted,
            Error::Timeout(7),
        ] {
            assert_eq!(decode_error(&encode_error(&error)), Some(error));
        }
    }

    #[test]
    fn what_is_no_error_never_becomes_an_answer() {
        let status =
            |status| encode_error(&Error::UpstreamStatus { status, answered: status, public: String::new() });
        for text in ["", "{}", "null", "\"Unknown\"", &status(200), &status(0), &status(600)] {
            assert_eq!(decode_error(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_small_enough_is_carried() {
        let fits = Results::Carried { max_bytes: 1_000, ttl: Duration::from_secs(60) };
        let fresh = Entry { expires_at_ms: u64::MAX, ..entry(&[1; 500]) };
        let parcel = Parcel::of(&fresh, fits);
        assert_eq!((parcel.how, parcel.fresh), (How::Carried, Duration::from_secs(60)));
        let parcel = Parcel::of(&entry(&[1; 1_000]), fits);
        assert_eq!((parcel.how, parcel.body.len()), (How::None, 0));
        let parcel = Parcel::of(&entry(&[1; 500]), fits);
        assert_eq!(parcel.fresh, Duration::ZERO, "stale already: for those who wait, not for newcomers");
        assert_eq!(Parcel::of(&fresh, Results::InStore).how, How::Stored);
    }
}
