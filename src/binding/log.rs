//! The user's logger in JavaScript.

use std::sync::Arc;

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};

use crate::error::Error;
use crate::log::{Format, Level, Logger, Record, Sink};

/// The arguments of `log`: level, event, message, fields as JSON.
pub(super) type LogCall = FnArgs<(String, String, String, String)>;
type Log = ThreadsafeFunction<LogCall, (), LogCall, Status, false, true>;

/// The user's logger in JavaScript.
struct JsSink(Log);

impl Sink for JsSink {
    fn write(&self, record: Record) {
        let fields = serde_json::Value::Object(record.fields).to_string();
        let call = (record.level.name().to_owned(), record.event.to_owned(), record.message, fields);
        // Fails only once the process is closing.
        let _ = self.0.call(call.into(), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// The JavaScript function as what takes records. It keeps no process alive.
pub(super) fn sink(log: &Function<'_, LogCall, ()>) -> Result<Arc<dyn Sink>> {
    let log = log.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()?;
    Ok(Arc::new(JsSink(log)))
}

/// `level` and `format` as the options name them; without a sink the console takes what is logged.
pub(super) fn logger(
    level: Option<&str>,
    format: Option<&str>,
    sink: Option<Arc<dyn Sink>>,
) -> crate::Result<Logger> {
    let level = match level {
        None => Some(Level::Warn),
        Some("silent") => None,
        Some(name) => Some(
            Level::from_name(name)
                .ok_or_else(|| Error::InvalidOption(format!("logLevel {name:?} is not known")))?,
        ),
    };
    let format = match format {
        None | Some("text") => Format::Text,
        Some("json") => Format::Json,
        Some(name) => return Err(Error::InvalidOption(format!("logFormat {name:?} is not known"))),
    };
    Ok(sink.map_or_else(|| Logger::console(level, format), |sink| Logger::new(level, sink)))
}
