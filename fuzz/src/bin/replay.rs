//! Runs the targets without libFuzzer: first every input that is kept under `corpus/` and `regressions/`, then mutations
//! of them until the time is up.
//!
//! ```text
//! replay [SECONDS [TARGET…]]      default: 0 seconds of mutations, all targets
//! ```
//!
//! The seconds are all targets' together, shared equally. `SEED` in the environment makes other mutations. An input that
//! fails is written to `artifacts/TARGET/`, and the exit code is 1.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use fastrand::Rng;
use unsharp_fuzz::{TARGETS, Target, mutate};

/// An input that takes longer than this is a hang: far more than the largest one needs, far less than anyone waits.
const HANG: Duration = Duration::from_secs(60);

/// New inputs are mutated in turn: a mutation of a mutation gets further.
const DEPTH: usize = 4;

fn main() {
    let mut args = env::args().skip(1);
    let seconds: f64 = args.next().map_or(0.0, |text| text.parse().expect("seconds"));
    let names: Vec<String> = args.collect();
    let targets: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
        .collect();
    assert!(!targets.is_empty(), "no target is called {names:?}");
    let seed = env::var("SEED").map_or(1, |seed| seed.parse().expect("a number"));

    let threads = thread::available_parallelism().map_or(1, usize::from).min(targets.len());
    let share = Duration::from_secs_f64(seconds * threads as f64 / targets.len() as f64);
    let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run(target, share, seed);
                    println!("{report}");
                    failures.fetch_add(report.failures, Ordering::Relaxed);
                }
            });
        }
    });
    let failures = failures.into_inner();
    println!("{} targets, {failures} failures", targets.len());
    process::exit(i32::from(failures > 0));
}

struct Report {
    name: &'static str,
    kept: usize,
    runs: u64,
    spent: Duration,
    slowest: Duration,
    failures: usize,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, kept, runs, spent, slowest, failures } = self;
        let rate = *runs as f64 / spent.as_secs_f64();
        let slowest = slowest.as_secs_f64() * 1e3;
        write!(f, "{name:16} {kept:5} kept, {runs:9} runs, {rate:8.0} a second, slowest {slowest:7.1} ms")?;
        if *failures > 0 { write!(f, ", {failures} FAILED") } else { Ok(()) }
    }
}

fn run(target: &'static Target, share: Duration, seed: u64) -> Report {
    let kept = inputs_of(target);
    let mut runner = Runner::new(target);
    for input in &kept {
        runner.run(input);
    }
    let mut random = Rng::with_seed(seed);
    let empty = [Vec::new()];
    let seeds = if kept.is_empty() { &empty[..] } else { &kept[..] };
    while runner.started.elapsed() < share && runner.failures == 0 {
        let mut input = seeds[random.usize(..seeds.len())].clone();
        for _ in 0..=random.usize(..DEPTH) {
            input = mutate::mutated(&input, target.kind, target.max_len, &mut random);
            runner.run(&input);
        }
    }
    let Runner { runs, slowest, started, failures, .. } = runner;
    Report { name: target.name, kept: kept.len(), runs, spent: started.elapsed(), slowest, failures }
}

/// The inputs that are kept for a target, in the order of their names.
fn inputs_of(target: &Target) -> Vec<Vec<u8>> {
    let folders = ["corpus", "regressions"].map(|kind| home().join(kind).join(target.name));
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a readable file")).collect()
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Since when an input runs, and which.
type Running = (Instant, Vec<u8>);

/// Runs inputs, watched by a thread that ends the process when one of them hangs.
struct Runner {
    target: &'static Target,
    now: Arc<Mutex<Option<Running>>>,
    started: Instant,
    runs: u64,
    slowest: Duration,
    failures: usize,
}

impl Runner {
    fn new(target: &'static Target) -> Self {
        let now: Arc<Mutex<Option<Running>>> = Arc::default();
        let watched = Arc::downgrade(&now);
        thread::spawn(move || {
            while let Some(now) = watched.upgrade() {
                if let Some((since, input)) = &*now.lock().expect("never poisoned")
                    && Instant::now().duration_since(*since) > HANG
                {
                    eprintln!("{} hangs: {}", target.name, keep(target, input).display());
                    process::exit(1);
                }
                drop(now);
                thread::sleep(Duration::from_secs(1));
            }
        });
        Self { target, now, started: Instant::now(), runs: 0, slowest: Duration::ZERO, failures: 0 }
    }

    fn run(&mut self, input: &[u8]) {
        let began = Instant::now();
        *self.now.lock().expect("never poisoned") = Some((began, input.to_vec()));
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        *self.now.lock().expect("never poisoned") = None;
        self.runs += 1;
        self.slowest = self.slowest.max(began.elapsed());
        if outcome.is_err() {
            self.failures += 1;
            eprintln!("{} failed: {}", self.target.name, keep(self.target, input).display());
        }
    }
}

/// Writes a failing input where it can be looked at.
fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let folder = home().join("artifacts").join(target.name);
    let mut hash = DefaultHasher::new();
    input.hash(&mut hash);
    let file = folder.join(format!("{:016x}", hash.finish()));
    fs::create_dir_all(folder).and_then(|()| fs::write(&file, input)).expect("a place for what failed");
    file
}
