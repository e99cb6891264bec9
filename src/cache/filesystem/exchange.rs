//! The folder as seen from the bucket: what is there already, what comes in, what goes out.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use super::files::{LARGEST_FILE_BYTES, names_in, read_bounded, store_error};
use super::{Filesystem, lock};
use crate::cache::Entry;
use crate::cache::file_name::FileName;
use crate::error::{Error, Result};
use crate::key::CacheKey;

/// What a filesystem takes for a name, bytes.
const LONGEST_NAME_BYTES: usize = 255;

/// How the folder stands to a variant in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) enum Local {
    /// Nothing is there, or something older.
    Lacks,
    /// The same file.
    Same,
    /// Another file that expires no earlier.
    AsNew(FileName),
    /// It can't be had there: its name is longer than files' names may be.
    Unfit,
}

/// What became of a variant that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum Accepted {
    /// It is there.
    Written,
    /// Something as new is there already.
    Kept,
    /// The folder's limit leaves no room for it.
    NoRoom,
}

/// A file of the folder, as its name and its metadata tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) struct Found {
    pub(in crate::cache) name: FileName,
    pub(in crate::cache) bytes: u64,
    /// `None` where the filesystem doesn't say.
    pub(in crate::cache) modified: Option<SystemTime>,
}

impl Filesystem {
    /// The folder, which need not exist.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Half of the space that is free, bytes; `None` when that can't be read.
    pub(in crate::cache) fn half_of_free_bytes(&self) -> Option<u64> {
        // The folder may not exist yet; the closest that does lies on the same filesystem, or nearly always.
        let existing = self.shared.dir.ancestors().find(|folder| folder.exists())?;
        Some(fs4::available_space(existing).ok()? / 2)
    }

    /// How the folder stands to that variant of the bucket, from names and lengths alone. Of two that expire at the
    /// same time neither is newer. A fallback gives way to whatever the bucket has, and so does `superseded`.
    ///
    /// # Errors
    /// [`Error::Store`] when the folder can't be read.
    pub(in crate::cache) fn compare(
        &self,
        key: &CacheKey,
        name: &FileName,
        bytes: u64,
        superseded: Option<&FileName>,
    ) -> Result<Local> {
        if name.to_string().len() > LONGEST_NAME_BYTES {
            return Ok(Local::Unfit);
        }
        let mut as_new = None;
        for found in self.files_of(key)? {
            if found.name == *name {
                // Of another length it is a half-written one.
                if found.bytes == bytes {
                    return Ok(Local::Same);
                }
            } else if found.name.expires_at_ms >= name.expires_at_ms && Some(&found.name) != superseded {
                as_new = Some(found.name);
            }
        }
        Ok(as_new.map_or(Local::Lacks, Local::AsNew))
    }

    /// Writes a variant of the bucket, unless something as new is there, and removes what was there before it.
    /// `superseded` is a file that has to give way even though it expires later: one that the bucket had written
    /// before this one. A new file counts as used the longest ago of all.
    ///
    /// # Errors
    /// [`Error::Store`]; nothing of the variant is then visible.
    pub(in crate::cache) fn accept(
        &self,
        key: &CacheKey,
        name: &FileName,
        body: &[u8],
        superseded: Option<&FileName>,
    ) -> Result<Accepted> {
        let bytes = body.len() as u64;
        let limit_bytes = self.shared.limit_bytes().ok_or_else(|| {
            Error::Store(format!("can't create {} or read its free space", self.shared.dir.display()))
        })?;
        let _stripe = self.shared.stripe(key);
        if self.compare(key, name, bytes, superseded)? != Local::Lacks {
            return Ok(Accepted::Kept);
        }
        if !self.take_room(key, bytes, limit_bytes) {
            return Ok(Accepted::NoRoom);
        }
        if let Err(error) = self.shared.replace(key, name, body) {
            // Should something older be left, the next load counts it again.
            lock(&self.shared.state).order.remove(key);
            return Err(error);
        }
        Ok(Accepted::Written)
    }

    /// Counts the file before it is written, since several are at once. `false` when the limit leaves no room.
    fn take_room(&self, key: &CacheKey, bytes: u64, limit_bytes: u64) -> bool {
        let mut state = lock(&self.shared.state);
        let before = state.order.bytes();
        state.order.remove(key);
        let others = state.order.bytes();
        let fits = bytes <= limit_bytes.saturating_sub(others).min(LARGEST_FILE_BYTES);
        let counted = if fits { bytes } else { before - others };
        if counted > 0 {
            state.order.insert_oldest(key, (), counted);
        }
        fits
    }

    /// The files of a key that may go to the bucket: empty ones and fallbacks are left out.
    fn files_of(&self, key: &CacheKey) -> Result<Vec<Found>> {
        let folder = self.shared.folder(key);
        let mut found = Vec::new();
        for text in names_in(&folder)? {
            let Some(name) = FileName::parse(&text).filter(|name| name.fallback.is_none()) else { continue };
            // It may have gone since.
            let Ok(metadata) = fs::symlink_metadata(folder.join(text)) else { continue };
            if metadata.is_file() && metadata.len() > 0 {
                found.push(Found { name, bytes: metadata.len(), modified: metadata.modified().ok() });
            }
        }
        Ok(found)
    }

    /// The file of a key that expires last.
    ///
    /// # Errors
    /// [`Error::Store`] when the folder can't be read.
    pub(in crate::cache) fn newest(&self, key: &CacheKey) -> Result<Option<Found>> {
        Ok(self.files_of(key)?.into_iter().max_by_key(|found| found.name.expires_at_ms))
    }

    /// The entry in that very file; `None` when it is gone or not whole. Does not count as a use.
    ///
    /// # Errors
    /// [`Error::Store`] when the file can't be read.
    pub(in crate::cache) fn read_named(&self, key: &CacheKey, name: &FileName) -> Result<Option<Entry>> {
        let path = self.shared.folder(key).join(name.to_string());
        match read_bounded(&path) {
            Ok(body) if name.fits(&body) => Ok(Some(name.clone().with_body(body))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(store_error("read", &path, &error)),
        }
    }

    /// The keys that have a folder, one after the other, so that a large cache takes no memory.
    pub(in crate::cache) fn keys(&self) -> impl Iterator<Item = CacheKey> + use<> {
        let names = fs::read_dir(&self.shared.dir).into_iter().flatten().flatten();
        names.filter_map(|name| CacheKey::parse(name.file_name().to_str()?))
    }
}
