//! The thread on which images are decoded: as in the product, one with a large stack that is a rayon pool of its own.

use rayon::{ThreadPool, ThreadPoolBuilder};
use unsharp::image::svg::STACK_BYTES;

/// A sanitizer puts room between the variables on the stack.
const STACKS: usize = if cfg!(feature = "libfuzzer") { 8 } else { 1 };

thread_local! {
    static THREAD: ThreadPool = {
        let builder = ThreadPoolBuilder::new().num_threads(1).stack_size(STACK_BYTES * STACKS);
        builder.build().expect("a thread")
    };
}

/// Runs `work` on such a thread, one for each that calls. Its panic goes on here.
pub fn on_pool_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    THREAD.with(|thread| thread.install(work))
}
