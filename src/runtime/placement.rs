//! Where image threads run under a CPU quota.
//!
//! A quota counts the time of all threads together. When it is used up the kernel stops all of them, the page's too,
//! until the next period; low priority does not help, for a thread of whatever priority uses it up on a CPU that is
//! idle. So the image threads stay on as many CPUs as the quota pays for, and one of these is where the main thread
//! is: there it takes the CPU from them at once, and what all use together stays within the quota. Only our own
//! threads are moved. Before all of it is used up they wait ([`super::pace`]).
//!
//! Where the page wants all of that CPU, images would hardly move. A thread that gets less than [`LEAST_SHARE`] of a
//! CPU is therefore let onto any CPU every other while, at the cost of the page.

use std::fs::read_to_string;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, getpid};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use super::pace::Pace;
use super::quota;
use crate::image::limits::Brake;

/// The environment variable that leaves the threads to the system.
const SWITCH: &str = "UNSHARP_PLACEMENT";
/// How often the main thread is looked for, and the time that is used up, while images are in work. A quota's period is
/// 100 ms, and a thread that is left behind on another CPU for one of these uses up a twentieth of it.
const TICK: Duration = Duration::from_millis(5);
/// How long a thread stays as it was placed before its share is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Of the time in which it has had work: one part in five.
const LEAST_SHARE: f64 = 0.2;
/// Linux counts a thread's time in these for whoever reads it, whatever its own clock is.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// Keeps the threads of a pool where the quota pays for them.
#[derive(Debug)]
pub(super) struct Placement {
    /// In CPUs.
    quota: f64,
    /// How many CPUs that takes.
    width: usize,
    brake: Arc<Brake>,
    state: Mutex<State>,
    work_came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    place: Place,
    allowed: Vec<usize>,
    workers: Vec<Worker>,
    running: usize,
}

/// One thread of the pool.
#[derive(Debug)]
struct Worker {
    thread: Pid,
    share: Share,
    /// On any CPU for a while.
    let_out: bool,
}

/// A thread's part in the work of a pool, given back by [`Placement::join`].
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerId(usize);

impl Placement {
    /// What this process needs: nothing without a quota, where [`SWITCH`] is `off`, or where the system does not say
    /// on which CPUs it runs.
    pub(super) fn of_process() -> Option<Arc<Self>> {
        if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
            return None;
        }
        let allowed = allowed_cpus()?;
        let quota = quota::of_process()?;
        (quota < allowed.len() as f64).then(|| Self::new(quota)).flatten()
    }

    /// For `quota` CPUs. Nothing where threads can't be placed.
    pub(super) fn new(quota: f64) -> Option<Arc<Self>> {
        let width = quota.ceil().max(1.0) as usize;
        let mut state = State { allowed: allowed_cpus()?, ..State::default() };
        let main = read_stat(getpid())?.cpu;
        state.place.follow(main, &state.allowed, width);
        let placement =
            Self { quota, width, brake: Arc::default(), state: Mutex::new(state), work_came: Condvar::new() };
        let placement = Arc::new(placement);
        let follower = Arc::clone(&placement);
        std::thread::Builder::new().name("unsharp-place".to_owned()).spawn(move || follower.run()).ok()?;
        Some(placement)
    }

    /// What the pool's jobs have to heed.
    pub(super) fn brake(&self) -> Arc<Brake> {
        Arc::clone(&self.brake)
    }

    /// Places the calling thread, which is the pool's from now on.
    pub(super) fn join(&self) -> WorkerId {
        yield_to_all();
        let mut state = self.lock();
        let worker = Worker { thread: gettid(), share: Share::default(), let_out: false };
        put(&worker, &state.place.cpus);
        state.workers.push(worker);
        WorkerId(state.workers.len() - 1)
    }

    /// The thread has work.
    pub(super) fn begin(&self, WorkerId(index): WorkerId) {
        let mut state = self.lock();
        state.running += 1;
        state.workers[index].share.begin(Instant::now());
        drop(state);
        self.work_came.notify_one();
    }

    /// It has done it.
    pub(super) fn end(&self, WorkerId(index): WorkerId) {
        let mut state = self.lock();
        state.running -= 1;
        state.workers[index].share.end(Instant::now());
    }

    /// The follower's life. It sleeps while there is no work, and gives up, with all CPUs for everyone, when the
    /// system no longer says where threads are.
    fn run(&self) {
        let mut looked = Instant::now();
        let mut pace = Pace::new(self.quota, looked, used_by_process());
        loop {
            let mut state = self.lock();
            while state.running == 0 {
                self.brake.release();
                state = self.work_came.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(main) = read_stat(getpid()) else {
                self.brake.release();
                let State { workers, allowed, .. } = &mut *state;
                for worker in workers.iter() {
                    put(worker, allowed);
                }
                return;
            };
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                state.look(looked);
            }
            let State { place, allowed, workers, .. } = &mut *state;
            if place.follow(main.cpu, allowed, self.width) {
                workers.iter().filter(|worker| !worker.let_out).for_each(|worker| put(worker, &place.cpus));
            }
            drop(state);
            if pace.has_to_wait(Instant::now(), used_by_process()) {
                self.brake.hold();
            } else {
                self.brake.release();
            }
            std::thread::sleep(TICK);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets out who got too little, and takes back who was out. What this process may use can have changed as well.
    fn look(&mut self, now: Instant) {
        if let Some(allowed) = allowed_cpus() {
            self.allowed = allowed;
        }
        for worker in &mut self.workers {
            let Some(stat) = read_stat(worker.thread) else { continue };
            let starved = worker.share.is_too_small(stat.used, now);
            let let_out = starved && !worker.let_out;
            if let_out != worker.let_out {
                worker.let_out = let_out;
                put(worker, if let_out { &self.allowed } else { &self.place.cpus });
            }
        }
    }
}

/// The CPUs for image threads; the main thread's is the first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    cpus: Vec<usize>,
}

impl Place {
    /// Moves to where the main thread is, and says whether other CPUs than before are meant. As many stay as can: a
    /// thread that moves loses its caches.
    fn follow(&mut self, main: usize, allowed: &[usize], width: usize) -> bool {
        let mut cpus = vec![main];
        for &cpu in self.cpus.iter().chain(allowed) {
            if cpus.len() < width && allowed.contains(&cpu) && !cpus.contains(&cpu) {
                cpus.push(cpu);
            }
        }
        let same = cpus.len() == self.cpus.len() && cpus.iter().all(|cpu| self.cpus.contains(cpu));
        self.cpus = cpus;
        !same
    }
}

/// How much of a CPU a thread gets while it has work.
#[derive(Debug, Default)]
struct Share {
    since: Option<Instant>,
    wanted: Duration,
    used_before: Duration,
}

impl Share {
    fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    fn end(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.wanted += now.saturating_duration_since(since);
        }
    }

    /// Whether it was less than [`LEAST_SHARE`] since this was last asked, given all the time that the thread has
    /// used until `now`. One that had little to do is not short of anything.
    fn is_too_small(&mut self, used: Duration, now: Instant) -> bool {
        let runs = self.since.is_some();
        self.end(now);
        let wanted = std::mem::take(&mut self.wanted);
        if runs {
            self.begin(now);
        }
        let got = used.saturating_sub(self.used_before);
        self.used_before = used;
        wanted >= LOOK / 2 && got.as_secs_f64() < wanted.as_secs_f64() * LEAST_SHARE
    }
}

/// What the system says of one thread.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Where it runs, or ran last.
    cpu: usize,
    /// Time on CPUs in all.
    used: Duration,
}

fn used_by_process() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn read_stat(thread: Pid) -> Option<Stat> {
    parse_stat(&read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?)
}

/// proc(5): the name in parentheses may hold anything, also parentheses; the fields after it are numbers but for the
/// first.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(')')?;
    let field = |number: usize| fields.split_ascii_whitespace().nth(number - 3)?.parse::<u32>().ok();
    let used = CLOCK_TICK.checked_mul(field(14)?.checked_add(field(15)?)?)?;
    Some(Stat { cpu: field(39)? as usize, used })
}

/// The CPUs that the main thread may use; nothing where there are more than such a set can name.
fn allowed_cpus() -> Option<Vec<usize>> {
    let set = sched_getaffinity(Some(getpid())).ok()?;
    Some((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

fn put(worker: &Worker, cpus: &[usize]) {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    // A CPU can have been taken away since. Then the thread stays where it is until the next look.
    let _ = sched_setaffinity(Some(worker.thread), &set);
}

/// Makes the calling thread give way at once to any other on its CPU. Beyond its niceness, the kernel then sees that
/// CPU as free when it wakes the main thread, and so leaves that where it is. Without this a thread on the main
/// thread's CPU drives it to another.
fn yield_to_all() {
    let lowest = libc::sched_param { sched_priority: 0 };
    // SAFETY: the call reads one number through the pointer, which lives as long; 0 means the calling thread. The raw
    // call, because musl's function of this name does nothing.
    unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_IDLE, &raw const lowest);
    }
}

#[cfg(test)]
mod tests;
