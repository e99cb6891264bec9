//! What the operator reads: one structured record per failure and, at debug level, one per variant made.
//!
//! A record is built only when somebody wants it. It goes to the console as text or JSON, or to a [`Sink`] of the
//! embedding program.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::error::Error;
use crate::request::ImageRequest;

/// How much a record matters, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A request got 5xx.
    Error,
    /// Something failed and the client was served all the same, or the upstream was at fault.
    Warn,
    /// State that is worth a line once.
    Info,
    /// Every variant made, and every request refused.
    Debug,
}

impl Level {
    /// `error`, `warn`, `info`, `debug`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug].into_iter().find(|level| level.name() == name)
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// How much it matters.
    pub level: Level,
    /// What happened, in one word that is safe to filter by, such as `fallback`.
    pub event: &'static str,
    /// The same for people.
    pub message: String,
    /// What is known about it, by name.
    pub fields: Map<String, Value>,
}

/// Takes records; called on any thread, and must not block for long.
pub trait Sink: Send + Sync {
    /// Writes one.
    fn write(&self, record: Record);
}

/// How records look on the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `unsharp warn fallback: decode failed: … url=/a.jpg width=640`
    #[default]
    Text,
    /// One JSON object a line, `time` in milliseconds since 1970.
    Json,
}

/// Where records go, and from which level on.
#[derive(Clone)]
pub struct Logger {
    level: Option<Level>,
    sink: Arc<dyn Sink>,
}

impl Logger {
    /// To `sink`; `None` for a level means nothing at all.
    #[must_use]
    pub fn new(level: Option<Level>, sink: Arc<dyn Sink>) -> Self {
        Self { level, sink }
    }

    /// To standard error.
    #[must_use]
    pub fn console(level: Option<Level>, format: Format) -> Self {
        Self::new(level, Arc::new(Console(format)))
    }

    /// Whether records of that level are written.
    #[must_use]
    pub fn enabled(&self, level: Level) -> bool {
        self.level.is_some_and(|lowest| level <= lowest)
    }

    /// Writes a record. `describe` gives the message and the fields, and is called only when they are wanted.
    pub fn write(
        &self,
        level: Level,
        event: &'static str,
        describe: impl FnOnce() -> (String, Map<String, Value>),
    ) {
        if self.enabled(level) {
            let (message, fields) = describe();
            self.sink.write(Record { level, event, message, fields });
        }
    }
}

impl Logger {
    /// Writes a record of a failure that belongs to no request.
    pub fn write_error(&self, level: Level, event: &'static str, error: &Error) {
        self.write(level, event, || {
            let mut fields = Map::new();
            describe_error(&mut fields, error);
            (error.to_string(), fields)
        });
    }
}

/// The fields that say which variant it is about.
#[must_use]
pub fn describe_request(request: &ImageRequest) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("url".to_owned(), safe_url(&request.href).into());
    fields.insert("width".to_owned(), request.width.into());
    fields.insert("quality".to_owned(), request.quality.into());
    fields.insert("accepted".to_owned(), request.mime.as_str().into());
    fields
}

/// The fields that say which error it is.
pub fn describe_error(fields: &mut Map<String, Value>, error: &Error) {
    fields.insert("code".to_owned(), error.code().into());
    fields.insert("status".to_owned(), error.status().into());
}

/// Warnings and errors, as text.
impl Default for Logger {
    fn default() -> Self {
        Self::console(Some(Level::Warn), Format::default())
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logger").field("level", &self.level).finish_non_exhaustive()
    }
}

struct Console(Format);

impl Sink for Console {
    fn write(&self, record: Record) {
        let line = match self.0 {
            Format::Text => record.to_text(),
            Format::Json => record.to_json(),
        };
        // One write, so that lines of several threads do not mix. A closed standard error is no reason to fail.
        let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
    }
}

impl Record {
    /// One line without a line break, whatever the texts hold.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut line = format!("unsharp {} {}: {}", self.level.name(), self.event, one_line(&self.message));
        for (name, value) in &self.fields {
            let text = match value {
                Value::String(text) if is_plain(text) => text.clone(),
                other => json_line(other),
            };
            let _ = write!(line, " {name}={text}");
        }
        line
    }

    /// One JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut object = Map::new();
        object.insert("time".to_owned(), now.into());
        object.insert("level".to_owned(), self.level.name().into());
        object.insert("name".to_owned(), "unsharp".into());
        object.insert("event".to_owned(), self.event.into());
        object.insert("message".to_owned(), self.message.as_str().into());
        object.extend(self.fields.clone());
        json_line(&Value::Object(object))
    }
}

/// JSON on one line of printable letters. JSON itself lets through what ends a line or steers a terminal all the same.
#[must_use]
pub fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for letter in value.to_string().chars() {
        if steers(letter) {
            // They stand inside of strings alone, where an escape means the same.
            let _ =
                letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(line, "\\u{unit:04x}"));
        } else {
            line.push(letter);
        }
    }
    line
}

/// Control characters of both ranges, separators of lines, and what turns the direction of a text.
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text from outside must not begin a line of its own or steer a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !steers(c) && !c.is_whitespace() && c != '"' && c != '=')
}

const SLASHES: [char; 2] = ['/', '\\'];

/// A url as it may be logged: credentials, the fragment and the values of the query can be secrets and are left
/// out, the names of the query stay.
#[must_use]
pub fn safe_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    // `https:\\user:password@host` means the same to a browser.
    let odd = ["http:", "https:"].into_iter().find_map(|scheme| {
        let (start, rest) = address.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| (scheme, rest.trim_start_matches(SLASHES)))
    });
    let remote = odd.or_else(|| address.find("://").map(|at| (&address[..=at], &address[at + 3..])));
    let mut safe = match remote {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find(SLASHES).unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}//{host}{path}")
        }
        None => address.to_owned(),
    };
    for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        safe.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) => {
                let _ = write!(safe, "{name}=…");
            }
            // A value without a name may be a token.
            None => safe.push('…'),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Record>>);

    impl Sink for Kept {
        fn write(&self, record: Record) {
            self.0.lock().expect("no test panics with it").push(record);
        }
    }

    fn fields(pairs: &[(&str, Value)]) -> Map<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn what_lies_below_the_level_is_not_even_built() {
        let kept = Arc::new(Kept::default());
        let logger = Logger::new(Some(Level::Warn), Arc::clone(&kept) as Arc<dyn Sink>);
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
            logger.write(level, "event", || {
                assert!(level <= Level::Warn, "{level:?} was built");
                (level.name().to_owned(), Map::new())
            });
        }
        let levels: Vec<_> = kept.0.lock().unwrap().iter().map(|record| record.level).collect();
        assert_eq!(levels, [Level::Error, Level::Warn]);
        assert!(!Logger::console(None, Format::Text).enabled(Level::Error));
    }

    #[test]
    fn text_is_one_line_whatever_it_holds() {
        let record = Record {
            level: Level::Warn,
            event: "fallback",
            message: "decode failed:\nunsharp error fake: \u{1b}[31mred".to_owned(),
            fields: fields(&[("url", "/a b\n".into()), ("width", 640.into()), ("format", "webp".into())]),
        };
        let text = record.to_text();
        assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
        assert!(text.starts_with("unsharp warn fallback: decode failed:"), "{text}");
        assert!(text.ends_with(r#" format=webp url="/a b\n" width=640"#), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let record = Record {
            level: Level::Error,
            event: "failed",
            message: "a\nb".to_owned(),
            fields: fields(&[("status", 500.into())]),
        };
        let text = record.to_json();
        assert!(!text.contains('\n'));
        let object: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(object["level"], "error");
        assert_eq!(object["message"], "a\nb");
        assert_eq!(object["status"], 500);
        assert!(object["time"].as_u64().is_some_and(|time| time > 1_700_000_000_000));
    }

    #[test]
    fn nothing_in_a_record_ends_a_line_or_steers_a_terminal() {
        let hostile: String =
            ('\0'..='\u{9f}').chain("\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}".chars()).collect();
        let record = Record {
            level: Level::Warn,
            event: "failed",
            message: hostile.clone(),
            fields: fields(&[("url", hostile.as_str().into()), ("host", "a\u{9b}31mb".into())]),
        };
        for line in [record.to_text(), record.to_json()] {
            assert!(!line.chars().any(steers), "{line:?}");
        }
        let object: Value = serde_json::from_str(&record.to_json()).expect("it is JSON");
        assert_eq!(
            (&object["message"], &object["url"]),
            (&hostile.as_str().into(), &hostile.as_str().into())
        );
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
        for (url, safe) in [
            ("/photo.jpg", "/photo.jpg"),
            ("/photo.jpg?v=1&token=abc", "/photo.jpg?v=…&token=…"),
            ("/photo.jpg?abc", "/photo.jpg?…"),
            ("https://user:pass@cdn.example/a?sig=x#frag", "https://cdn.example/a?sig=…"),
            ("https://a@b@cdn.example", "https://cdn.example"),
            ("http://cdn.example/@me/a.png", "http://cdn.example/@me/a.png"),
            ("HTTPS:\\\\user:pass@cdn.example\\a.png?t", "https://cdn.example\\a.png?…"),
            ("https:/user:pass@cdn.example/a.png", "https://cdn.example/a.png"),
            ("http:user:pass@cdn.example", "http://cdn.example"),
            ("é/@me.png", "é/@me.png"),
        ] {
            assert_eq!(safe_url(url), safe);
        }
    }
}
