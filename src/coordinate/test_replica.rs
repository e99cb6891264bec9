//! A replica in a process of its own, for the tests to kill: the test program runs itself once more, with nothing to do
//! but [`live_in_a_process_of_its_own`].

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::conformance::{options, wanted, whenever};
use super::{Job, Options, Results, Storage, Worker, open};
use crate::cache::Entry;
use crate::error::Result;
use crate::key::CacheKey;

const STORAGE: &str = "UNSHARP_TEST_REPLICA_STORAGE";
const WANTS: &str = "UNSHARP_TEST_REPLICA_WANTS";

/// Begins jobs, says so, and never ends one.
struct Stuck;

impl Worker for Stuck {
    fn make<'a>(&'a self, job: &'a Job, attempt: u32) -> BoxFuture<'a, Result<Arc<Entry>>> {
        println!("\nworking {} {attempt}", job.request.href.trim_start_matches('/'));
        Box::pin(std::future::pending())
    }

    fn lookup<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Option<Arc<Entry>>> {
        Box::pin(std::future::ready(None))
    }
}

/// A process that dies with the test, at the latest.
pub struct Replica(Child);

impl Replica {
    /// Starts one on this storage that never ends a job; `wants` is what a client of its own asks it for.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(storage: &str, wants: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "coordinate::test_replica::live_in_a_process_of_its_own", "--nocapture"]);
        command.env(STORAGE, storage).env(WANTS, wants.unwrap_or_default());
        Self(command.stdout(Stdio::piped()).spawn().expect("it starts"))
    }

    /// Waits until it has begun a job, kills it in the middle, and gives back what it was at: name and attempt.
    ///
    /// # Panics
    /// When it ends before.
    pub async fn kill_at_work(mut self) -> (String, u32) {
        let output = BufReader::new(self.0.stdout.take().expect("a pipe"));
        let working = tokio::task::spawn_blocking(move || {
            let mut lines = output.lines().map_while(std::result::Result::ok);
            lines.find_map(|line| line.strip_prefix("working ").map(str::to_owned))
        });
        let working = working.await.expect("no panic").expect("it works before it ends");
        self.0.kill().expect("it was ours to kill");
        self.0.wait().expect("it is dead");
        let (name, attempt) = working.split_once(' ').expect("two words");
        (name.to_owned(), attempt.parse().expect("a number"))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nothing to see unless [`Replica::start`] has started it.
#[tokio::test]
async fn live_in_a_process_of_its_own() {
    let Ok(storage) = std::env::var(STORAGE) else { return };
    let storage = Storage::parse(&storage, Some("test")).expect("a storage");
    let options = Options { permits: 1, permits_per_source: 1, ..options(Results::default()) };
    let replica = open(&storage, options, Arc::new(Stuck)).await.expect("it opens");
    match std::env::var(WANTS) {
        Ok(name) if !name.is_empty() => drop(replica.make(wanted(&name), whenever()).await),
        _ => std::future::pending().await,
    }
}
