//! The CPU pool, admission and the memory budget.
