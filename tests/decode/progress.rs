//! A job that is not wanted any more, or has used up its time, stops while it decodes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
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
