//! What one image may cost, and the handle through which a running job learns that it should stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// No limit goes beyond this: 2^32 pixels are 16 GiB of RGBA, and sizes computed from them stay far from
/// overflowing 64 bits.
pub const MOST_PIXELS: u64 = 1 << 32;

/// What one image may cost. Each limit is checked before the memory or time is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Width × height that an input may claim. Default 268 402 689, Next's `imgOptMaxInputPixels`; at most
    /// [`MOST_PIXELS`] whatever is set.
    pub max_pixels: u64,
    /// Input size in bytes. Default 256 MiB.
    pub max_bytes: u64,
    /// Wall-clock time of one job in milliseconds, from when it starts to run. Default 7 000, Next's
    /// `imgOptTimeoutInSeconds`; 0 means none.
    pub timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 268_402_689, max_bytes: 256 << 20, timeout_ms: 7_000 }
    }
}

impl Limits {
    /// Refuses an input that is larger than `max_bytes`.
    ///
    /// # Errors
    /// [`Error::TooManyBytes`].
    pub fn check_bytes(&self, len: usize) -> Result<()> {
        if len as u64 > self.max_bytes {
            return Err(Error::TooManyBytes(format!(
                "input of {len} bytes exceeds the limit of {} bytes",
                self.max_bytes
            )));
        }
        Ok(())
    }

    /// Refuses claimed dimensions above `max_pixels`, and zero ones as damaged. Every decoder calls this
    /// with the header's numbers before it takes memory for pixels.
    ///
    /// # Errors
    /// [`Error::TooManyPixels`], [`Error::Decode`].
    pub fn check_pixels(&self, width: u64, height: u64) -> Result<()> {
        if width == 0 || height == 0 {
            return Err(Error::Decode(format!("image of {width}x{height} px")));
        }
        let max_pixels = self.max_pixels.min(MOST_PIXELS);
        match width.checked_mul(height) {
            Some(pixels) if pixels <= max_pixels => Ok(()),
            _ => Err(Error::TooManyPixels { width, height, max_pixels }),
        }
    }
}

/// Handed to every step of a job: has the caller gone, or the time run out? Steps call
/// [`Progress::check`] between rows, tiles or frames, wherever the codec gives a chance.
#[derive(Debug, Clone)]
pub struct Progress {
    cancelled: Arc<AtomicBool>,
    deadline: Option<Instant>,
    timeout_ms: u64,
    clock: fn() -> Instant,
    brake: Option<Arc<Brake>>,
}

impl Progress {
    /// Starts the clock of `limits.timeout_ms`; setting `cancelled` makes the job stop at its next check.
    #[must_use]
    pub fn start(limits: &Limits, cancelled: Arc<AtomicBool>) -> Self {
        Self::start_by(Instant::now, limits, cancelled)
    }

    /// [`Progress::start`] with a clock of the caller's, which is read now and at every check.
    #[must_use]
    pub fn start_by(clock: fn() -> Instant, limits: &Limits, cancelled: Arc<AtomicBool>) -> Self {
        let deadline = (limits.timeout_ms > 0).then(|| clock() + Duration::from_millis(limits.timeout_ms));
        Self { cancelled, deadline, timeout_ms: limits.timeout_ms, clock, brake: None }
    }

    /// A job that nobody cancels and no clock stops.
    #[must_use]
    pub fn unbounded() -> Self {
        Self { cancelled: Arc::default(), deadline: None, timeout_ms: 0, clock: Instant::now, brake: None }
    }

    /// The same job, which also waits at its checks while `brake` is on.
    #[must_use]
    pub fn braked_by(self, brake: Arc<Brake>) -> Self {
        Self { brake: Some(brake), ..self }
    }

    /// # Errors
    /// [`Error::Aborted`] once cancelled, [`Error::Timeout`] past the deadline.
    pub fn check(&self) -> Result<()> {
        if let Some(brake) = &self.brake {
            brake.wait();
        }
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Aborted);
        }
        match self.deadline {
            Some(deadline) if (self.clock)() > deadline => Err(Error::Timeout(self.timeout_ms)),
            _ => Ok(()),
        }
    }
}

/// Makes running jobs wait for a while, at their next check.
#[derive(Debug, Default)]
pub struct Brake {
    on: AtomicBool,
    lock: Mutex<()>,
    released: Condvar,
}

impl Brake {
    /// Until [`Brake::release`].
    pub fn hold(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// Whoever waits goes on.
    pub fn release(&self) {
        // Under the lock, or somebody could look before and wait after.
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.on.store(false, Ordering::Relaxed);
        self.released.notify_all();
    }

    fn wait(&self) {
        if self.on.load(Ordering::Relaxed) {
            let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            let _guard = self.released.wait_while(guard, |()| self.on.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn pixels_are_limited_even_where_the_limit_is_off() {
        let unlimited = Limits { max_pixels: u64::MAX, ..Limits::default() };
        assert_eq!(unlimited.check_pixels(1 << 16, 1 << 16), Ok(()));
        for (width, height) in [(1 << 16, (1 << 16) + 1), (u64::MAX, 1), (u64::MAX, u64::MAX)] {
            let refused = Err(Error::TooManyPixels { width, height, max_pixels: MOST_PIXELS });
            assert_eq!(unlimited.check_pixels(width, height), refused);
        }
    }

    #[test]
    fn a_job_stops_when_cancelled_or_late() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let no_clock = Limits { timeout_ms: 0, ..Limits::default() };
        let progress = Progress::start(&no_clock, Arc::clone(&cancelled));
        assert_eq!(progress.check(), Ok(()));
        cancelled.store(true, Ordering::Relaxed);
        assert_eq!(progress.check(), Err(Error::Aborted));

        thread_local!(static NOW: Cell<Instant> = Cell::new(Instant::now()));
        let hasty = Limits { timeout_ms: 5, ..Limits::default() };
        let progress = Progress::start_by(|| NOW.get(), &hasty, Arc::default());
        NOW.set(NOW.get() + Duration::from_millis(5));
        assert_eq!(progress.check(), Ok(()));
        NOW.set(NOW.get() + Duration::from_millis(1));
        assert_eq!(progress.check(), Err(Error::Timeout(5)));
    }

    #[test]
    fn a_braked_job_waits_at_its_check_until_it_is_released() {
        let brake = Arc::new(Brake::default());
        let progress = Progress::unbounded().braked_by(Arc::clone(&brake));
        assert_eq!(progress.check(), Ok(()));
        brake.hold();
        let (goes_on, waits) = std::sync::mpsc::channel();
        let job = std::thread::spawn(move || goes_on.send(progress.check()));
        assert!(waits.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
        brake.release();
        assert_eq!(waits.recv(), Ok(Ok(())));
        job.join().expect("it ends").expect("it was heard");
    }
}
