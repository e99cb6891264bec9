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
    guarded_with(table, &[])
}

fn guarded_with(table: &Arc<Table>, allowed: &[&str]) -> Remote {
    let allowed_private_hosts = AllowedPrivateHosts::parse(allowed).unwrap();
    let options = RemoteOptions { allow_local_ip: false, allowed_private_hosts, ..options() };
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

/// What stands where a host does, for 127.0.0.2 and other private addresses; `{port}` is that of a server at 127.0.0.2.
const FORMS: [&str; 24] = [
    "127.0.0.2:{port}",
    "2130706434:{port}",
    "017700000002:{port}",
    "0177.0.0.02:{port}",
    "0x7f000002:{port}",
    "0x7f.0.0.0x2:{port}",
    "127.2:{port}",
    "127.0.0.2.:{port}",
    "%31%32%37.0.0.2:{port}",
    "１２７.0.0.2:{port}",
    "127。0。0。2:{port}",
    "①②⑦.0.0.2:{port}",
    "user:password@127.0.0.2:{port}",
    "public.test:1@127.0.0.2:{port}",
    "[::1]:{port}",
    "[::ffff:127.0.0.2]:{port}",
    "[::ffff:7f00:2]:{port}",
    "[::127.0.0.2]:{port}",
    "[64:ff9b::127.0.0.2]:{port}",
    "[2002:7f00:2::]:{port}",
    "[2001:0:7f00:2::80ff:fffd]:{port}",
    "[fe80::1]:{port}",
    "[fd00:ec2::254]",
    "169.254.169.254",
];

#[tokio::test]
async fn no_form_of_a_private_address_is_asked_for_or_redirected_to() {
    let secret = TestServer::start_at(Ipv4Addr::new(127, 0, 0, 2), 0, |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsecret");
    });
    let table = Table::of([("public.test", &[&[[127, 0, 0, 1]]])]);
    for form in FORMS {
        let target = format!("http://{}/", form.replace("{port}", &secret.port().to_string()));
        let asked = guarded(&table).fetch(&target).await;
        assert!(matches!(asked, Err(Error::NotAllowed { .. })), "{target}: {asked:?}");
        let server = redirecting(&target);
        let sent = guarded(&table).fetch(&format!("http://public.test:{}/", server.port())).await;
        assert!(matches!(sent, Err(Error::NotAllowed { .. })), "to {target}: {sent:?}");
    }
    // A zone belongs to no url, so these lead nowhere at all.
    for zone in ["[fe80::1%25lo]", "[fe80::1%lo]", "[::1%251]"] {
        let server = redirecting(&format!("http://{zone}:{}/", secret.port()));
        let sent = guarded(&table).fetch(&format!("http://public.test:{}/", server.port())).await;
        assert_answer(&sent, 500, INVALID);
        assert!(guarded(&table).fetch(&format!("http://{zone}/")).await.is_err());
    }
    assert_eq!(secret.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn names_that_only_look_different_are_judged_by_their_addresses() {
    let private = [10, 0, 0, 1];
    let table = Table::of([
        ("private.test", &[&[private]]),
        ("private.test.", &[&[private]]),
        ("xn--bcher-kva.test", &[&[private]]),
    ]);
    for host in [
        "PRIVATE.test",
        "private.test.",
        "bücher.test",
        "ＰＲＩＶＡＴＥ.test",
        "private%2Etest",
        "a:b@private.test",
    ] {
        let result = guarded(&table).fetch(&format!("http://{host}/")).await;
        assert!(matches!(result, Err(Error::NotAllowed { .. })), "{host}: {result:?}");
    }
}

/// A server that redirects everything to `target`.
fn redirecting(target: &str) -> TestServer {
    // Headers are read as Latin-1, so what lies beyond ASCII goes as escapes, which say the same.
    let target = percent_encoding::utf8_percent_encode(target, percent_encoding::CONTROLS);
    TestServer::with(&format!("307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0"), "")
}

#[tokio::test]
async fn a_private_host_that_is_listed_is_fetched_and_the_others_stay_refused() {
    let inside = TestServer::start_at(Ipv4Addr::new(127, 0, 0, 2), 0, |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ninside");
    });
    let port = inside.port();
    let table = Table::of([
        ("images.internal", &[&[[127, 0, 0, 2]]]),
        ("other.internal", &[&[[127, 0, 0, 2]]]),
        ("mixed.internal", &[&[[127, 0, 0, 2], [127, 0, 0, 3]]]),
        ("metadata.internal", &[&[[169, 254, 169, 254]]]),
    ]);
    let by_name = guarded_with(&table, &["images.internal", "metadata.internal"]);
    let by_range = guarded_with(&table, &["127.0.0.2/32"]);
    for (remote, host, allowed) in [
        (&by_name, "images.internal", true),
        (&by_name, "IMAGES.internal", true),
        (&by_name, "other.internal", false),
        (&by_name, "127.0.0.2", false),
        (&by_name, "metadata.internal", false),
        (&by_name, "169.254.169.254", false),
        (&by_range, "images.internal", true),
        (&by_range, "other.internal", true),
        (&by_range, "127.0.0.2", true),
        (&by_range, "0x7f000002", true),
        (&by_range, "[::ffff:127.0.0.2]", true),
        (&by_range, "mixed.internal", false),
        (&by_range, "127.0.0.3", false),
        (&by_range, "[64:ff9b::127.0.0.2]", false),
    ] {
        let before = inside.requests().len();
        let result = remote.fetch(&format!("http://{host}:{port}/")).await;
        match result {
            Ok(upstream) => assert!(allowed && upstream.body == b"inside"[..], "{host}"),
            // Here nothing listens on IPv6; the guard has let it pass.
            Err(Error::Upstream(_)) => assert!(allowed && host.starts_with('['), "{host}"),
            Err(error) => assert!(!allowed && matches!(error, Error::NotAllowed { .. }), "{host}: {error}"),
        }
        assert!(allowed || inside.requests().len() == before, "{host} was asked");
    }
}

#[tokio::test]
async fn a_server_outside_can_not_redirect_to_a_private_host_that_is_listed() {
    let inside = TestServer::start_at(Ipv4Addr::new(127, 0, 0, 2), 0, |path, stream| {
        let answer = match path {
            "/moved" => {
                "HTTP/1.1 302 Found\r\nLocation: /image\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            _ => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ninside",
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    let table = Table::of([("images.internal", &[&[[127, 0, 0, 2]]]), ("public.test", &[&[[127, 0, 0, 1]]])]);
    let remote = guarded_with(&table, &["images.internal", "127.0.0.2"]);
    let port = inside.port();
    let moved = remote.fetch(&format!("http://images.internal:{port}/moved")).await;
    assert_eq!(moved.unwrap().body, b"inside"[..], "inside may redirect to inside");
    let asked = inside.requests().len();
    for target in ["images.internal", "127.0.0.2"] {
        let server = redirecting(&format!("http://{target}:{port}/image"));
        let result = remote.fetch(&format!("http://public.test:{}/", server.port())).await;
        let error = result.expect_err(target);
        assert!(error.to_string().contains("redirects from outside"), "{target}: {error}");
    }
    assert_eq!(inside.requests().len(), asked, "a connection kept from before is of no use either");
}

#[tokio::test]
async fn an_unknown_name_is_500_and_no_verdict() {
    let result = guarded(&Table::of([("empty.test", &[&[]])])).fetch("http://unknown.test/").await;
    assert_answer(&result, 500, "Internal Server Error");
    let result = guarded(&Table::of([("empty.test", &[&[]])])).fetch("http://empty.test/").await;
    assert_answer(&result, 500, "Internal Server Error");
}
