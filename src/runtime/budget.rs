//! The memory that running jobs may take together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::Shared;
use crate::error::{Error, Result};

/// What one image may need beyond the whole budget, bytes: the needs are estimated from above, and a small image has to
/// pass whatever the budget.
pub const OVERDRAFT_BYTES: u64 = 64 << 20;

/// The budget as one job sees it.
pub(super) struct Budget {
    pub(super) shared: Arc<Shared>,
    pub(super) cancelled: Arc<AtomicBool>,
}

/// Holds its bytes until dropped.
pub(super) struct Grant<'a> {
    shared: &'a Shared,
    bytes: u64,
}

impl Budget {
    /// Waits until `bytes` fit, unless they never will. Whoever holds a part of the budget is running on another thread and waits for
    /// nothing, so this ends.
    pub(super) fn wait_for(&self, bytes: u64) -> Result<Grant<'_>> {
        let mut state = self.shared.lock();
        let budget = state.options.memory_budget_bytes;
        if bytes > budget.saturating_add(OVERDRAFT_BYTES) {
            return Err(Error::TooManyBytes(format!(
                "decoding and encoding it takes up to {bytes} bytes of memory where the budget is {budget}"
            )));
        }
        let ticket = state.budget_tickets;
        state.budget_tickets += 1;
        loop {
            let limit = state.options.memory_budget_bytes;
            let fits = state.budget_used_bytes == 0 || state.budget_used_bytes.saturating_add(bytes) <= limit;
            let cancelled = self.cancelled.load(Ordering::Relaxed);
            if state.budget_turn == ticket && (fits || cancelled) {
                state.budget_turn += 1;
                if !cancelled {
                    state.budget_used_bytes = state.budget_used_bytes.saturating_add(bytes);
                }
                drop(state);
                self.shared.budget_freed.notify_all();
                return if cancelled {
                    Err(Error::Aborted)
                } else {
                    Ok(Grant { shared: &self.shared, bytes })
                };
            }
            state = self.shared.budget_freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.budget_used_bytes = state.budget_used_bytes.saturating_sub(self.bytes);
        drop(state);
        self.shared.budget_freed.notify_all();
    }
}
