//! Single steps on the files of the cache folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use bytes::Bytes;

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

pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
