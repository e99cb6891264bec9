//! How much may be put into the bucket, which has no end of its own: a visitor who thinks of ever new urls would pay
//! nothing and fill it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3_600);

/// Bytes for an hour, which come back evenly. Those of the first hour are there at once.
#[derive(Debug)]
pub(super) struct Allowance {
    hourly_bytes: u64,
    /// What is left, and since when.
    left: Mutex<(u64, Instant)>,
}

impl Allowance {
    pub(super) fn new(hourly_bytes: u64) -> Self {
        Self { hourly_bytes, left: Mutex::new((hourly_bytes, Instant::now())) }
    }

    /// Takes so many bytes, if they are left.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.duration_since(left.1).min(HOUR);
        let back = u128::from(self.hourly_bytes) * passed.as_millis() / HOUR.as_millis();
        // Before a whole byte is back, the time goes on counting.
        if back > 0 {
            *left = (left.0.saturating_add(back as u64).min(self.hourly_bytes), now);
        }
        let rest = left.0.checked_sub(bytes);
        if let Some(rest) = rest {
            left.0 = rest;
        }
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_has_its_bytes_and_no_more_however_long_nothing_was_pushed() {
        let allowance = Allowance::new(3_600);
        assert!(allowance.take(3_600));
        assert!(!allowance.take(1));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!allowance.take(11));
        assert!(allowance.take(10), "what was refused took nothing");
        tokio::time::advance(HOUR * 50).await;
        assert!(!allowance.take(3_601));
        assert!(allowance.take(3_600));
    }

    #[tokio::test(start_paused = true)]
    async fn asking_often_does_not_lose_what_comes_back() {
        let allowance = Allowance::new(3_600);
        assert!(allowance.take(3_600));
        for _ in 0..4_000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            let _ = allowance.take(100);
        }
        assert!(allowance.take(3), "four seconds have passed");
    }
}
