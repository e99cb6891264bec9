//! What a failed exchange is called, and how it is told without secrets.

use std::error::Error as StdError;

use url::Url;

use crate::error::Error;
use crate::upstream::resolver::PrivateAddress;

pub(super) fn not_allowed(detail: String) -> Error {
    Error::NotAllowed { public: "\"url\" parameter is not allowed".into(), detail }
}

/// Finds the guard's refusal among an error's causes; everything else is a failure of the upstream.
pub(super) fn failure(url: &Url, error: reqwest::Error) -> Error {
    let error = error.without_url();
    match causes(&error).find_map(|cause| cause.downcast_ref::<PrivateAddress>()) {
        Some(private) => not_allowed(private.to_string()),
        None => Error::Upstream(format!("{}: {}", printable(url), in_one_line(&error))),
    }
}

pub(super) fn closed_without_answer(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref()).any(hyper::Error::is_incomplete_message)
}

/// The error, its cause, the cause of that, …
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

pub(super) fn in_one_line(error: &(dyn StdError + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A url for the log: without its password, and without its query, which may hold a signature.
pub(super) fn printable(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only on urls that can't have a password.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
