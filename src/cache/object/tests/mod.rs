//! One suite for every kind of store, and what the stores without a network can show of the bucket itself.

mod damage;
mod network;
mod outage;
mod stores;
mod suite;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::*;
use crate::cache::conformance;
use crate::log::{Level, Record, Sink};

/// A bucket as these options and this environment describe it.
fn open(options: StoreOptions, env: &[(&str, &str)]) -> Bucket {
    open_logging_to(options, env, &Log::default())
}

fn open_logging_to(options: StoreOptions, env: &[(&str, &str)], log: &Log) -> Bucket {
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    let config = StoreConfig::resolve(options, &|name| env.get(name).map(|value| (*value).to_owned()));
    let config = config.expect("sound options").expect("a bucket");
    Bucket::open_logging(&config, Logger::new(Some(Level::Debug), Arc::new(log.clone()))).expect("it opens")
}

fn memory() -> Bucket {
    open(StoreOptions { store: Some("memory:".into()), ..StoreOptions::default() }, &[])
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Record>>>);

impl Sink for Log {
    fn write(&self, record: Record) {
        self.0.lock().expect("no test panics with it").push(record);
    }
}

impl Log {
    fn events(&self) -> Vec<&'static str> {
        self.0.lock().expect("no test panics with it").iter().map(|record| record.event).collect()
    }
}

/// An entry whose etag is the hash of its body, as all that we make have.
fn made(body: &[u8], expires_at_ms: u64) -> Entry {
    let etag = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(body));
    Entry { etag, expires_at_ms, ..conformance::entry(body) }
}

/// Names of all objects below the bucket's prefix, sorted.
async fn objects(bucket: &Bucket) -> Vec<String> {
    let root = bucket.shared.layout.root();
    let objects: Vec<_> = bucket.shared.store.list(Some(root)).try_collect().await.expect("a listing");
    let mut names: Vec<String> = objects
        .iter()
        .map(|object| {
            let parts = object.location.prefix_match(root).expect("below the prefix");
            parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/")
        })
        .collect();
    names.sort();
    names
}

/// An object as another tool writes it.
async fn put_object(bucket: &Bucket, path: &str, body: &[u8]) {
    let path = Path::parse(format!("{}/{path}", bucket.shared.layout.root())).expect("a path");
    bucket.shared.store.put(&path, Bytes::copy_from_slice(body).into()).await.expect("put");
}
