//! The app's own origin.

use super::*;

#[tokio::test]
async fn the_origin_may_be_private_and_its_answer_is_taken_as_it_is() {
    let server = TestServer::with("200 OK\r\nCache-Control: max-age=9\r\nETag: W/\"1\"", "image");
    let remote = Remote::new(RemoteOptions { allow_local_ip: false, ..options() }).unwrap();
    let upstream = remote.fetch_origin(&server.url("/ignored"), "/a b.png?v=1").await.unwrap();
    assert_eq!(upstream.body, b"image"[..]);
    assert_eq!(upstream.cache_control.as_deref(), Some("max-age=9"));
    assert_eq!(upstream.etag.as_deref(), Some("W/\"1\""));
    assert!(server.requests()[0].starts_with("GET /a%20b.png?v=1 HTTP/1.1\r\n"), "{:?}", server.requests());
}

#[tokio::test]
async fn what_the_origin_answers_wrong_has_the_internal_wording() {
    for (head, body, status) in [
        ("404 Not Found", "page", 404),
        ("302 Found\r\nLocation: /elsewhere", "", 500),
        ("200 OK\r\nContent-Length: 0", "", 400),
    ] {
        let server = TestServer::with(head, body);
        assert_answer(&remote().fetch_origin(&server.url(""), "/x").await, status, INTERNAL);
        assert_eq!(server.requests().len(), 1, "{head} is not followed");
    }
    let server = TestServer::with("200 OK", vec![b'x'; 1_001]);
    assert_answer(&remote().fetch_origin(&server.url(""), "/x").await, 413, INTERNAL);
}

#[tokio::test]
async fn no_href_leads_away_from_the_origin() {
    let server = TestServer::with("200 OK", "image");
    for href in ["//elsewhere.test/x", "/\\elsewhere.test/x", "/@elsewhere.test/", "/..//elsewhere.test/"] {
        assert_eq!(remote().fetch_origin(&server.url(""), href).await.unwrap().body, b"image"[..], "{href}");
    }
    for href in ["", "x", "@elsewhere.test/", ":80@elsewhere.test/", "http://elsewhere.test/"] {
        assert_answer(
            &remote().fetch_origin(&server.url(""), href).await,
            400,
            "\"url\" parameter is invalid",
        );
    }
    for origin in ["", "127.0.0.1", "file:///", "ftp://127.0.0.1"] {
        let result = remote().fetch_origin(origin, "/x").await;
        assert!(matches!(result, Err(Error::InvalidOption(_))), "{origin}: {result:?}");
    }
}
