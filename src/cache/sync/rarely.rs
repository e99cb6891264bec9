//! Lines about events that may come by the thousand for one reason.

use serde_json::{Map, Value};

use crate::log::{Level, Logger};

/// Writes a line when the number of such events, `more` after `before`, reaches a power of two.
pub(super) fn log_rarely(
    logger: &Logger,
    event: &'static str,
    before: u64,
    more: u64,
    message: impl FnOnce() -> String,
) {
    let count = before + more;
    if before.checked_ilog2() != count.checked_ilog2() {
        let fields = || Map::from_iter([("so_far".to_owned(), Value::from(count))]);
        logger.write(Level::Warn, event, || (message(), fields()));
    }
}
