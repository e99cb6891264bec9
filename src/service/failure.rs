//! What the service answers where Next has no words: when attempts, places or time are used up.

use bytes::Bytes;
use serde_json::json;

use crate::error::Error;
use crate::response::Answer;

/// The answer in place of Next's; `None` where Next's stands.
pub(super) fn answer(error: &Error, attempts: u32, is_head: bool) -> Option<Answer> {
    let (status, text) = match error {
        Error::Overloaded(_) => (503, "Service Unavailable"),
        Error::UpstreamTimeout(_) | Error::Timeout(_) => (504, "Gateway Timeout"),
        error if error.may_heal() => (502, "Bad Gateway"),
        _ => return None,
    };
    let mut body = json!({ "error": text, "code": error.code() });
    if status == 502 {
        body["attempts"] = attempts.into();
    }
    if let Error::UpstreamStatus { answered, .. } = error {
        body["upstreamStatus"] = (*answered).into();
    }
    let body = body.to_string();
    let mut headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
        ("Content-Length", body.len().to_string()),
    ];
    if status == 503 {
        headers.push(("Retry-After", "1".to_owned()));
    }
    let body = if is_head { Bytes::new() } else { body.into() };
    Some(Answer { status, headers, body, revalidating: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(answered: u16) -> Error {
        Error::UpstreamStatus { status: answered.max(500), answered, public: "words".into() }
    }

    #[test]
    fn what_is_used_up_has_a_status_and_json() {
        for (error, status, text) in [
            (Error::Upstream("refused".into()), 502, "Bad Gateway"),
            (upstream(503), 502, "Bad Gateway"),
            (Error::UpstreamTimeout("slow".into()), 504, "Gateway Timeout"),
            (Error::Timeout(30_000), 504, "Gateway Timeout"),
            (Error::Overloaded("full".into()), 503, "Service Unavailable"),
        ] {
            let answer = answer(&error, 3, false).expect("not Next's");
            assert_eq!(answer.status, status, "{error}");
            let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
            assert_eq!(body["error"], text);
            assert_eq!(body["code"], error.code());
            assert!(!body.to_string().contains("refused"), "no internal detail");
            let retry = answer.headers.iter().any(|(name, _)| *name == "Retry-After");
            assert_eq!(retry, status == 503);
        }
        let body = answer(&upstream(503), 3, false).expect("not Next's").body;
        assert_eq!(
            body,
            r#"{"attempts":3,"code":"ERR_UNSHARP_UPSTREAM_STATUS","error":"Bad Gateway","upstreamStatus":503}"#
        );
    }

    #[test]
    fn everything_else_is_answered_in_nexts_words() {
        let allowed = Error::NotAllowed { public: "no".into(), detail: "pattern".into() };
        for error in [upstream(404), upstream(302), upstream(508), allowed, Error::NotAnImage("text".into())]
        {
            assert_eq!(answer(&error, 3, false), None, "{error}");
        }
    }
}
