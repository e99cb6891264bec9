//! From a key, or a key and a name, to an entry.

use serde_json::Map;

use super::fault::Fault;
use super::{Bucket, Listed};
use crate::cache::Entry;
use crate::cache::file_name::FileName;
use crate::error::{Error, Result};
use crate::key::CacheKey;
use crate::log::Level;

/// A file may be replaced between the listing that names it and its GET, or while a folder is listed, which then names
/// neither of the two; this often a key is listed anew.
const LISTINGS: u32 = 4;

/// What a GET of a variant brought.
pub(super) enum Got {
    Sound(Entry),
    /// There is none, or one that is too large to be ours.
    Nothing,
    /// Its bytes are not what its name says.
    Damaged,
}

impl Bucket {
    /// The newest sound entry of a key of which nothing is known.
    pub(super) async fn find(&self, key: &CacheKey) -> Result<Option<Entry>, Fault> {
        for listing in 1..=LISTINGS {
            // Whoever saves this key all the time in this process is waited for in the end.
            let _stripe = match listing {
                LISTINGS => Some(self.shared.stripe(key).lock().await),
                _ => None,
            };
            let mut files = self.shared.files_of(key).await?;
            files.retain(Listed::is_variant);
            files.sort_by_cached_key(|file| std::cmp::Reverse(file.age_order()));
            let mut vanished = files.is_empty() && self.shared.remembers(key);
            if vanished && listing == LISTINGS {
                self.shared.forget(key);
            }
            for file in files {
                match self.get(key, &file.name, Some(file.bytes)).await? {
                    Got::Sound(entry) => return Ok(Some(entry)),
                    Got::Damaged => self.check_damage(key, &file.name),
                    Got::Nothing => {
                        vanished = true;
                        break;
                    }
                }
            }
            if !vanished {
                break;
            }
        }
        Ok(None)
    }

    /// The entry of this name, whose body has `bytes` bytes where that is known. The name alone does not tell of each
    /// body whether it is whole.
    pub(super) async fn get(
        &self,
        key: &CacheKey,
        name: &FileName,
        bytes: Option<u64>,
    ) -> Result<Got, Fault> {
        let counters = &self.shared.counters;
        counters.gets.add(1);
        let body = match self.shared.read(&self.shared.layout.file(key, name), bytes).await {
            Ok(Some(body)) => body,
            Ok(None) | Err(Fault::Unusable(_)) => return Ok(Got::Nothing),
            Err(fault) => return Err(fault),
        };
        if !name.fits(&body) {
            counters.damaged.add(1);
            return Ok(Got::Damaged);
        }
        counters.hits.add(1);
        self.shared.remember(key, name.clone());
        Ok(Got::Sound(name.clone().with_body(body)))
    }

    /// Removes a damaged file behind the caller's back, if it is still damaged when looked at again: then it was not
    /// the way here that did it.
    pub(super) fn check_damage(&self, key: &CacheKey, name: &FileName) {
        let (bucket, key, name) = (self.patient(), key.clone(), name.clone());
        tokio::spawn(async move {
            let _stripe = bucket.shared.stripe(&key).lock().await;
            if !matches!(bucket.run(|| bucket.get(&key, &name, None)).await, Ok(Got::Damaged)) {
                return;
            }
            let path = bucket.shared.layout.file(&key, &name);
            let outcome = match bucket.run(|| bucket.shared.delete(&path)).await {
                Ok(()) => "is removed".to_owned(),
                Err(fault) => format!("can't be removed: {}", Error::from(fault)),
            };
            bucket.shared.logger.write(Level::Warn, "store_damaged", || {
                let fields = Map::from_iter([("key".to_owned(), key.as_str().into())]);
                (format!("a damaged object in {} {outcome}", bucket.name()), fields)
            });
        });
    }
}
