//! The variant store as JavaScript sees it, for `unsharp/cache-handler`.
#![expect(clippy::needless_pass_by_value, reason = "napi hands strings and objects over")]

use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Either, Null, Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;

use super::values::js_error;
use super::{io, millis, promise};
use crate::cache::Entry;
use crate::cache::object::{StoreConfig, StoreOptions};
use crate::cache::tiers::{Tiers, TiersOptions};
use crate::error::Error;
use crate::key::CacheKey;
use crate::log::Logger;

/// Options of the variant store.
#[napi(object)]
pub struct NativeVariantStoreOptions {
    /// the folder, `<distDir>/cache/images`
    pub dir: String,
    /// bytes on disk; absent: half of what is free
    pub limit_bytes: Option<f64>,
    /// bytes of hot variants kept in memory
    pub memory_bytes: f64,
    /// the bucket's url; absent, the environment's
    pub store: Option<String>,
    /// no bucket, whatever the environment says
    pub local_only: Option<bool>,
    /// PEM text of certificate authorities besides the system's, Node's `tls.rootCertificates`
    pub ca_certs: Option<String>,
}

/// A variant to keep.
#[napi(object)]
pub struct NativeVariant {
    /// the image; copied
    pub body: Uint8Array,
    /// `webp`, `avif`, …
    pub extension: String,
    /// unquoted, base64url
    pub etag: String,
    /// the source's, base64url
    pub upstream_etag: String,
    /// what Cache-Control says, seconds
    pub max_age_secs: f64,
    /// when it turns stale, milliseconds since 1970
    pub expires_at_ms: f64,
}

/// A variant that was kept.
#[napi(object, object_from_js = false)]
pub struct NativeStoredVariant {
    /// the image; a copy
    pub body: Buffer,
    /// `webp`, `avif`, …
    pub extension: String,
    /// unquoted, base64url
    pub etag: String,
    /// the source's, base64url
    pub upstream_etag: String,
    /// what Cache-Control says, seconds
    pub max_age_secs: f64,
    /// when it turns stale, milliseconds since 1970
    pub expires_at_ms: f64,
}

impl From<&Entry> for NativeStoredVariant {
    fn from(entry: &Entry) -> Self {
        Self {
            body: entry.body.to_vec().into(),
            extension: entry.extension.clone(),
            etag: entry.etag.clone(),
            upstream_etag: entry.upstream_etag.clone(),
            max_age_secs: entry.max_age_secs as f64,
            expires_at_ms: entry.expires_at_ms as f64,
        }
    }
}

impl From<NativeVariant> for Entry {
    fn from(variant: NativeVariant) -> Self {
        Self {
            body: variant.body.to_vec().into(),
            extension: variant.extension,
            etag: variant.etag,
            upstream_etag: variant.upstream_etag,
            max_age_secs: variant.max_age_secs as u64,
            expires_at_ms: variant.expires_at_ms as u64,
            fallback: None,
        }
    }
}

/// Variants in memory and in a folder of Next's layout.
#[napi]
pub struct NativeVariantStore {
    tiers: Arc<Tiers>,
}

#[napi]
impl NativeVariantStore {
    /// Opens the folder, which need not exist yet, and the bucket behind it, if there is one.
    ///
    /// # Errors
    /// Throws an Error that carries `code` and `status` when the bucket's settings can't be used.
    #[napi(constructor)]
    pub fn new(env: Env, options: NativeVariantStoreOptions) -> Result<Self> {
        let tiers = open(options).map_err(|error| js_error(env, &error))?;
        Ok(Self { tiers: Arc::new(tiers) })
    }

    /// Whether there is a bucket behind the folder.
    #[napi(getter)]
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.tiers.has_remote()
    }

    /// The variant of this key, `null` when there is none; at once when it is hot, else a promise of it.
    ///
    /// # Errors
    /// Rejects with an Error that carries `code` and `status` when the folder can't be read.
    #[napi(ts_return_type = "NativeStoredVariant | null | Promise<NativeStoredVariant | null>")]
    pub fn load<'env>(
        &self,
        env: &'env Env,
        key: String,
        now_ms: f64,
    ) -> Result<Either<Option<NativeStoredVariant>, Object<'env>>> {
        let Some(key) = CacheKey::parse(&key) else { return Ok(Either::A(None)) };
        let now_ms = now_ms as u64;
        if let Some(entry) = self.tiers.hot(&key, now_ms) {
            return Ok(Either::A(Some((&*entry).into())));
        }
        let (deferred, promise) = env.create_deferred()?;
        let tiers = Arc::clone(&self.tiers);
        io()?.spawn(async move {
            let loaded = tiers.load(&key, now_ms).await;
            let found = loaded.entry.as_deref().map(NativeStoredVariant::from);
            deferred.resolve(move |env| match (found, loaded.failure) {
                (None, Some(error)) => Err(js_error(env, &error)),
                (found, _) => Ok(found.map_or(Either::B(Null), Either::A)),
            });
        });
        Ok(Either::B(promise))
    }

    /// Keeps the variant, in place of the one before.
    ///
    /// # Errors
    /// Rejects with an Error that carries `code` and `status` when the folder can't be written; it is in memory then.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, key: String, variant: NativeVariant) -> Result<Object<'env>> {
        let tiers = Arc::clone(&self.tiers);
        let entry = Arc::new(Entry::from(variant));
        promise(env, async move {
            match CacheKey::parse(&key) {
                Some(key) => tiers.save(&key, entry).await,
                None => Err(Error::Store(format!("{key:?} is no key of a variant"))),
            }
        })
    }

    /// Waits for at most `budget_ms` until what was kept is in the bucket. Says whether all of it is.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn flush<'env>(&self, env: &'env Env, budget_ms: f64) -> Result<Object<'env>> {
        let tiers = Arc::clone(&self.tiers);
        promise(env, async move { Ok(tiers.flush(millis(budget_ms)).await) })
    }

    /// The same for the moment when the process exits and no promise is awaited any more.
    ///
    /// # Errors
    /// When there are no I/O threads.
    #[napi]
    pub fn flush_blocking(&self, budget_ms: f64) -> Result<bool> {
        Ok(io()?.block_on(self.tiers.flush(millis(budget_ms))))
    }
}

fn open(options: NativeVariantStoreOptions) -> crate::Result<Tiers> {
    let store = match options.local_only {
        Some(true) => None,
        _ => resolve_store(options.store, options.ca_certs.map(String::into_bytes))?,
    };
    // What the bucket is asked with belongs to the runtime that it is opened on.
    let runtime = io().map_err(|error| Error::InvalidOption(error.to_string()))?;
    let _inside = runtime.enter();
    Tiers::open(TiersOptions {
        dir: options.dir.into(),
        limit_bytes: options.limit_bytes.map(|bytes| bytes as u64),
        memory_bytes: options.memory_bytes as u64,
        store,
        logger: Logger::default(),
    })
}

/// The bucket that is meant, `None` where nobody names one. Reads the environment, so it belongs on the main thread,
/// where JavaScript writes it.
pub(super) fn resolve_store(
    store: Option<String>,
    ca_certs_pem: Option<Vec<u8>>,
) -> crate::Result<Option<StoreConfig>> {
    let options = StoreOptions { store, ca_certs_pem, ..StoreOptions::default() };
    StoreConfig::resolve(options, &|name| std::env::var(name).ok())
}
