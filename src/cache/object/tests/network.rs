//! What a server can do to us over HTTP, on a server that answers as told.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::*;
use super::*;
use crate::cache::conformance::key;
use crate::upstream::test_server::TestServer;

/// S3 at this address, in a bucket with the prefix `p`.
fn s3_at(url: &str) -> Bucket {
    let options = StoreOptions {
        store: Some("s3://bucket/p".into()),
        endpoint: Some(url.to_owned()),
        ..StoreOptions::default()
    };
    let env = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hush-secret"),
        ("AWS_SESSION_TOKEN", "hush-token"),
    ];
    open(options, &env)
}

fn name() -> FileName {
    FileName::of(&made(b"body", 1_000)).expect("a name")
}

fn answer(stream: &mut TcpStream, status_and_headers: &str, body: &str) {
    let length = body.len();
    // The client may have seen enough and gone.
    let _ = write!(
        stream,
        "HTTP/1.1 {status_and_headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

const SOUND: &str = "200 OK\r\nETag: \"e\"\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT";

fn failure(loaded: Result<Option<Entry>>) -> String {
    match loaded {
        Err(Error::Store(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn errors_name_the_stores_code_and_no_secret() {
    // As Amazon answers a wrong signature: with the request's headers in the body.
    let body = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId>\
                <CanonicalRequest>GET\nx-amz-security-token:hush-token</CanonicalRequest></Error>";
    let server = TestServer::start(move |_, stream| answer(stream, "403 Forbidden", body));
    let text = failure(s3_at(&server.url("")).load_named(&key(1), &name()).await);
    assert!(text.contains("403 Forbidden (SignatureDoesNotMatch)"), "{text}");
    for part in ["hush", "AKIDEXAMPLE", "Canonical", "\n"] {
        assert!(!text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_an_error_and_a_missing_object_a_miss() {
    let code = |code: &'static str| {
        TestServer::start(move |_, stream| {
            answer(stream, "404 Not Found", &format!("<Error><Code>{code}</Code></Error>"));
        })
    };
    let server = code("NoSuchBucket");
    let text = failure(s3_at(&server.url("")).load_named(&key(1), &name()).await);
    assert!(text.contains("no such bucket"), "{text}");
    let server = code("NoSuchKey");
    assert_eq!(s3_at(&server.url("")).load_named(&key(1), &name()).await, Ok(None));
}

#[tokio::test]
async fn a_request_is_not_sent_on_to_another_host() {
    let other = TestServer::with("200 OK", "body");
    let target = other.url("/elsewhere");
    let server = TestServer::start(move |_, stream| {
        answer(stream, &format!("307 Temporary Redirect\r\nLocation: {target}"), "");
    });
    let text = failure(s3_at(&server.url("")).load_named(&key(1), &name()).await);
    assert!(text.contains("307"), "{text}");
    assert_eq!(other.requests(), [""; 0]);
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_moment_is_asked_again_at_once() {
    let asked = AtomicU32::new(0);
    let server = TestServer::start(move |_, stream| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => answer(stream, "503 Slow Down", "<Error><Code>SlowDown</Code></Error>"),
        _ => answer(stream, SOUND, "body"),
    });
    let loaded = s3_at(&server.url("")).patient().load_named(&key(1), &name()).await;
    assert_eq!(loaded, Ok(Some(made(b"body", 1_000))));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_an_entry() {
    let server = TestServer::start(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 {SOUND}\r\nContent-Length: 400\r\nConnection: close\r\n\r\nbody");
    });
    let bucket = s3_at(&server.url(""));
    failure(bucket.load_named(&key(1), &name()).await);
    assert_eq!(bucket.stats().hits, 0);
    assert_eq!(bucket.stats().damaged, 0, "that is the way's fault, not the object's");
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body() {
    let server = TestServer::start(|_, stream| {
        let _ = write!(
            stream,
            "HTTP/1.1 {SOUND}\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\nbody"
        );
    });
    let bucket = s3_at(&server.url(""));
    assert_eq!(bucket.load_named(&key(1), &name()).await, Ok(None));
    assert_eq!(bucket.stats().bytes_read, 0);
}

#[tokio::test]
async fn odd_names_in_a_listing_hide_no_variant() {
    let object = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><Size>4</Size><LastModified>2015-10-21T07:28:00.000Z</LastModified></Contents>"
        )
    };
    let sound = format!("p/{}/{}", key(1), name());
    let escaping = format!("p/../../{}/{}", key(2), name());
    let names = ["p//x", "p/../../etc/passwd", &escaping, "p/a&#10;b", &sound, "p/\u{e4}/%2e%2e/x"];
    let page = names.map(object).concat();
    let page = format!("<ListBucketResult><Name>bucket</Name>{page}</ListBucketResult>");
    let server = TestServer::start(move |path, stream| {
        if path.contains("list-type=2") {
            answer(stream, "200 OK", &page);
        } else {
            answer(stream, SOUND, "body");
        }
    });
    let bucket = s3_at(&server.url(""));
    let listed: Vec<_> = bucket.list().try_collect().await.expect("a listing");
    let found: Vec<_> = listed.iter().map(|listed| (&listed.key, &listed.name)).collect();
    assert_eq!(found, [(&key(1), &name())]);
}
