mod guard;
mod origin;
mod tls;

use std::io::{self, Write};
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::upstream::test_server::TestServer;

const INVALID: &str = "\"url\" parameter is valid but upstream response is invalid";
const INTERNAL: &str = "\"url\" parameter is valid but internal response is invalid";

/// Loopback is allowed and the limits are small.
fn options() -> RemoteOptions {
    RemoteOptions { maximum_response_body_bytes: 1_000, allow_local_ip: true, ..RemoteOptions::default() }
}

fn remote() -> Remote {
    Remote::new(options()).unwrap()
}

/// A short time limit, for servers that never finish. Nothing else is asked of them.
fn impatient() -> Remote {
    Remote::new(RemoteOptions { timeout_ms: 300, origin_timeout_ms: 300, ..options() }).unwrap()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn assert_answer(result: &Result<Upstream>, status: u16, public: &str) {
    let error = result.as_ref().expect_err("an error");
    assert_eq!((error.status(), error.public_message()), (status, public), "{error}");
}

#[tokio::test]
async fn an_image_arrives_with_its_headers() {
    let server = TestServer::with(
        "200 OK\r\nContent-Type: image/png\r\nContent-Type: text/plain\r\nETag: \"\u{e9}\"\r\n\
         Cache-Control: max-age=1\r\nCache-Control: s-maxage=2",
        "bytes",
    );
    let upstream = remote().fetch(&server.url("/a.png?x=1")).await.unwrap();
    assert_eq!(upstream.body, b"bytes"[..]);
    assert_eq!(upstream.content_type.as_deref(), Some("image/png"), "the first counts");
    assert_eq!(upstream.cache_control.as_deref(), Some("max-age=1, s-maxage=2"), "both count");
    assert_eq!(upstream.etag.as_deref(), Some("\"Ã©\""), "bytes are read as Latin-1");
}

#[tokio::test]
async fn the_request_looks_like_nexts() {
    let server = TestServer::with("200 OK", "bytes");
    let url = server.url("/a%20b.png?q=1#fragment").replace("http://", "http://us%40er:pa:ss@");
    remote().fetch(&url).await.unwrap();
    let request = server.requests()[0].to_ascii_lowercase();
    let mut lines: Vec<&str> = request.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "get /a%20b.png?q=1 http/1.1");
    lines.sort_unstable();
    let host = format!("host: 127.0.0.1:{}", server.port());
    assert_eq!(
        lines,
        [
            "accept-encoding: gzip, deflate",
            "accept-language: *",
            "accept: */*",
            "authorization: basic dxnazxi6cge6c3m=",
            &host,
            "sec-fetch-mode: cors",
            "user-agent: node",
        ]
    );
}

#[tokio::test]
async fn other_statuses_are_handed_on_and_those_below_400_become_500() {
    for (status, expected) in
        [("404 Not Found", 404), ("500 X", 500), ("403 F", 403), ("304 N", 500), ("300 M", 500)]
    {
        let server = TestServer::with(&format!("{status}\r\nLocation: /elsewhere\r\nContent-Length: 0"), "");
        assert_answer(&remote().fetch(&server.url("/")).await, expected, INVALID);
        assert_eq!(server.requests().len(), 1, "{status} is no redirect");
    }
}

#[tokio::test]
async fn an_empty_body_is_refused() {
    for head in ["200 OK\r\nContent-Length: 0", "204 No Content", "200 OK\r\nContent-Encoding: gzip"] {
        let server = TestServer::with(head, "");
        assert_answer(&remote().fetch(&server.url("/")).await, 400, INVALID);
    }
}

/// `/n` redirects to `/n-1`, `/0` is the image.
fn countdown(status: u16) -> TestServer {
    TestServer::start(move |path, stream| {
        let answer = match path.trim_start_matches('/').parse::<u32>().unwrap() {
            0 => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nimage".to_owned(),
            n => format!(
                "HTTP/1.1 {status} R\r\nLocation: {}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmore",
                n - 1
            ),
        };
        stream.write_all(answer.as_bytes()).unwrap();
    })
}

#[tokio::test]
async fn redirects_are_followed_up_to_the_maximum() {
    for status in [301, 302, 303, 307, 308] {
        let server = countdown(status);
        assert_eq!(remote().fetch(&server.url("/3")).await.unwrap().body, b"image"[..]);
        assert_answer(&remote().fetch(&server.url("/4")).await, 508, INVALID);
        assert_eq!(server.requests().len(), 4 + 4, "the target of the last one is not asked");
    }
    let server = countdown(302);
    let none = Remote::new(RemoteOptions { maximum_redirects: 0, ..options() }).unwrap();
    assert_answer(&none.fetch(&server.url("/1")).await, 508, INVALID);
}

#[tokio::test]
async fn a_redirect_to_itself_ends() {
    let server = TestServer::with("302 Found\r\nLocation: /\r\nContent-Length: 0", "");
    assert_answer(&remote().fetch(&server.url("/")).await, 508, INVALID);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_redirect_without_a_usable_target_is_500() {
    for location in ["", "\r\nLocation:", "\r\nLocation: http://[", "\r\nLocation: http://a b/"] {
        let server = TestServer::with(&format!("302 Found{location}\r\nContent-Length: 0"), "");
        assert_answer(&remote().fetch(&server.url("/")).await, 500, INVALID);
    }
    for location in ["ftp://example.com/x", "file:///etc/passwd", "data:,x"] {
        let server = TestServer::with(&format!("302 Found\r\nLocation: {location}\r\nContent-Length: 0"), "");
        assert_answer(&remote().fetch(&server.url("/")).await, 500, "Internal Server Error");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_announced_or_not() {
    for head in ["200 OK\r\nContent-Length: 1001", "200 OK"] {
        let server = TestServer::with(head, vec![b'x'; 1_001]);
        let result = remote().fetch(&server.url("/")).await;
        assert!(matches!(result, Err(Error::TooManyBytes(_))), "{result:?}");
        assert_answer(&result, 413, INVALID);
    }
    let server = TestServer::with("200 OK\r\nContent-Length: 1000", vec![b'x'; 1_000]);
    assert_eq!(remote().fetch(&server.url("/")).await.unwrap().body.len(), 1_000, "the limit itself passes");
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_limit() {
    let server = TestServer::start(|_, stream| {
        let head = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Ends when the client closes the connection, and only then.
        let mut sent = head;
        while sent.is_ok() {
            sent = stream.write_all(b"a\r\n0123456789\r\n");
        }
    });
    assert_answer(&remote().fetch(&server.url("/")).await, 413, INVALID);
}

#[tokio::test]
async fn the_limit_counts_decoded_bytes_and_a_bomb_stops_there() {
    let exact = gzip(&[b'x'; 1_000]);
    let server = TestServer::with("200 OK\r\nContent-Encoding: gzip", exact);
    assert_eq!(remote().fetch(&server.url("/")).await.unwrap().body, [b'x'; 1_000][..]);
    let bomb = gzip(&gzip(&vec![0; 64 << 20]));
    let server = TestServer::with("200 OK\r\nContent-Encoding: gzip, gzip", bomb);
    assert_answer(&remote().fetch(&server.url("/")).await, 413, INVALID);
}

#[tokio::test]
async fn content_codings_come_off_also_when_named_in_several_headers() {
    let body = gzip(&gzip(b"twice"));
    let server = TestServer::with("200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: x-gzip", body);
    assert_eq!(remote().fetch(&server.url("/")).await.unwrap().body, b"twice"[..]);
    let server = TestServer::with("200 OK\r\nContent-Encoding: gzip,gzip,gzip,gzip,gzip,gzip", "x");
    assert_answer(&remote().fetch(&server.url("/")).await, 400, INVALID);
    let server = TestServer::with("200 OK\r\nContent-Encoding: gzip", "no gzip");
    assert_answer(&remote().fetch(&server.url("/")).await, 500, "Internal Server Error");
}

#[tokio::test]
async fn a_cut_body_is_no_image() {
    for (head, body) in [
        ("200 OK\r\nContent-Length: 100", "12345"),
        ("200 OK\r\nTransfer-Encoding: chunked", "5\r\n12345\r\n5\r\n123"),
        ("200 OK\r\nTransfer-Encoding: chunked", "5\r\n12345\r\n"),
    ] {
        let server = TestServer::with(head, body);
        assert_answer(&remote().fetch(&server.url("/")).await, 500, "Internal Server Error");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_and_a_refused_connection_are_500() {
    let server = TestServer::start(|_, stream| stream.write_all(b"garbage\r\n\r\n").unwrap());
    assert_answer(&remote().fetch(&server.url("/")).await, 500, "Internal Server Error");
    let url = server.url("/secret.png?signature=abc").replace("http://", "http://user:password@");
    drop(server);
    let error = remote().fetch(&url).await.unwrap_err();
    assert!(matches!(error, Error::Upstream(_)));
    assert_eq!(error.status(), 500);
    let log = error.to_string();
    assert!(log.contains("/secret.png"), "{log}");
    assert!(!log.contains("password") && !log.contains("signature"), "{log}");
}

#[tokio::test]
async fn headers_or_a_body_that_never_come_time_out() {
    let stuck = |head: &'static [u8]| {
        TestServer::start(move |_, stream| {
            stream.write_all(head).unwrap();
            // Waits until the client gives up.
            let _ = io::Read::read(stream, &mut [0]);
        })
    };
    for head in [&b""[..], b"HTTP/1.1 200 OK\r\nX-Slow:", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
    {
        let server = stuck(head);
        let result = impatient().fetch(&server.url("/")).await;
        assert!(matches!(result, Err(Error::UpstreamTimeout(_))), "{result:?}");
        assert_answer(&result, 504, "\"url\" parameter is valid but upstream response timed out");
        let result = impatient().fetch_origin(&server.url(""), "/").await;
        assert!(matches!(result, Err(Error::UpstreamTimeout(_))), "{result:?}");
    }
}

/// Sends `part` again and again until the client has gone.
fn dripping(head: &'static [u8], part: &'static [u8]) -> TestServer {
    TestServer::start(move |_, stream| {
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            std::thread::sleep(Duration::from_millis(5));
            sent = stream.write_all(part);
        }
    })
}

#[tokio::test]
async fn headers_or_a_body_that_come_byte_by_byte_time_out_as_a_whole() {
    for (head, part) in [
        (&b"HTTP/1.1 200 OK\r\nX-Slow: "[..], &b"a"[..]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let server = dripping(head, part);
        let result = impatient().fetch(&server.url("/")).await;
        assert!(matches!(result, Err(Error::UpstreamTimeout(_))), "{}: {result:?}", head.escape_ascii());
    }
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    for part in [&b"X-More: and more\r\n"[..], b"endless"] {
        let server = TestServer::start(move |_, stream| {
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nX-First: ");
            while sent.is_ok() {
                sent = stream.write_all(part);
            }
        });
        assert_answer(&remote().fetch(&server.url("/")).await, 500, "Internal Server Error");
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_give_no_foreign_bytes() {
    for head in [
        "200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "200 OK\r\nContent-Length: -1",
        "200 OK\r\nContent-Length: 18446744073709551616",
        "200 OK\r\nContent-Length: 5x",
        "200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        let server = TestServer::with(head, "image and more");
        assert_answer(&remote().fetch(&server.url("/")).await, 500, "Internal Server Error");
    }
    // What comes after the announced end is neither part of this body nor of the next answer on the connection.
    let server = TestServer::start(|_, stream| {
        for body in ["first", "again"] {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
            let rest = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            let _ = stream.write_all(format!("{head}{body}{rest}").as_bytes());
            let _ = io::Read::read(stream, &mut [0; 4_096]);
        }
    });
    let remote = remote();
    for _ in 0..2 {
        assert_eq!(remote.fetch(&server.url("/")).await.unwrap().body, b"first"[..]);
    }
}

#[tokio::test]
async fn bombs_of_every_content_coding_stop_at_the_limit() {
    let zeros = vec![0; 32 << 20];
    let brotli = {
        let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 22);
        encoder.write_all(&zeros).unwrap();
        encoder.into_inner()
    };
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&zeros).unwrap();
    for (coding, body) in [("gzip", gzip(&zeros)), ("br", brotli), ("deflate", deflate.finish().unwrap())] {
        assert!(body.len() < 100_000, "{coding}: {}", body.len());
        let options = RemoteOptions { maximum_response_body_bytes: 50_000, ..options() };
        let server = TestServer::with(&format!("200 OK\r\nContent-Encoding: {coding}"), body);
        assert_answer(&Remote::new(options).unwrap().fetch(&server.url("/")).await, 413, INVALID);
    }
}

#[tokio::test]
async fn a_chain_of_redirects_counts_over_several_servers() {
    let image = TestServer::with("200 OK", "image");
    let mut chain = vec![image];
    for _ in 0..4 {
        let next = chain.last().unwrap().url("/");
        chain.push(TestServer::with(&format!("302 Found\r\nLocation: {next}\r\nContent-Length: 0"), ""));
    }
    assert_eq!(remote().fetch(&chain[3].url("/")).await.unwrap().body, b"image"[..]);
    assert_answer(&remote().fetch(&chain[4].url("/")).await, 508, INVALID);
    assert_eq!(chain[0].requests().len(), 1, "the image is asked for only once");
}

#[tokio::test]
async fn cookies_are_neither_kept_nor_sent() {
    let server = TestServer::with("200 OK\r\nSet-Cookie: a=b", "bytes");
    let remote = remote();
    remote.fetch(&server.url("/")).await.unwrap();
    remote.fetch(&server.url("/")).await.unwrap();
    assert!(!server.requests()[1].to_ascii_lowercase().contains("cookie"));
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let ports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ports);
    let server = TestServer::start(move |_, stream| {
        let port = stream.peer_addr().unwrap().port();
        for _ in 0..2 {
            seen.lock().unwrap().push(port);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage").unwrap();
            let _ = io::Read::read(stream, &mut [0; 4_096]);
        }
    });
    let remote = remote();
    for _ in 0..2 {
        remote.fetch(&server.url("/")).await.unwrap();
    }
    let ports = ports.lock().unwrap();
    assert_eq!((ports.len(), ports[0]), (2, ports[1]));
}

#[tokio::test]
async fn a_kept_connection_that_closes_on_the_next_request_is_replaced() {
    let server = TestServer::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage").unwrap();
        // The next request is read, and answered by closing the connection.
        let _ = io::Read::read(stream, &mut [0; 4_096]);
    });
    let remote = remote();
    for _ in 0..2 {
        assert_eq!(remote.fetch(&server.url("/")).await.unwrap().body, b"image"[..]);
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_url_that_is_none_is_an_invalid_request() {
    assert_answer(&remote().fetch("no url").await, 400, "\"url\" parameter is invalid");
}
