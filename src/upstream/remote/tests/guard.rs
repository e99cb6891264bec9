//! The private-address guard.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::upstream::resolver::Addresses;

/// Answers look-ups from a table, in turn, and remembers what was asked.
#[derive(Default)]
struct Table {
    answers: Mutex<HashMap<&'static str, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Table {
    fn of<const N: usize>(answers: [(&'static str, &[&[[u8; 4]]]); N]) -> Arc<Self> {
        let ips = |ips: &&[[u8; 4]]| ips.iter().map(|ip| IpAddr::from(*ip)).collect();
        let answers = answers.map(|(host, turns)| (host, turns.iter().map(ips).collect::<Vec<_>>()));
        Arc::new(Self { answers: Mutex::new(answers.into()), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Lookup for Table {
    fn lookup(&self, host: String) -> Addresses {
        let mut answers = self.answers.lock().unwrap();
        let turns = answers.get_mut(host.as_str());
        let answer = match turns {
            Some(turns) if turns.len() > 1 => Ok(turns.remove(0)),
            Some(turns) => Ok(turns[0].clone()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("unknown host {host}"))),
        };
        self.asked.lock().unwrap().push(host);
        Box::pin(async move { answer })
    }
}

/// No public address can be had in a test, so 127.0.0.1 plays one, and all the others stay private.
fn all_but_localhost(ip: IpAddr) -> bool {
    ip != IpAddr::V4(Ipv4Addr::LOCALHOST) && is_private(ip)
}

fn guarded(table: &Arc<Table>) -> Remote {
    let options = RemoteOptions { allow_local_ip: false, ..options() };
    Remote::assemble(options, Arc::clone(table) as Arc<dyn Lookup>, all_but_localhost).unwrap()
}

#[tokio::test]
async fn without_leave_a_private_literal_is_refused_and_not_contacted() {
    let server = TestServer::with("200 OK", "secret");
    let remote = Remote::new(RemoteOptions { allow_local_ip: false, ..options() }).unwrap();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0", "localhost"] {
        let result = remote.fetch(&format!("http://{host}:{}/", server.port())).await;
        assert!(matches!(result, Err(Error::NotAllowed { .. })), "{host}: {result:?}");
        assert_answer(&result, 400, "\"url\" parameter is not allowed");
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_with_one_private_address_among_public_ones_is_refused() {
    let server = TestServer::with("200 OK", "image");
    let table = Table::of([
        ("mixed.test", &[&[[127, 0, 0, 1], [10, 0, 0, 1]]]),
        ("public.test", &[&[[127, 0, 0, 1]]]),
    ]);
    let remote = guarded(&table);
    let result = remote.fetch(&format!("http://mixed.test:{}/", server.port())).await;
    assert!(matches!(result, Err(Error::NotAllowed { .. })), "{result:?}");
    assert_eq!(server.requests().len(), 0);
    let result = remote.fetch(&format!("http://public.test:{}/", server.port())).await;
    assert_eq!(result.unwrap().body, b"image"[..]);
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_judged() {
    let good = TestServer::with("200 OK", "good");
    let evil = TestServer::start_at(Ipv4Addr::new(127, 0, 0, 2), good.port(), |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nevil");
    });
    // A rebinding name: public for the check, private for whoever looks it up again.
    let table = Table::of([("rebind.test", &[&[[127, 0, 0, 1]], &[[127, 0, 0, 2]]])]);
    let remote = guarded(&table);
    let url = format!("http://rebind.test:{}/", good.port());
    assert_eq!(remote.fetch(&url).await.unwrap().body, b"good"[..]);
    assert_eq!(table.asked(), ["rebind.test"], "looked up once");
    let result = remote.fetch(&url).await;
    assert!(
        matches!(result, Err(Error::NotAllowed { .. })),
        "the next connection is judged anew: {result:?}"
    );
    assert_eq!(evil.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_judged() {
    let secret = TestServer::start_at(Ipv4Addr::new(127, 0, 0, 2), 0, |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsecret");
    });
    let port = secret.port();
    let table = Table::of([("public.test", &[&[[127, 0, 0, 1]]]), ("private.test", &[&[[127, 0, 0, 2]]])]);
    for target in [
        format!("http://127.0.0.2:{port}/"),
        format!("http://private.test:{port}/"),
        format!("//private.test:{port}/"),
        format!("http://[::ffff:127.0.0.2]:{port}/"),
        format!("http://0x7f000002:{port}/"),
        "ftp://127.0.0.2/".to_owned(),
    ] {
        let head = format!("307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0");
        let server = TestServer::with(&head, "");
        let result = guarded(&table).fetch(&format!("http://public.test:{}/", server.port())).await;
        assert!(matches!(result, Err(Error::NotAllowed { .. })), "{target}: {result:?}");
        assert_eq!(server.requests().len(), 1, "{target}");
    }
    assert_eq!(secret.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_unknown_name_is_500_and_no_verdict() {
    let result = guarded(&Table::of([("empty.test", &[&[]])])).fetch("http://unknown.test/").await;
    assert_answer(&result, 500, "Internal Server Error");
    let result = guarded(&Table::of([("empty.test", &[&[]])])).fetch("http://empty.test/").await;
    assert_answer(&result, 500, "Internal Server Error");
}
