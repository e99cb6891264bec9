//! Names and notes that are found on a shared disk, in a bucket or in a queue.

use bytes::Bytes;
use unsharp::cache::Entry;
use unsharp::fuzzing;
use unsharp::key::CacheKey;

pub fn file_name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(name) = fuzzing::file_name(&text) {
        let written = name.to_string();
        check_component(&written);
        assert_eq!(fuzzing::file_name(&written), Some(name));
    }
    if let Some(key) = CacheKey::parse(&text) {
        check_component(key.as_str());
        assert_eq!(key.as_str().len(), 43);
    }
    let mut parts = text.splitn(4, '.').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let entry = Entry {
        body: Bytes::from_static(b"body"),
        etag: part(),
        upstream_etag: part(),
        extension: part(),
        max_age_secs: data.len() as u64,
        expires_at_ms: u64::MAX,
        fallback: None,
    };
    if let Some(name) = fuzzing::file_name_of(&entry) {
        check_component(&name.to_string());
        assert_eq!(fuzzing::file_name(&name.to_string()), Some(name));
    }
}

/// A name that stays in its folder.
fn check_component(name: &str) {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(is_safe), "{name:?}");
    assert!(!matches!(name, "." | ".."));
}

/// A page of a listing, and each of its lines as an object's name.
pub fn listing(data: &[u8]) {
    let blanked = fuzzing::blanked_listing(Bytes::copy_from_slice(data));
    assert!(blanked.len() <= data.len() + data.len() / 5, "a name of no letters becomes one of one");
    for line in String::from_utf8_lossy(data).lines() {
        for location in [line.to_owned(), format!("p/q/{line}")] {
            if let Some((key, name)) = fuzzing::listed_variant(&location) {
                check_component(key.as_str());
                check_component(&name.to_string());
            }
        }
    }
}

/// A manifest as it is and as the text within, and what replicas tell each other.
pub fn contents(data: &[u8]) {
    const LIMIT: usize = 100;
    let bytes = Bytes::copy_from_slice(data);
    assert!(fuzzing::manifest_variants(bytes, LIMIT).len() <= LIMIT);
    let variants = fuzzing::manifest_variants(gzipped(data), LIMIT);
    assert!(variants.len() <= LIMIT);
    for (key, name) in variants {
        check_component(key.as_str());
        check_component(&name.to_string());
    }
    if let Some(entry) = fuzzing::entry_of_replica(data.to_vec()) {
        assert!(!entry.body.is_empty());
        check_component(&entry.etag);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(error) = fuzzing::error_of_replica(text)
    {
        assert!((400..600).contains(&error.status()));
    }
}

/// Stored, not compressed: that is quick, and the reader can't tell.
fn gzipped(data: &[u8]) -> Bytes {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(data).expect("memory");
    packed.finish().expect("memory").into()
}
