//! The one thing that lies between `object_store` and the client: requests as they are sent, failures by their kinds.

use object_store::PutPayload;
use object_store::client::HttpRequestBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn client() -> Client {
    let tls = tls::client_config(None, None).expect("the system's authorities");
    Client::builder().tls_backend_preconfigured(tls).no_proxy().http1_only().build().expect("a client")
}

fn put(port: u16, body: impl Into<HttpRequestBody>) -> HttpRequest {
    let mut request = HttpRequest::new(body.into());
    *request.method_mut() = reqwest::Method::PUT;
    *request.uri_mut() = format!("http://127.0.0.1:{port}/a?signature=secret").parse().expect("a uri");
    request
}

/// A server that reads a request up to `end`, answers once, closes, and tells what it was sent.
async fn server(end: &'static str, answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            assert!(socket.read_buf(&mut heard).await.expect("a request") > 0, "{heard:?}");
        }
        socket.write_all(answer.as_bytes()).await.expect("a client that listens");
        String::from_utf8(heard).expect("text")
    });
    (port, heard)
}

#[tokio::test]
async fn a_body_in_one_piece_and_in_several_arrives_with_its_length() {
    let pieces: PutPayload = [&b"abc"[..], b"def"].into_iter().map(bytes::Bytes::from_static).collect();
    for body in [HttpRequestBody::from("abcdef".to_owned()), pieces.into()] {
        let (port, heard) =
            server("abcdef", "HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 2\r\n\r\nok").await;
        let response = send(&client(), put(port, body)).await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers()["x-a"].as_bytes()), (200, &b"b"[..]));
        assert_eq!(response.into_body().bytes().await.expect("a body"), "ok");
        let heard = heard.await.expect("a request");
        assert!(heard.starts_with("PUT /a?signature=secret HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("content-length: 6\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn failures_have_the_kinds_that_decide_whether_to_try_again() {
    let free =
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let refused = send(&client(), put(free, "x".to_owned())).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), HttpErrorKind::Connect);
    assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");

    let (port, _heard) = server("xyz", "").await;
    let silent = send(&client(), put(port, "xyz".to_owned())).await.expect_err("closed without an answer");
    assert_eq!(silent.kind(), HttpErrorKind::Request);

    let (port, _heard) = server("xyz", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
    let cut = send(&client(), put(port, "xyz".to_owned())).await.expect("a head");
    let cut = cut.into_body().bytes().await.expect_err("an answer that ends too early");
    assert!(matches!(cut.kind(), HttpErrorKind::Request | HttpErrorKind::Interrupted), "{cut:?}");
}
