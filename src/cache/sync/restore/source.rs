//! What is to be downloaded, and in which order.

use std::collections::HashMap;
use std::future::ready;
use std::mem::{replace, take};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Job, Outcome, Reach, lock};
use crate::cache::file_name::FileName;
use crate::cache::filesystem::Local;
use crate::cache::object::{Bucket, LARGEST_OBJECT_BYTES, Listed};
use crate::cache::sync::manifest::{self, Noted, blocking};
use crate::error::{Error, Result};
use crate::key::CacheKey;

/// Variants that a listing may be ahead of the downloads.
const LISTED_AHEAD: usize = 4_096;

/// Variants that are compared with the folder in one go.
const COMPARED_AT_ONCE: usize = 64;

/// A variant that the folder lacks.
pub(super) struct Wanted {
    pub(super) key: CacheKey,
    pub(super) name: FileName,
    pub(super) bytes: u64,
    /// A file that the bucket had before this one, and that the folder may have.
    pub(super) superseded: Option<FileName>,
    /// From the manifest.
    pub(super) is_hint: bool,
}

/// The manifest's variants and those of a listing, which begins at once and goes on beside the downloads.
pub(super) struct Source {
    job: Arc<Job>,
    reach: Reach,
    hints: Vec<Noted>,
    listing: Option<mpsc::Receiver<Candidate>>,
    lister: AbortOnDropHandle<Result<()>>,
    corrections: Arc<Mutex<Vec<Candidate>>>,
}

struct Candidate {
    noted: Noted,
    superseded: Option<FileName>,
    /// From the manifest.
    is_hint: bool,
}

impl Source {
    pub(super) async fn open(job: &Arc<Job>, reach: Reach) -> Self {
        let (found, listing) = mpsc::channel(LISTED_AHEAD);
        let lister = AbortOnDropHandle::new(tokio::spawn(list(job.bucket.clone(), found)));
        // It is only a hint. A store that can't be asked shows in the listing.
        let hints = manifest::read(&job.bucket, job.index.capacity()).await.unwrap_or_default();
        let (job, corrections) = (Arc::clone(job), Arc::default());
        Self { job, reach, hints, listing: Some(listing), lister, corrections }
    }

    /// The manifest's variants, then those that only the listing has.
    pub(super) fn first(&mut self) -> BoxStream<'static, Result<Wanted, Outcome>> {
        let hints = take(&mut self.hints);
        let hinted: HashMap<CacheKey, (FileName, u64)> =
            hints.iter().map(|noted| (noted.key.clone(), (noted.name.clone(), noted.bytes))).collect();
        let corrections = Arc::clone(&self.corrections);
        let is_new = move |mut candidate: Candidate| match hinted.get(&candidate.noted.key) {
            None => Some(candidate),
            Some((name, bytes)) if *name == candidate.noted.name && *bytes == candidate.noted.bytes => None,
            Some((name, _)) => {
                candidate.superseded = Some(name.clone());
                lock(&corrections).push(candidate);
                None
            }
        };
        let mut listing = self.listing.take();
        let listed = stream::poll_fn(move |context| match &mut listing {
            Some(listing) => listing.poll_recv(context),
            None => std::task::Poll::Ready(None),
        });
        let (job, at_end) = (Arc::clone(&self.job), Arc::clone(&self.job));
        let all = stream::iter(hints)
            .map(|noted| Candidate { noted, superseded: None, is_hint: true })
            .chain(listed.filter_map(move |candidate| ready(is_new(candidate))))
            .inspect(move |_| {
                job.counts.found.fetch_add(1, Ordering::Relaxed);
            })
            .chain(stream::poll_fn(move |_| {
                at_end.counts.is_found_all.store(true, Ordering::Relaxed);
                std::task::Poll::Ready(None)
            }));
        self.lacking(all).boxed()
    }

    /// What the listing had in the place of the manifest's: to be taken when the first are through, since of two
    /// files of a key the one that is written last stays.
    pub(super) fn corrections(&self) -> BoxStream<'static, Result<Wanted, Outcome>> {
        let corrections = take(&mut *lock(&self.corrections));
        // Tried again, and counted by what comes of that: a variant counts once.
        let failed_hints = take(&mut *lock(&self.job.failed_hints));
        let again =
            corrections.iter().filter(|candidate| failed_hints.contains(&candidate.noted.key)).count();
        self.job.counts.failed.fetch_sub(again as u64, Ordering::Relaxed);
        self.lacking(stream::iter(corrections)).boxed()
    }

    /// Whether the listing came to its end.
    pub(super) async fn finish(self) -> Result<()> {
        self.lister.await.unwrap_or_else(|stopped| Err(Error::Store(stopped.to_string())))
    }

    /// What of these the folder lacks.
    fn lacking(
        &self,
        candidates: impl Stream<Item = Candidate> + Send + 'static,
    ) -> impl Stream<Item = Result<Wanted, Outcome>> + Send + 'static {
        let (job, reach) = (Arc::clone(&self.job), self.reach);
        let compared = candidates.ready_chunks(COMPARED_AT_ONCE).then(move |chunk| {
            let job = Arc::clone(&job);
            blocking(move || {
                let lacking = chunk.into_iter().filter_map(|each| compare(&job, reach, each));
                lacking.collect::<Vec<_>>()
            })
        });
        compared.flat_map(|lacking| {
            stream::iter(lacking.unwrap_or_else(|error| vec![Err(Outcome::DiskFailed(error.to_string()))]))
        })
    }
}

/// Sends the newest file of each key. Stores list the files of a key side by side, so looking at two neighbours is
/// enough; should one not, the folder keeps the file that expires last.
async fn list(bucket: Bucket, found: mpsc::Sender<Candidate>) -> Result<()> {
    let mut listing = bucket.list();
    let mut held: Option<(Listed, Option<FileName>)> = None;
    while let Some(listed) = listing.next().await {
        let listed = listed?;
        if let Some((newest, superseded)) = held.as_mut().filter(|(newest, _)| newest.key == listed.key) {
            let older =
                if listed.age_order() > newest.age_order() { replace(newest, listed) } else { listed };
            *superseded = Some(older.name);
        } else if let Some(before) = held.replace((listed, None))
            && found.send(candidate(before)).await.is_err()
        {
            // Nobody listens when the run has ended.
            return Ok(());
        }
    }
    if let Some(last) = held {
        let _ = found.send(candidate(last)).await;
    }
    Ok(())
}

fn candidate((listed, superseded): (Listed, Option<FileName>)) -> Candidate {
    let Listed { key, name, bytes, modified_at_ms } = listed;
    let secs = modified_at_ms / 1_000;
    Candidate {
        noted: Noted { key, name, bytes, written_secs: secs, used_secs: secs },
        superseded,
        is_hint: false,
    }
}

fn compare(job: &Job, reach: Reach, candidate: Candidate) -> Option<Result<Wanted, Outcome>> {
    let hint = candidate.is_hint.then(|| candidate.noted.key.clone());
    let compared = standing(job, reach, candidate);
    if let (Some(key), Some(Err(_))) = (hint, &compared) {
        lock(&job.failed_hints).insert(key);
    }
    compared
}

/// What is to be done about a variant, if anything is.
fn standing(job: &Job, reach: Reach, candidate: Candidate) -> Option<Result<Wanted, Outcome>> {
    let Candidate { noted, superseded, is_hint } = candidate;
    job.index.note(noted.clone());
    let Noted { key, name, bytes, .. } = noted;
    let local = match job.disk.compare(&key, &name, bytes, superseded.as_ref()) {
        _ if bytes > LARGEST_OBJECT_BYTES => Local::Unfit,
        Ok(local) => local,
        Err(error) => return Some(Err(Outcome::DiskFailed(error.to_string()))),
    };
    match local {
        Local::Same => job.index.settled.insert(&key, &name),
        // One that expires later is not in the bucket yet.
        Local::AsNew(local) if local.expires_at_ms == name.expires_at_ms => {
            job.index.settled.insert(&key, &local);
        }
        Local::AsNew(_) => {}
        Local::Lacks => {
            return (reach == Reach::Download).then_some(Ok(Wanted {
                key,
                name,
                bytes,
                superseded,
                is_hint,
            }));
        }
        Local::Unfit => {
            return Some(Err(Outcome::Damaged(format!("{key}: its name or its body is too long"))));
        }
    }
    job.counts.skipped.fetch_add(1, Ordering::Relaxed);
    None
}
