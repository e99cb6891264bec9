//! Single requests to the store, each of which succeeds or says in our words why not.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetResult, ObjectStoreExt};

use super::fault::{self, Fault};
use super::{LARGEST_OBJECT_BYTES, Listed, Shared};
use crate::error::Result;
use crate::key::CacheKey;

/// So many objects of one key's folder are looked at. We leave one there; more than a few are someone else's doing.
const MOST_FILES: usize = 1_000;

impl Shared {
    /// What lies in a key's folder and has a name of ours.
    pub(super) async fn files_of(&self, key: &CacheKey) -> Result<Vec<Listed>, Fault> {
        let folder = self.layout.folder(key);
        let objects = self.store.list(Some(&folder));
        let listed =
            objects.take(MOST_FILES).try_filter_map(|object| async move { Ok(self.layout.read(&object)) });
        listed.try_collect().await.map_err(|error| Fault::of("list", &error).unless_missing())
    }

    /// With a `length`, a body of another is not taken.
    pub(super) async fn read(&self, path: &Path, length: Option<u64>) -> Result<Option<Bytes>, Fault> {
        let object = match self.store.get(path).await.map_err(|error| Fault::of("get", &error)) {
            Ok(object) => object,
            Err(Fault::Missing) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let size = object.meta.size;
        if let Some(length) = length.filter(|length| *length != size) {
            return Err(Fault::Unusable(format!("{size} bytes where {length} were expected")));
        }
        let body = collect(object).await?;
        self.counters.bytes_read.add(body.len() as u64);
        Ok(Some(body))
    }

    pub(super) async fn put(&self, path: &Path, body: Bytes) -> Result<(), Fault> {
        let bytes = body.len() as u64;
        let put = self.store.put(path, body.into()).await;
        put.map_err(|error| Fault::of("put", &error).unless_missing())?;
        self.counters.puts.add(1);
        self.counters.bytes_written.add(bytes);
        Ok(())
    }

    pub(super) async fn delete(&self, path: &Path) -> Result<(), Fault> {
        use object_store::Error as E;
        match self.store.delete(path).await {
            Ok(()) => self.counters.deletes.add(1),
            Err(E::NotFound { .. }) => {}
            // A bucket that one may fill but not clear is usable, so this is no sign of an outage.
            Err(error @ (E::PermissionDenied { .. } | E::Unauthenticated { .. })) => {
                return Err(Fault::Unusable(format!("delete: {}", fault::describe(&error))));
            }
            Err(error) => return Err(Fault::of("delete", &error)),
        }
        Ok(())
    }
}

/// The body, with the limit on its length checked before the memory is taken.
async fn collect(object: GetResult) -> Result<Bytes, Fault> {
    let too_large = || Fault::Unusable(format!("an object of more than {LARGEST_OBJECT_BYTES} bytes"));
    let claimed = object.meta.size;
    if claimed > LARGEST_OBJECT_BYTES {
        return Err(too_large());
    }
    let mut chunks = object.into_stream();
    let mut body = BytesMut::with_capacity(claimed as usize);
    while let Some(chunk) = chunks.try_next().await.map_err(|error| Fault::of("get", &error))? {
        if (body.len() + chunk.len()) as u64 > LARGEST_OBJECT_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    if body.len() as u64 != claimed {
        return Err(Fault::Failed(format!("get: {} bytes of {claimed} came", body.len())));
    }
    Ok(body.freeze())
}
