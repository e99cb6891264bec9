//! The Next app of this process, which the handler asks for relative urls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{Either, FnArgs, Function, Uint8Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::handler::{AppAnswer, AppFetch};
use crate::upstream::local::LocalAnswer;

/// The app's answer to an internal GET.
#[napi(object)]
pub struct NativeLocalAnswer {
    /// HTTP status
    pub status: u32,
    /// names in lower case
    pub headers: HashMap<String, String>,
    /// decoded
    pub body: Uint8Array,
}

/// The arguments of `fetchLocal`: href, token, id.
pub(super) type LocalCall = FnArgs<(String, u32, u32)>;
type FetchLocal = ThreadsafeFunction<LocalCall, (), LocalCall, Status, false, true>;

/// Calls of `fetchLocal` that JavaScript has not settled yet.
#[derive(Default)]
struct Pending {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, oneshot::Sender<crate::Result<LocalAnswer>>>>,
}

/// The way to the Next app of this process.
pub(super) struct App {
    fetch: FetchLocal,
    pending: Arc<Pending>,
}

impl App {
    pub(super) fn new(fetch_local: &Function<'_, LocalCall, ()>) -> Result<Self> {
        let fetch =
            fetch_local.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()?;
        Ok(Self { fetch, pending: Arc::default() })
    }

    /// The outcome of the call with this number: the app's answer, or the text of what went wrong.
    pub(super) fn settle(&self, id: u32, outcome: Either<NativeLocalAnswer, String>) {
        let sender = self.pending.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let outcome = match outcome {
            Either::A(answer) => Ok(LocalAnswer {
                status: u16::try_from(answer.status).unwrap_or(500),
                content_type: answer.headers.get("content-type").cloned(),
                cache_control: answer.headers.get("cache-control").cloned(),
                etag: answer.headers.get("etag").cloned(),
                body: answer.body.to_vec().into(),
            }),
            Either::B(text) => Err(Error::Upstream(text)),
        };
        if let Some(sender) = sender {
            // A receiver that is gone means that the process is closing.
            let _ = sender.send(outcome);
        }
    }
}

impl AppFetch for App {
    fn fetch(&self, href: &str, token: u32) -> AppAnswer {
        let id = self.pending.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.pending.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let called =
            self.fetch.call((href.to_owned(), token, id).into(), ThreadsafeFunctionCallMode::NonBlocking);
        let pending = Arc::clone(&self.pending);
        Box::pin(async move {
            if called != Status::Ok {
                pending.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                return Err(Error::Upstream(format!("the app can't be asked any more: {called}")));
            }
            receiver.await.unwrap_or_else(|_| Err(Error::Upstream("the app is gone".to_owned())))
        })
    }
}
