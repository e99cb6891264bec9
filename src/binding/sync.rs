//! Restore, watch and list as JavaScript sees them.
#![expect(clippy::needless_pass_by_value, reason = "napi hands strings and objects over")]

mod report;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use napi::bindgen_prelude::{Either, Function, Null, Object};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status};
use napi_derive::napi;
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use self::report::{NativeListed, NativeRestoreProgress, NativeRestoreReport, NativeSyncStats};
use super::log::{LogCall, logger, sink};
use super::store::resolve_store;
use super::values::js_error;
use super::{io, millis, promise};
use crate::cache::object::Listed;
use crate::cache::remote::{Remote, RemoteOptions};
use crate::cache::sync::{
    CacheSync, PushOptions, RestoreOptions, RestoreProgress, SyncOptions, WatchOptions,
};
use crate::error::Error;
use crate::log::{Level, Logger};

/// Variants that one call of [`NativeListing::next`] gives at most.
const PAGE: usize = 1_000;

/// The folder and the bucket.
#[napi(object)]
pub struct NativeSyncOptions {
    /// the bucket's url; absent, the environment's
    pub store: Option<String>,
    /// the folder
    pub dir: String,
    /// bytes in the folder; absent: half of what is free
    pub limit_bytes: Option<f64>,
    /// uploads at once; absent, 8
    pub push_concurrency: Option<u32>,
    /// an operator has asked for all of the folder, so that no hour's bytes end it
    pub pushes_all: Option<bool>,
    /// whether what goes from the folder is removed from the bucket too; absent, it is not
    pub remove_remote: Option<bool>,
    /// PEM text of certificate authorities besides the system's, Node's `tls.rootCertificates`
    pub ca_certs: Option<String>,
    /// `silent`, `error`, `warn`, `info` or `debug`; absent, `warn`
    pub log_level: Option<String>,
    /// `text` or `json`, for the console; absent, `text`
    pub log_format: Option<String>,
}

/// What is to be done.
#[napi(object)]
pub struct NativeSyncWork {
    /// bring the bucket's variants into the folder
    pub restore: bool,
    /// push what appears in the folder
    pub watch: bool,
    /// downloads at once
    pub concurrency: Option<u32>,
    /// bytes to restore at most
    pub max_bytes: Option<f64>,
    /// milliseconds that the restore may take
    pub deadline_ms: Option<f64>,
}

type Progress = ThreadsafeFunction<NativeRestoreProgress, (), NativeRestoreProgress, Status, false, true>;

/// A folder and a bucket. Without a bucket all of it does nothing, and the log says so.
#[napi]
pub struct NativeCacheSync {
    shared: Arc<Shared>,
}

struct Shared {
    remote: Option<Arc<Remote>>,
    /// Between start and stop.
    running: Mutex<Option<Arc<CacheSync>>>,
    cancel: CancellationToken,
}

#[napi]
impl NativeCacheSync {
    /// Makes no request. `log` as for the handler.
    ///
    /// # Errors
    /// Throws an Error that carries `code` and `status` when the settings can't be used.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        options: NativeSyncOptions,
        #[napi(
            ts_arg_type = "((level: string, event: string, message: string, fields: string) => void) | undefined"
        )]
        log: Option<Function<'_, LogCall, ()>>,
    ) -> Result<Self> {
        let sink = log.as_ref().map(sink).transpose()?;
        let remote = logger(options.log_level.as_deref(), options.log_format.as_deref(), sink)
            .and_then(|logger| open(options, logger))
            .map_err(|error| js_error(env, &error))?;
        let shared = Shared { remote, running: Mutex::new(None), cancel: CancellationToken::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether there is a bucket.
    #[napi(getter)]
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.shared.remote.is_some()
    }

    /// Begins; the promise is there when the folder is watched. `onProgress` hears from the restore ten times a second
    /// at most.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn start<'env>(
        &self,
        env: &'env Env,
        work: NativeSyncWork,
        #[napi(ts_arg_type = "((progress: NativeRestoreProgress) => void) | undefined")] on_progress: Option<
            Function<'_, NativeRestoreProgress, ()>,
        >,
    ) -> Result<Object<'env>> {
        let on_progress = on_progress
            .map(|hear| -> Result<Progress> {
                hear.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()
            })
            .transpose()?;
        let shared = Arc::clone(&self.shared);
        promise(env, async move {
            let Some(remote) = &shared.remote else { return Ok(()) };
            let options = SyncOptions {
                restore: work.restore.then(|| RestoreOptions {
                    concurrency: work.concurrency.map(|n| n as usize),
                    max_bytes: work.max_bytes.map(|bytes| bytes as u64),
                    deadline: work.deadline_ms.map(millis),
                    cancel: shared.cancel.clone(),
                }),
                watch: work.watch.then(WatchOptions::default),
            };
            let tell = move |progress: RestoreProgress| {
                if let Some(on_progress) = &on_progress {
                    // Fails only once the process is closing.
                    let _ = on_progress.call(progress.into(), ThreadsafeFunctionCallMode::NonBlocking);
                }
            };
            let started = CacheSync::start(Arc::clone(remote.pusher()), options, tell).await;
            *shared.running() = Some(Arc::new(started));
            Ok(())
        })
    }

    /// The report of the restore once it has ended, `null` where there is none. Where the folder is watched alone, it is
    /// there once it is known what of the folder the bucket has.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<NativeRestoreReport | null>")]
    pub fn restored<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let running = self.shared.running().clone();
        promise(env, async move {
            let report = match running {
                Some(running) => running.restored().await,
                None => None,
            };
            Ok(report.map_or(Either::B(Null), |report| Either::A(NativeRestoreReport::from(report))))
        })
    }

    /// Ends the restore where it stands.
    #[napi]
    pub fn cancel(&self) {
        self.shared.cancel.cancel();
    }

    /// Pushes what is left, for at most `budget_ms`. Says whether nothing is.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn flush<'env>(&self, env: &'env Env, budget_ms: f64) -> Result<Object<'env>> {
        let shared = Arc::clone(&self.shared);
        promise(env, async move { Ok(shared.flush(budget_ms).await) })
    }

    /// The same for the moment when the process exits and no promise is awaited any more.
    ///
    /// # Errors
    /// When there are no I/O threads.
    #[napi]
    pub fn flush_blocking(&self, budget_ms: f64) -> Result<bool> {
        Ok(io()?.block_on(self.shared.flush(budget_ms)))
    }

    /// Ends the restore, pushes what is left for at most `budget_ms`, and ends the watch. Says whether nothing is left.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn stop<'env>(&self, env: &'env Env, budget_ms: f64) -> Result<Object<'env>> {
        let shared = Arc::clone(&self.shared);
        promise(env, async move {
            shared.cancel.cancel();
            let is_done = shared.flush(budget_ms).await;
            shared.running().take();
            Ok(is_done)
        })
    }

    /// Counts since the start.
    #[napi]
    #[must_use]
    pub fn stats(&self) -> NativeSyncStats {
        let Some(remote) = &self.shared.remote else { return NativeSyncStats::default() };
        let push = remote.pusher().stats();
        let watch =
            self.shared.running().as_ref().and_then(|running| running.stats().watch).unwrap_or_default();
        NativeSyncStats {
            queued: push.queued as f64,
            pushed: push.pushed as f64,
            removed: push.removed as f64,
            failed: push.failed as f64,
            given_up: push.given_up as f64,
            bytes: push.bytes as f64,
            watching: watch.is_watching,
            rescans: watch.rescans as f64,
            noticed: watch.noticed as f64,
        }
    }

    /// The bucket's variants.
    #[napi]
    #[must_use]
    pub fn list(&self) -> NativeListing {
        let pages =
            self.shared.remote.as_ref().map(|remote| remote.bucket().list().ready_chunks(PAGE).boxed());
        NativeListing { pages: Arc::new(tokio::sync::Mutex::new(pages)) }
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, Option<Arc<CacheSync>>> {
        // No code that holds it panics halfway through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn flush(&self, budget_ms: f64) -> bool {
        let running = self.running().clone();
        match running {
            Some(running) => running.flush(millis(budget_ms)).await,
            None => true,
        }
    }
}

fn open(options: NativeSyncOptions, logger: Logger) -> crate::Result<Option<Arc<Remote>>> {
    let store = resolve_store(options.store, options.ca_certs.map(String::into_bytes))?;
    let Some(store) = store else {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            logger.write(Level::Warn, "no_bucket", || {
                let text =
                    "no bucket is configured, so nothing is restored or pushed; set store or UNSHARP_STORE";
                (text.to_owned(), Map::new())
            });
        }
        return Ok(None);
    };
    // What the bucket is asked with belongs to the runtime that it is opened on.
    let runtime = io().map_err(|error| Error::InvalidOption(error.to_string()))?;
    let _inside = runtime.enter();
    let push = PushOptions::default();
    let concurrency = options.push_concurrency.map_or(push.concurrency, |n| n as usize);
    let hourly_bytes = if options.pushes_all == Some(true) { u64::MAX } else { push.hourly_bytes };
    Remote::open(&RemoteOptions {
        store: &store,
        dir: &PathBuf::from(options.dir),
        limit_bytes: options.limit_bytes.map(|bytes| bytes as u64),
        push: PushOptions {
            concurrency,
            hourly_bytes,
            remove_remote: options.remove_remote.unwrap_or(false),
            ..push
        },
        logger,
    })
    .map(Some)
}

type Pages = BoxStream<'static, Vec<crate::Result<Listed>>>;

/// A listing under way.
#[napi]
pub struct NativeListing {
    pages: Arc<tokio::sync::Mutex<Option<Pages>>>,
}

#[napi]
impl NativeListing {
    /// The next variants; none when these were all.
    ///
    /// # Errors
    /// Rejects with an Error that carries `code` and `status` when the bucket can't be asked.
    #[napi(ts_return_type = "Promise<Array<NativeListed>>")]
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pages = Arc::clone(&self.pages);
        promise(env, async move {
            let mut pages = pages.lock().await;
            let Some(stream) = pages.as_mut() else { return Ok(Vec::new()) };
            let page = stream.next().await.unwrap_or_default();
            page.into_iter().map(|listed| listed.map(NativeListed::from)).collect()
        })
    }
}
