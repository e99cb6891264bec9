//! What went wrong with a request to the store, in words that are safe to log.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::Error;

/// Why a request to the store came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no such object.
    Missing,
    /// The circuit breaker did not let it out.
    LeftAlone,
    /// No answer in time, no connection, or an answer that says no.
    Failed(String),
    /// The request itself can't be made, so trying again is of no use; says nothing about the store.
    Unusable(String),
}

impl Fault {
    /// Nothing of an answer's body gets into the text but the error code that S3 and its like give: such bodies
    /// repeat headers of the request, among them tokens.
    pub(super) fn of(action: &str, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } if is_bucket(&error.to_string()) => {
                Self::Failed(format!("{action}: there is no such bucket"))
            }
            E::NotFound { .. } => Self::Missing,
            E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
                Self::Unusable(format!("{action}: {}", first_line(&error.to_string())))
            }
            _ => Self::Failed(format!("{action}: {}", describe(error))),
        }
    }
}

impl Fault {
    /// For requests that name no object which could be missing: then it is the bucket.
    pub(super) fn unless_missing(self) -> Self {
        match self {
            Self::Missing => Self::Failed("there is no such bucket".to_owned()),
            other => other,
        }
    }
}

/// Whether it is the bucket that is not found: its code for S3 and Google, and for Azure.
fn is_bucket(answer: &str) -> bool {
    matches!(code_in(answer), Some("NoSuchBucket" | "ContainerNotFound"))
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Store(match fault {
            Fault::Missing => "there is no such object".to_owned(),
            Fault::LeftAlone => "left alone after failures in a row".to_owned(),
            Fault::Failed(text) | Fault::Unusable(text) => text,
        })
    }
}

pub(super) fn describe(error: &object_store::Error) -> String {
    let text = error.to_string();
    if let Some((_, answer)) = text.split_once("status code: ") {
        let status = answer.split([':', '\n']).next().unwrap_or_default();
        return match code_in(answer) {
            Some(code) => format!("the store answered {status} ({code})"),
            None => format!("the store answered {status}"),
        };
    }
    let http = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>());
    if let Some(http) = http {
        let what = match http.kind() {
            HttpErrorKind::Connect => "no connection",
            HttpErrorKind::Timeout => "no answer in time",
            HttpErrorKind::Request | HttpErrorKind::Interrupted => "the connection broke",
            _ => "the answer could not be read",
        };
        let cause = causes(http).skip(1).last();
        return cause
            .map_or_else(|| what.to_owned(), |cause| format!("{what}: {}", first_line(&cause.to_string())));
    }
    first_line(&text)
}

/// The error, its cause, the cause of that, …
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The `<Code>` of an XML answer, as far as it is one word.
fn code_in(answer: &str) -> Option<&str> {
    let code = answer.split_once("<Code>")?.1.split_once("</Code>")?.0;
    let is_word = !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_word.then_some(code)
}

/// At most 200 characters of the first line, up to where markup or JSON begins.
fn first_line(text: &str) -> String {
    text.split(['\n', '<', '{']).next().unwrap_or_default().chars().take(200).collect()
}
