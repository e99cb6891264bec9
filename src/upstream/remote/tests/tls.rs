//! TLS: whose certificates are trusted.

use std::net::Ipv4Addr;

use super::*;

/// An HTTPS server of `localhost`; answers the request head as body. Gives its port and its CA as PEM.
async fn https_server() -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let start = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            stream.write_all(&[&start[..], &head].concat()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (port, ca_pem)
}

#[tokio::test]
async fn a_certificate_from_an_unknown_issuer_is_refused() {
    let (port, _) = https_server().await;
    let error = remote().fetch(&format!("https://localhost:{port}/")).await.unwrap_err();
    assert_eq!((error.status(), error.public_message()), (500, "Internal Server Error"));
    assert!(error.to_string().contains("UnknownIssuer"), "the log says why: {error}");
}

#[tokio::test]
async fn extra_certificates_are_trusted_from_a_file_or_as_text() {
    let (port, ca_pem) = https_server().await;
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("extra.pem");
    std::fs::write(&file, format!("# a comment\n{ca_pem}")).unwrap();
    for options in [
        RemoteOptions { extra_ca_certs: Some(file), ..options() },
        RemoteOptions { ca_certs_pem: Some(ca_pem.into_bytes()), ..options() },
    ] {
        let upstream = Remote::new(options).unwrap().fetch(&format!("https://localhost:{port}/")).await;
        let request = String::from_utf8(upstream.unwrap().body.to_vec()).unwrap();
        assert!(request.contains("accept-encoding: br, gzip, deflate\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (port, ca_pem) = https_server().await;
    let options = RemoteOptions { ca_certs_pem: Some(ca_pem.into_bytes()), ..options() };
    let result = Remote::new(options).unwrap().fetch(&format!("https://127.0.0.1:{port}/")).await;
    assert_answer(&result, 500, "Internal Server Error");
}

#[tokio::test]
async fn extra_certificates_that_can_not_be_read_do_not_stop_the_rest() {
    let server = TestServer::with("200 OK", "image");
    let options = RemoteOptions {
        extra_ca_certs: Some("/there/is/no/such.pem".into()),
        ca_certs_pem: Some(b"-----BEGIN CERTIFICATE-----\nno base64!\n".to_vec()),
        ..options()
    };
    assert!(Remote::new(options).unwrap().fetch(&server.url("/")).await.is_ok());
}
