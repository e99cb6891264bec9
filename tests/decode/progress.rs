//! A job that is not wanted any more, or has used up its time, stops while it decodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use unsharp::Error;
use unsharp::image::decode::decode;
use unsharp::image::{Limits, Progress, format};

use crate::make::samples;
use crate::{job, to_png};

#[test]
fn a_cancelled_job_is_aborted() {
    let limits = Limits::default();
    let progress = Progress::start(&limits, Arc::new(AtomicBool::new(true)));
    for sample in samples::all(60, 40) {
        let format = format::detect(&sample.file).expect("a known kind");
        let stopped = decode(&sample.file, format, None, &limits, &progress).map(drop);
        assert!(matches!(stopped, Err(Error::Aborted)), "{}: {stopped:?}", sample.name);
        let job = job(&sample.file, &limits).expect("the header is read all the same");
        assert_eq!(job.run(&sample.file, &to_png(30), &limits, &progress), Err(Error::Aborted));
    }
}

#[test]
fn a_job_past_its_deadline_times_out() {
    let limits = Limits { timeout_ms: 1, ..Limits::default() };
    let progress = Progress::start(&limits, Arc::default());
    std::thread::sleep(Duration::from_millis(2));
    for sample in samples::all(60, 40) {
        let format = format::detect(&sample.file).expect("a known kind");
        let stopped = decode(&sample.file, format, None, &limits, &progress).map(drop);
        assert!(matches!(stopped, Err(Error::Timeout(1))), "{}: {stopped:?}", sample.name);
    }
}

#[test]
fn a_job_that_is_cancelled_between_two_bands_is_aborted() {
    for sample in [samples::pngs(60, 2000), samples::avifs(60, 400)].into_iter().flatten() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (limits, format) = (Limits::default(), format::detect(&sample.file).expect("a known kind"));
        let progress = Progress::start(&limits, Arc::clone(&cancelled));
        let mut image = decode(&sample.file, format, None, &limits, &progress).expect(&sample.name);
        if image.rows.take_whole().is_some() {
            continue;
        }
        image.rows.next_rows().expect("not cancelled yet").expect("a band");
        cancelled.store(true, Ordering::Relaxed);
        let stopped = std::iter::from_fn(|| image.rows.next_rows().map(|band| band.map(drop)).transpose())
            .find_map(Result::err);
        assert_eq!(stopped, Some(Error::Aborted), "{}", sample.name);
    }
}
