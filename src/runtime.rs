//! The CPU pool, admission and the memory budget.
//!
//! Image work has threads of its own, at the lowest priority, and never touches Node's or libuv's: the page
//! beside it keeps its latency. A job first reads the header, then waits until the memory that it will take
//! fits the budget, then runs.

mod budget;
pub mod heap;
#[cfg(target_os = "linux")]
mod pace;
#[cfg(target_os = "linux")]
mod placement;
#[cfg(target_os = "linux")]
mod quota;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::fair::{FairQueue, Place};
use crate::image::{
    Format, Header, Inspected, Limits, Optimized, Options, Progress, inspect, inspect_to_draw, svg,
};

use budget::Budget;
pub use budget::OVERDRAFT_BYTES;
#[cfg(target_os = "linux")]
use placement::Placement;

/// Elsewhere threads run where the system wants them.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
enum Placement {}

#[cfg(not(target_os = "linux"))]
impl Placement {
    fn of_process() -> Option<Arc<Self>> {
        None
    }

    fn join(&self) {
        match *self {}
    }

    fn begin(&self, (): ()) {
        match *self {}
    }

    fn end(&self, (): ()) {
        match *self {}
    }

    fn brake(&self) -> Arc<crate::image::limits::Brake> {
        match *self {}
    }
}

/// How much may run and wait at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Threads, and so images in work at once. Default: the CPUs that this process may use, a cgroup quota
    /// rounded down included, at least 1.
    pub concurrency: usize,
    /// Bytes that all running jobs may hold together. A job that needs up to [`OVERDRAFT_BYTES`] more than all of it
    /// runs alone, one that needs more is refused. Default 512 MiB.
    pub memory_budget_bytes: u64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        // Rust's answer follows the cgroup quota (Node's does not).
        let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
        Self { concurrency, memory_budget_bytes: 512 << 20 }
    }
}

/// What a job ended as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Decoded and encoded anew.
    Optimized(Optimized),
    /// Left as it was, because of what it is.
    Bypass {
        /// What the bytes are.
        format: Format,
        /// Of an animation; other bypassed kinds are not parsed.
        header: Option<Header>,
        /// As it came.
        input: Bytes,
    },
}

/// Lets a job's owner give it up: dropped at once while it waits, stopped at its next check while it runs.
#[derive(Debug, Clone)]
pub struct CancelHandle {
    cancelled: Arc<AtomicBool>,
    shared: std::sync::Weak<Shared>,
}

impl CancelHandle {
    /// The job answers [`Error::Aborted`], unless it has ended already.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        let Some(shared) = self.shared.upgrade() else { return };
        let dropped = shared.lock().waiting.remove(|task| Arc::ptr_eq(&task.cancelled, &self.cancelled));
        shared.budget_freed.notify_all();
        if let Some(task) = dropped {
            (task.work)(Err(Error::Aborted));
        }
    }
}

/// Numbers for `stats()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Jobs in work.
    pub running: usize,
    /// Jobs that wait for a thread.
    pub waiting: usize,
    /// Bytes of the budget that running jobs hold.
    pub budget_used_bytes: u64,
}

/// Threads for image work. One exists in a process, [`pool`]; tests make their own.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Task {
    /// Called once: on a pool thread with the budget, or with why the work won't be done.
    work: Box<dyn FnOnce(Result<Budget>) + Send>,
    cancelled: Arc<AtomicBool>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("cancelled", &self.cancelled).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Shared {
    placement: Option<Arc<Placement>>,
    state: Mutex<State>,
    task_came: Condvar,
    budget_freed: Condvar,
}

#[derive(Debug)]
struct State {
    options: PoolOptions,
    waiting: FairQueue<Task>,
    threads: usize,
    idle: usize,
    running: usize,
    budget_used_bytes: u64,
    /// Jobs get their memory in the order in which they asked, so that a large one is not overtaken for ever.
    budget_tickets: u64,
    budget_turn: u64,
}

impl Shared {
    /// A panic never happens while this lock is held, so a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process's one pool. It starts its threads when the first jobs come.
pub fn pool() -> &'static Pool {
    static POOL: std::sync::OnceLock<Pool> = std::sync::OnceLock::new();
    POOL.get_or_init(|| Pool::with_placement(PoolOptions::default(), Placement::of_process()))
}

impl Pool {
    /// A pool without threads yet.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        Self::with_placement(options, None)
    }

    fn with_placement(options: PoolOptions, placement: Option<Arc<Placement>>) -> Self {
        let state = State {
            options,
            waiting: FairQueue::default(),
            threads: 0,
            idle: 0,
            running: 0,
            budget_used_bytes: 0,
            budget_tickets: 0,
            budget_turn: 0,
        };
        let state = Mutex::new(state);
        let shared = Shared { placement, state, task_came: Condvar::new(), budget_freed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Changes the limits; what runs already is not touched.
    pub fn configure(&self, options: PoolOptions) {
        self.shared.lock().options = PoolOptions { concurrency: options.concurrency.max(1), ..options };
        self.shared.task_came.notify_all();
        self.shared.budget_freed.notify_all();
    }

    /// The limits in force.
    #[must_use]
    pub fn options(&self) -> PoolOptions {
        self.shared.lock().options
    }

    /// What runs and waits now.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let state = self.shared.lock();
        PoolStats {
            running: state.running,
            waiting: state.waiting.len(),
            budget_used_bytes: state.budget_used_bytes,
        }
    }

    /// Whether one more image would have to wait behind `max_queue` others.
    #[must_use]
    pub fn is_full(&self, max_queue: usize) -> bool {
        let state = self.shared.lock();
        state.running + state.waiting.len() >= state.options.concurrency.saturating_add(max_queue)
    }

    /// Queues one image at its place in line. `done` is called exactly once, on a pool thread or, when the job is cancelled while
    /// it waits, on the cancelling one.
    ///
    /// A panic in a codec is answered as [`Error::Panic`], and the thread lives on.
    pub fn optimize(
        &self,
        input: Bytes,
        options: Options,
        limits: Limits,
        place: &Place,
        done: impl FnOnce(Result<Outcome>) + Send + 'static,
    ) -> CancelHandle {
        self.spawn(
            place,
            move |budget| match header(&input, &limits, options.sharp.draw)? {
                Inspected::Bypass { format, header } => Ok(Outcome::Bypass { format, header, input }),
                Inspected::Image(job) => {
                    let _grant = budget.wait_for(job.memory_bytes(&options))?;
                    let mut progress = Progress::start(&limits, Arc::clone(&budget.cancelled));
                    if let Some(placement) = &budget.shared.placement {
                        progress = progress.braked_by(placement.brake());
                    }
                    job.run(input, &options, &limits, &progress).map(Outcome::Optimized)
                }
            },
            done,
        )
    }

    /// Queues the reading of one header, for `metadata()`; `draw` as in [`crate::image::SharpRules`].
    pub fn inspect(
        &self,
        input: impl AsRef<[u8]> + Send + 'static,
        limits: Limits,
        draw: bool,
        done: impl FnOnce(Result<Inspected>) + Send + 'static,
    ) -> CancelHandle {
        self.spawn(&Place::default(), move |_| header(input.as_ref(), &limits, draw), done)
    }

    fn spawn<T>(
        &self,
        place: &Place,
        job: impl FnOnce(&Budget) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) -> CancelHandle {
        let cancelled = Arc::new(AtomicBool::new(false));
        let work = Box::new(move |admitted: Result<Budget>| {
            done(admitted.and_then(|budget| catch_panic(|| job(&budget))));
        });
        self.enqueue(place, Task { work, cancelled: Arc::clone(&cancelled) });
        CancelHandle { cancelled, shared: Arc::downgrade(&self.shared) }
    }

    fn enqueue(&self, place: &Place, task: Task) {
        let mut state = self.shared.lock();
        state.waiting.push(place, task);
        if state.idle < state.waiting.len() && state.threads < state.options.concurrency {
            state.threads += 1;
            let shared = Arc::clone(&self.shared);
            let name = format!("unsharp-{}", state.threads);
            let started = std::thread::Builder::new()
                .name(name)
                .stack_size(svg::STACK_BYTES)
                .spawn(move || serve(&shared));
            if started.is_err() {
                state.threads -= 1;
            }
            if state.threads == 0 {
                // Not one thread can be had: say so, rather than let the job wait for ever.
                let task = state.waiting.pop();
                drop(state);
                if let Some(task) = task {
                    (task.work)(Err(Error::Overloaded("no thread can be started".to_owned())));
                }
                return;
            }
        }
        drop(state);
        self.shared.task_came.notify_one();
    }
}

fn header(input: &[u8], limits: &Limits, draw: bool) -> Result<Inspected> {
    if draw { inspect_to_draw(input, limits).map(Inspected::Image) } else { inspect(input, limits) }
}

/// Runs one job and turns a panic into an error: hostile bytes that trip a codec must not take the process down.
fn catch_panic<T>(job: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing that the job touched is used again after a panic, so unwinding can't expose a broken state.
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::Panic(text))
    })
}

/// A pool thread's life.
fn serve(shared: &Arc<Shared>) {
    lower_priority();
    return_large_blocks();
    // Some codecs hand parts of one image to the rayon pool of the thread they are called on. Each thread is the
    // one worker of a pool of its own, so such parts stay on it: they spawn nothing, and while it waits for one
    // of them it can't pick up another image's.
    let _alone = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    let placed = shared.placement.as_ref().map(|placement| (placement, placement.join()));
    let mut state = shared.lock();
    loop {
        let task = if state.running < state.options.concurrency { state.waiting.pop() } else { None };
        let Some(task) = task else {
            state.idle += 1;
            state = shared.task_came.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            continue;
        };
        state.running += 1;
        drop(state);
        let budget = Budget { shared: Arc::clone(shared), cancelled: task.cancelled };
        if let Some((placement, worker)) = placed {
            placement.begin(worker);
        }
        // The job's own panics are answered inside; this one keeps the thread when the answering itself fails.
        let _ = catch_unwind(AssertUnwindSafe(|| (task.work)(Ok(budget))));
        if let Some((placement, worker)) = placed {
            placement.end(worker);
        }
        state = shared.lock();
        state.running -= 1;
    }
}

/// Nice 19 for this thread alone: on Linux a thread has a niceness of its own. The page beside the image work
/// then keeps the CPU whenever it wants it.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    // SAFETY: setpriority takes numbers alone; 0 means the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
    }
}

/// Makes glibc map blocks from 1 MiB on one by one, so that freed pixels go back to the system at once. By default
/// it raises that bound to the largest block it has seen freed, up to 32 MiB, and then keeps what images leave behind
/// in an arena per thread: measured, 150 MB after a dozen photographs instead of 5. Costs a few percent of CPU for
/// fresh pages.
fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        // SAFETY: mallopt takes numbers alone and may be called at any time.
        ONCE.call_once(|| unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        });
    }
}

#[cfg(test)]
mod tests;
