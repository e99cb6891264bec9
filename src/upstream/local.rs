//! Sources inside the Next app itself: what its answer to a relative url means.

use bytes::Bytes;

use super::{Upstream, invalid};
use crate::error::Result;

/// What the client reads when an answer can't be used; Next's wording.
pub(super) const INVALID_INTERNAL: &str = "\"url\" parameter is valid but internal response is invalid";

/// What the app answered, by whichever way it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAnswer {
    /// The HTTP status; redirects were not followed. 0 when there was none.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Cache-Control` header.
    pub cache_control: Option<String>,
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Takes the answer as a source image, by Next's rules: any status from 200 to 299, a body that is not
/// empty and has at most `maximum_body_bytes` (Next's `images.maximumResponseBody`).
///
/// # Errors
/// [`crate::Error::UpstreamStatus`] with Next's wording: the answer's own status, 500 where that is below 400, 413
/// for a body over the limit, 400 for an empty one.
pub fn interpret(answer: LocalAnswer, maximum_body_bytes: u64) -> Result<Upstream> {
    let LocalAnswer { status, content_type, cache_control, etag, body } = answer;
    if !(200..=299).contains(&status) {
        return Err(invalid(status, INVALID_INTERNAL));
    }
    if body.len() as u64 > maximum_body_bytes {
        return Err(too_large());
    }
    if body.is_empty() {
        return Err(invalid(400, INVALID_INTERNAL));
    }
    Ok(Upstream { body, content_type, cache_control, etag })
}

/// The body passed the limit. For whoever reads the answer piece by piece and stops there.
#[must_use]
pub fn too_large() -> crate::Error {
    invalid(413, INVALID_INTERNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static [u8]) -> LocalAnswer {
        LocalAnswer {
            status,
            content_type: Some("image/png".into()),
            cache_control: Some("max-age=5".into()),
            etag: Some("\"e\"".into()),
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn a_success_is_taken_with_its_headers() {
        for status in [200, 206, 299] {
            let upstream = interpret(answer(status, b"four"), 4).unwrap();
            assert_eq!(upstream.body, b"four"[..]);
            assert_eq!(upstream.content_type.as_deref(), Some("image/png"));
            assert_eq!(upstream.cache_control.as_deref(), Some("max-age=5"));
            assert_eq!(upstream.etag.as_deref(), Some("\"e\""));
        }
    }

    #[test]
    fn every_other_answer_is_an_error_with_nexts_status_and_words() {
        for (status, body, expected) in [
            (404, &b"page"[..], 404),
            (401, b"", 401),
            (503, b"page", 503),
            (199, b"page", 500),
            (302, b"", 500),
            (304, b"", 500),
            (0, b"page", 500),
            (u16::MAX, b"page", 500),
            (200, b"", 400),
            (204, b"", 400),
            (200, b"five!", 413),
        ] {
            let error = interpret(answer(status, body), 4).unwrap_err();
            assert_eq!(error.status(), expected, "{status}");
            assert_eq!(
                error.public_message(),
                "\"url\" parameter is valid but internal response is invalid",
                "{status}"
            );
        }
    }
}
