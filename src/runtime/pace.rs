//! How fast image threads may use up a CPU quota.
//!
//! When a quota is used up, the kernel stops all threads until its next period, the main thread too. So image threads
//! wait a little before that would happen, and what is left is there when the page wants it.

use std::time::{Duration, Instant};

/// Of the quota: what all threads of the process may use together before image threads wait. Measured with a quota of
/// one CPU, against 0.85 and 1: docs/PERFORMANCE.md.
const SHARE: f64 = 0.9;
/// What may be saved up while less is used, and spent at once, seconds for each CPU of the quota. The kernel's periods
/// are of 100 ms, and with the share of one of them this comes to little more.
const SAVED: f64 = 0.02;
/// How far back too much use is held against image threads, seconds likewise: the kernel forgets it with each period.
const OWED: f64 = 0.1;
/// After this much waiting on end they go on until the next look, whatever the others use.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// CPU time that comes in as the quota does and goes out as all threads of the process use it.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds of CPU time a second.
    rate: f64,
    /// Seconds of CPU time; below zero image threads wait.
    left: f64,
    looked: Instant,
    used: Duration,
    waiting_since: Option<Instant>,
}

impl Pace {
    /// For `quota` CPUs, where the process has used `used` until `now`.
    pub(super) fn new(quota: f64, now: Instant, used: Duration) -> Self {
        Self { rate: quota * SHARE, left: 0.0, looked: now, used, waiting_since: None }
    }

    /// Whether image threads have to wait until the next look, given all the time that the process has used until `now`.
    pub(super) fn has_to_wait(&mut self, now: Instant, used: Duration) -> bool {
        let passed = now.saturating_duration_since(self.looked).as_secs_f64();
        self.left += passed * self.rate - used.saturating_sub(self.used).as_secs_f64();
        self.left = self.left.clamp(-OWED * self.rate, SAVED * self.rate);
        (self.looked, self.used) = (now, used);
        let waited = self.waiting_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if self.left >= 0.0 || waited >= LONGEST_WAIT {
            self.waiting_since = None;
        } else if self.waiting_since.is_none() {
            self.waiting_since = Some(now);
        }
        self.waiting_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`Pace::has_to_wait`] says every 5 ms, of a process that is given as much of a CPU as the function says.
    fn looks(quota: f64, count: u32, mut load: impl FnMut(bool) -> f64) -> Vec<bool> {
        let (begun, step) = (Instant::now(), Duration::from_millis(5));
        let mut pace = Pace::new(quota, begun, Duration::ZERO);
        let mut used = Duration::ZERO;
        let mut waits = false;
        let mut next = |look: u32| {
            used += step.mul_f64(load(waits));
            waits = pace.has_to_wait(begun + step * look, used);
            waits
        };
        (1..=count).map(&mut next).collect()
    }

    fn part(looks: &[bool]) -> f64 {
        looks.iter().filter(|&&waits| waits).count() as f64 / looks.len() as f64
    }

    #[test]
    fn within_the_share_nobody_waits() {
        assert!(!looks(1.0, 200, |_| 0.89).contains(&true));
        assert!(!looks(2.0, 200, |_| 1.7).contains(&true));
        assert!(!looks(0.5, 200, |_| 0.4).contains(&true));
    }

    #[test]
    fn together_they_come_to_nine_tenths_of_the_quota() {
        for (quota, page) in [(1.0, 0.0), (1.0, 0.3), (0.5, 0.1), (2.0, 0.5)] {
            let mut used = 0.0;
            let threads = f64::ceil(quota);
            looks(quota, 2000, |waits| {
                let now = page + if waits { 0.0 } else { threads };
                used += now / 2000.0;
                now
            });
            assert!((used / quota - SHARE).abs() < 0.01, "{quota} CPUs, page {page}: {used}");
        }
    }

    #[test]
    fn beside_a_page_that_uses_all_of_it_they_go_on_a_fifth_of_the_time() {
        let waits = part(&looks(1.0, 2000, |_| 1.0));
        assert!((0.78..=0.82).contains(&waits), "{waits}");
    }

    #[test]
    fn a_second_without_use_saves_up_no_more_than_a_moment() {
        let mut look = 0;
        let after = looks(1.0, 220, |_| {
            look += 1;
            if look <= 200 { 0.0 } else { 2.0 }
        });
        // 18 ms saved, and 5.5 ms too much are used in each 5 ms.
        assert_eq!(after.iter().position(|&waits| waits), Some(203));
    }

    #[test]
    fn a_burst_is_forgotten_after_a_period() {
        let mut look = 0;
        let after = looks(1.0, 300, |_| {
            look += 1;
            if look <= 100 { 4.0 } else { 0.0 }
        });
        assert!(!after[120..].contains(&true));
    }
}
