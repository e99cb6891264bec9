//! The only code that names napi. Exports are thin: they turn JavaScript's values into ours, start the work on
//! the pool or the runtime, and settle a promise with the outcome.

mod app;
mod handler;
mod log;
mod service;
mod store;
mod sync;
mod values;

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsDeferred, Result};
use napi_derive::napi;

use crate::fair::Place;
use crate::runtime::{CancelHandle, PoolOptions, pool};
use values::{NativeLimits, NativeMetadata, NativeOptimizeOptions, NativeOptimized, js_error, metadata_of};

/// Gives up the `optimize()` call that it was passed to.
#[napi]
#[derive(Default)]
pub struct Cancel {
    state: Mutex<(bool, Option<CancelHandle>)>,
}

#[napi]
impl Cancel {
    /// A handle for one call.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops the job if it waits and stops it at its next check if it runs. Later calls do nothing.
    #[napi]
    pub fn cancel(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        let handle = state.1.take();
        drop(state);
        if let Some(handle) = handle {
            handle.cancel();
        }
    }

    fn attach(&self, handle: CancelHandle) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 {
            drop(state);
            handle.cancel();
        } else {
            state.1 = Some(handle);
        }
    }
}

/// Optimizes one image on the pool. The input is copied before the call returns, so what the caller does with
/// its buffer afterwards (write, transfer to a worker) can't reach a decoder at work.
///
/// # Errors
/// Rejects with an Error that carries `code` and `status`.
#[napi(ts_return_type = "Promise<NativeOptimized>")]
pub fn optimize<'env>(
    env: &'env Env,
    input: &[u8],
    options: NativeOptimizeOptions,
    cancel: Option<&Cancel>,
) -> Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred()?;
    match options.read() {
        Ok((options, limits)) => {
            let bytes = bytes::Bytes::copy_from_slice(input);
            let handle = pool().optimize(bytes, options, limits, &Place::default(), move |outcome| {
                settle(deferred, outcome.map(NativeOptimized::new));
            });
            if let Some(cancel) = cancel {
                cancel.attach(handle);
            }
        }
        Err(error) => settle(deferred, Err(error)),
    }
    Ok(promise)
}

/// Reads one image's header on the pool, without decoding it. With `draw`, that of an SVG too, and what can't be
/// drawn is an error.
///
/// # Errors
/// Rejects with an Error that carries `code` and `status`.
#[napi(ts_return_type = "Promise<NativeMetadata>")]
pub fn metadata<'env>(
    env: &'env Env,
    input: &[u8],
    limits: Option<NativeLimits>,
    draw: Option<bool>,
) -> Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred()?;
    let limits = limits.unwrap_or_default().read();
    pool().inspect(input.to_vec(), limits, draw.unwrap_or(false), move |inspected| {
        let settled: crate::Result<NativeMetadata> = inspected.map(|inspected| metadata_of(&inspected));
        settle(deferred, settled);
    });
    Ok(promise)
}

/// A promise's other end, whichever way it is settled.
type Deferred<T> = JsDeferred<T, Box<dyn FnOnce(Env) -> Result<T>>>;

/// A promise of what `work` comes to, which runs on the I/O threads.
fn promise<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl Future<Output = crate::Result<T>> + Send + 'static,
) -> Result<Object<'_>> {
    let runtime = io()?;
    let (deferred, promise) = env.create_deferred()?;
    runtime.spawn(async move { settle(deferred, work.await) });
    Ok(promise)
}

/// A time from JavaScript, which has checked its range.
fn millis(ms: f64) -> Duration {
    Duration::from_millis(ms as u64)
}

fn settle<T: ToNapiValue + 'static>(deferred: Deferred<T>, outcome: crate::Result<T>) {
    deferred.resolve(Box::new(move |env| outcome.map_err(|error| js_error(env, &error))));
}

/// Sets what is given, for the whole process.
fn configure_pool(concurrency: Option<u32>, memory_budget_bytes: Option<f64>) {
    let mut wanted = pool().options();
    if let Some(concurrency) = concurrency {
        wanted.concurrency = concurrency as usize;
    }
    if let Some(bytes) = memory_budget_bytes {
        wanted.memory_budget_bytes = bytes as u64;
    }
    if wanted != pool().options() {
        pool().configure(wanted);
    }
}

/// How many images may be in work at once.
#[napi]
#[must_use]
pub fn concurrency() -> u32 {
    u32::try_from(pool().options().concurrency).unwrap_or(u32::MAX)
}

/// Changes it: from 1 to as many as this process has CPUs, which is the default. What runs already is not touched.
#[napi]
pub fn set_concurrency(images: u32) {
    let most = PoolOptions::default().concurrency;
    let concurrency = (images as usize).clamp(1, most);
    pool().configure(PoolOptions { concurrency, ..pool().options() });
}

/// The versions of the addon and of the AVIF engine that it uses unless told otherwise.
#[napi]
#[must_use]
pub fn versions() -> HashMap<&'static str, String> {
    HashMap::from([
        ("unsharp", env!("CARGO_PKG_VERSION").to_owned()),
        ("avif", crate::image::encode::avif::engine_version()),
    ])
}

/// The threads that wait for files and the network. They do no image work, and they keep no process alive.
fn io() -> Result<&'static tokio::runtime::Runtime> {
    static IO: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    if let Some(runtime) = IO.get() {
        return Ok(runtime);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // On one CPU a second one would only take turns with the first.
        .worker_threads(std::thread::available_parallelism().map_or(1, usize::from).min(2))
        .max_blocking_threads(32)
        .thread_name("unsharp-io")
        .enable_all()
        .build()
        .map_err(|error| napi::Error::from_reason(format!("no I/O threads can be started: {error}")))?;
    Ok(IO.get_or_init(|| runtime))
}
