//! Doors for the fuzz targets, to parsers of outside bytes that have no door of their own. No part of the API: they
//! come and go with what they lead to.

use crate::cache::Entry;
use crate::cache::file_name::FileName;

pub use unsharp_image::exif_orientation;

/// A cache file's name read, as it is found on a disk or in a bucket.
#[must_use]
pub fn file_name(text: &str) -> Option<FileName> {
    FileName::parse(text)
}

/// The name under which an entry would be stored; `None` when a text in it can't be part of a name.
#[must_use]
pub fn file_name_of(entry: &Entry) -> Option<FileName> {
    FileName::of(entry).ok()
}

#[cfg(feature = "server")]
pub use server::*;

#[cfg(feature = "server")]
mod server {
    use bytes::Bytes;
    use object_store::ObjectMeta;
    use object_store::path::Path;

    use crate::cache::Entry;
    use crate::cache::file_name::FileName;
    use crate::cache::object::http::names;
    use crate::cache::object::layout::Layout;
    use crate::cache::sync::manifest;
    use crate::coordinate::outcome;
    use crate::error::Error;
    use crate::key::CacheKey;
    use crate::upstream::content_coding;

    /// A body with its `Content-Encoding` taken off; `None` when it is refused.
    #[must_use]
    pub fn decoded_body(header: &str, body: Bytes, limit_bytes: u64) -> Option<Vec<u8>> {
        content_coding::decode(body, &content_coding::parse(header).ok()?, limit_bytes).ok()
    }

    /// A page of a bucket's listing, with foreign names blanked.
    #[must_use]
    pub fn blanked_listing(page: Bytes) -> Bytes {
        names::blank_foreign(page)
    }

    /// The variant that an object of this name is, behind the prefix `p/q`.
    #[must_use]
    pub fn listed_variant(location: &str) -> Option<(CacheKey, FileName)> {
        let object = ObjectMeta {
            location: Path::parse(location).ok()?,
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let listed = Layout::new(Path::from("p/q")).read(&object)?;
        Some((listed.key, listed.name))
    }

    /// The variants that a manifest names, at most `limit`.
    #[must_use]
    pub fn manifest_variants(packed: Bytes, limit: usize) -> Vec<(CacheKey, FileName)> {
        manifest::decode(packed, limit).map(|noted| (noted.key, noted.name)).collect()
    }

    /// What another replica says has come of a job.
    #[must_use]
    pub fn entry_of_replica(bytes: Vec<u8>) -> Option<Entry> {
        outcome::decode_entry(bytes)
    }

    /// The same of one that failed.
    #[must_use]
    pub fn error_of_replica(text: &str) -> Option<Error> {
        outcome::decode_error(text)
    }
}
