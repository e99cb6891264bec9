//! Stores that need no network: a folder, and memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::cache::object::config::invalid;
use crate::error::Result;

/// Memory is for trying things out: nothing in it outlives the process, and it has no bound.
#[derive(Debug, Clone)]
pub(in crate::cache::object) enum Local {
    /// Without a name each opening makes a new one; those of one name are one within the process.
    Memory {
        name: String,
    },
    Folder(PathBuf),
}

impl Local {
    pub(in crate::cache::object) fn folder(path: &str) -> Result<Self> {
        let path = Path::new(path);
        if path.parent().is_none() {
            return Err(invalid("store: file:// needs a folder below the root"));
        }
        Ok(Self::Folder(path.to_owned()))
    }

    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>> {
        match self {
            Self::Memory { name } if name.is_empty() => Ok(Arc::new(InMemory::new())),
            Self::Memory { name } => Ok(memory_named(name)),
            Self::Folder(path) => {
                let wrong = |error: &dyn std::fmt::Display| {
                    invalid(format!("store: can't open {}: {error}", path.display()))
                };
                std::fs::create_dir_all(path).map_err(|error| wrong(&error))?;
                Ok(Arc::new(LocalFileSystem::new_with_prefix(path).map_err(|error| wrong(&error))?))
            }
        }
    }
}

fn memory_named(name: &str) -> Arc<dyn ObjectStore> {
    static NAMED: OnceLock<Mutex<HashMap<String, Arc<InMemory>>>> = OnceLock::new();
    let mut named = NAMED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let store = named.entry(name.to_owned()).or_default();
    Arc::clone(store) as Arc<dyn ObjectStore>
}
