//! Where things lie in the bucket: `<prefix>/<key>/<file name>`, and `<prefix>/.unsharp/<note>` beside them.

use object_store::ObjectMeta;
use object_store::path::Path;

use super::Listed;
use crate::cache::file_name::FileName;
use crate::key::CacheKey;

/// No key has this name: it is too short and holds a dot.
const NOTES: &str = ".unsharp";

/// The part of the bucket that is ours.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    prefix: Path,
}

impl Layout {
    pub(crate) fn new(prefix: Path) -> Self {
        Self { prefix }
    }

    pub(super) fn root(&self) -> &Path {
        &self.prefix
    }

    /// The folder of a key. `CacheKey` holds base64url only, so the path can't leave the prefix.
    pub(super) fn folder(&self, key: &CacheKey) -> Path {
        self.prefix.clone().join(key.as_str())
    }

    pub(super) fn file(&self, key: &CacheKey, name: &FileName) -> Path {
        self.folder(key).join(name.to_string())
    }

    pub(super) fn note(&self, name: &str) -> Path {
        self.prefix.clone().join(NOTES).join(name)
    }

    /// The variant that an object is; `None` for every object that is none. Names come from outside, so both parts
    /// are checked.
    pub(crate) fn read(&self, object: &ObjectMeta) -> Option<Listed> {
        let mut parts = object.location.prefix_match(&self.prefix)?;
        let key = CacheKey::parse(parts.next()?.as_ref())?;
        let name = FileName::parse(parts.next()?.as_ref())?;
        parts.next().is_none().then(|| Listed {
            key,
            name,
            bytes: object.size,
            modified_at_ms: object.last_modified.timestamp_millis().try_into().unwrap_or(0),
        })
    }
}
