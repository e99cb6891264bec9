//! Single steps on the files of the cache folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::cache::file_name::FileName;
use crate::error::{Error, Result};

/// No variant is larger; a file that claims to be was not written by Next or by us.
pub(super) const LARGEST_FILE_BYTES: u64 = 1 << 30;

pub(super) fn store_error(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::Store(format!("can't {action} {}: {error}", path.display()))
}

/// Names in a folder, none when it does not exist. Names that are not UTF-8 are nobody's entry.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(names) => Ok(names.flatten().filter_map(|name| name.file_name().into_string().ok()).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(store_error("list", folder, &error)),
    }
}

pub(super) fn read_bounded(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    if len > LARGEST_FILE_BYTES {
        return Ok(Bytes::new());
    }
    let mut body = Vec::with_capacity(len as usize);
    // The file may grow while it is read.
    file.take(LARGEST_FILE_BYTES).read_to_end(&mut body)?;
    Ok(body.into())
}

/// Next writes its files in place, so a reader beside it can meet a part of one. Where the etag is the
/// body's own hash, that shows. A passthrough entry's etag says nothing about its bytes.
pub(super) fn is_sound(name: &FileName, body: &[u8]) -> bool {
    const SHA256_BASE64_LEN: usize = 43;
    if body.is_empty() {
        return false;
    }
    if name.etag == name.upstream_etag || name.etag.len() != SHA256_BASE64_LEN {
        return true;
    }
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(body)) == name.etag
}

pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
