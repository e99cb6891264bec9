mod deaths;

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::conformance::{self, Fleet, Studio, options, picture, wanted, whenever};
use super::super::outcome::How;
use super::super::test_server::{Server, programs};
use super::super::{By, Results, Storage, Urgency, open};
use super::queue::{Claimed, Ending, Submitted};
use super::*;
use crate::error::Error;

/// Replicas over one server, each check under a prefix of its own.
struct OverRedis {
    url: String,
}

impl Fleet for OverRedis {
    fn join(&self, options: Options, worker: Arc<dyn Worker>) -> BoxFuture<'_, Arc<dyn Coordinator>> {
        async move {
            let replica = Redis::open(&self.url, "test", options, worker).await.expect("it opens");
            assert!(replica.stats().is_connected);
            Arc::new(replica) as Arc<dyn Coordinator>
        }
        .boxed()
    }
}

#[tokio::test]
async fn it_does_what_a_coordinator_does() {
    for program in programs() {
        for results in [Results::InStore, Results::default()] {
            let server = Server::start(&program, &[]).await;
            conformance::check(&OverRedis { url: server.url("/3") }, results).await;
        }
    }
}

async fn replica(server: &Server, options: Options, studio: &Arc<Studio>) -> Arc<dyn Coordinator> {
    let storage = Storage::parse(&server.url("/"), Some("test")).expect("a url");
    open(&storage, options, Arc::clone(studio) as Arc<dyn Worker>).await.expect("it opens")
}

fn ask(replica: &Arc<dyn Coordinator>, job: Job) -> tokio::task::JoinHandle<Result<Made>> {
    let replica = Arc::clone(replica);
    tokio::spawn(async move { replica.make(job, whenever()).await })
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn one_permit() -> Options {
    Options { permits: 1, permits_per_source: 1, ..options(Results::default()) }
}

#[tokio::test]
async fn a_job_is_worked_by_whichever_replica_has_a_permit() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let (busy, idle) = (Arc::new(Studio::gated(false)), Arc::new(Studio::new(false)));
        let accepts = replica(&server, one_permit(), &busy).await;
        let works = replica(&server, one_permit(), &idle).await;
        let blocker = ask(&accepts, wanted("blocker"));
        busy.busy(1).await;
        let made = ask(&accepts, wanted("passed-on")).await.expect("no panic").expect("made");
        assert_eq!((made.by, &*made.entry), (By::Another, &picture(&wanted("passed-on"))));
        assert_eq!((idle.names(), works.stats().taken), (vec!["passed-on".to_owned()], 1));
        busy.open(1);
        blocker.await.expect("no panic").expect("made");
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_can_end_nothing() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let [old, new] = ["old", "new"].map(|owner| {
            let counters = Arc::<Counters>::default();
            let names = Names::new("test", 0);
            let options = options(Results::default());
            let link = Link::new(&server.url("/"), names.channel.clone(), &options, counters).expect("a url");
            let queue = Queue::new(link, names, owner.to_owned(), Duration::from_millis(100));
            Arc::new(queue)
        });
        for queue in [&old, &new] {
            let queue = Arc::clone(queue);
            tokio::spawn(async move { queue.link.keep_up(|_| {}, || {}).await });
        }
        old.link.wait_for_first().await.expect("connected");
        new.link.wait_for_first().await.expect("connected");
        let job = wanted("fenced");
        let Ok(Submitted::Leased(first)) = old.submit(&job, Urgency::Client, true).await else {
            panic!("nobody else wants it");
        };
        let second = loop {
            match new.claim(&[]).await.expect("an answer") {
                Claimed::Job(key, _, lease) => {
                    assert_eq!(key, job.key);
                    break lease;
                }
                Claimed::Nothing(..) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert!(second.fence.parse::<u64>().unwrap() > first.fence.parse::<u64>().unwrap());
        assert_eq!((first.past.died, second.past.died), (0, 1));
        let done = || Ending::Done { how: How::Stored, fresh: Duration::ZERO, body: &[] };
        assert!(!old.finish(&job.key, &first, done()).await.expect("an answer"), "it is the other's by now");
        assert!(!new.finish(&job.key, &first, done()).await.expect("an answer"), "nor with the old number");
        assert!(new.finish(&job.key, &second, done()).await.expect("an answer"));
    }
}

#[tokio::test]
async fn ten_thousand_jobs_leave_a_bounded_number_of_keys_that_all_run_out() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let studio = Arc::new(Studio::new(false));
        let replicas = [
            replica(&server, options(Results::default()), &studio).await,
            replica(&server, options(Results::default()), &studio).await,
        ];
        for batch in 0..100 {
            let callers = (0..100).map(|job| ask(&replicas[job % 2], wanted(&format!("{batch}-{job}"))));
            for made in futures_util::future::join_all(callers).await {
                made.expect("no panic").expect("made");
            }
        }
        for replica in &replicas {
            replica.close().await;
        }
        let keys: u64 = server.ask(&["DBSIZE"]).await;
        assert!(keys <= 1_000 + 4, "{keys} keys");
        let eternal = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
                       if redis.call('PTTL', key) == -1 then n = n + 1 end end return n";
        assert_eq!(server.ask::<u64>(&["EVAL", eternal, "0"]).await, 0, "keys without an end");
        assert_eq!(studio.names().len(), 10_000);
    }
}

/// Callers that never stop asking, until told to; gives back how many answers they got.
fn load(
    replicas: &[Arc<dyn Coordinator>; 2],
    is_over: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<usize>> {
    (0..16)
        .map(|caller| {
            let (replica, is_over) = (Arc::clone(&replicas[caller % 2]), Arc::clone(is_over));
            tokio::spawn(async move {
                let mut round = 0;
                while !is_over.load(Ordering::SeqCst) {
                    // Every picture is wanted by eight callers on two replicas at about the same time.
                    let job = wanted(&format!("load-{}-{round}", caller / 8));
                    let made = replica.make(job.clone(), whenever()).await.expect("no request fails");
                    assert_eq!(*made.entry, picture(&job), "nor is a body wrong");
                    round += 1;
                }
                round
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_under_load_costs_no_request() {
    for program in programs() {
        let mut server = Server::start(&program, &[]).await;
        let studio = Arc::new(Studio::new(false));
        let options = Options { patience: Duration::from_millis(200), ..options(Results::default()) };
        let replicas =
            [replica(&server, options.clone(), &studio).await, replica(&server, options, &studio).await];
        let is_over = Arc::new(AtomicBool::new(false));
        let callers = load(&replicas, &is_over);
        let all =
            |is_so: fn(&CoordinatorStats) -> bool| replicas.iter().all(|replica| is_so(&replica.stats()));
        until(|| all(|stats| stats.worked + stats.taken + stats.lease_followers > 100)).await;
        server.kill();
        until(|| all(|stats| !stats.is_connected)).await;
        let made = studio.names().len();
        until(|| studio.names().len() > made + 100 && all(|stats| stats.local > 0)).await;
        server.restart().await;
        until(|| all(|stats| stats.is_connected && stats.reconnects > 0)).await;
        let followed: Vec<_> = replicas.iter().map(|replica| replica.stats().lease_followers).collect();
        until(|| replicas.iter().zip(&followed).any(|(now, then)| now.stats().lease_followers > then + 50))
            .await;
        is_over.store(true, Ordering::SeqCst);
        for caller in callers {
            assert!(caller.await.expect("no request failed") > 0);
        }
        assert!(all(|stats| stats.failed == 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answering_costs_no_request() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let studio = Arc::new(Studio::new(false));
        let options = Options { patience: Duration::from_millis(200), ..options(Results::default()) };
        let replicas =
            [replica(&server, options.clone(), &studio).await, replica(&server, options, &studio).await];
        let is_over = Arc::new(AtomicBool::new(false));
        let callers = load(&replicas, &is_over);
        server.signal("STOP");
        until(|| replicas.iter().all(|replica| !replica.stats().is_connected)).await;
        let made = studio.names().len();
        until(|| studio.names().len() > made + 100).await;
        server.signal("CONT");
        until(|| replicas.iter().all(|replica| replica.stats().is_connected)).await;
        is_over.store(true, Ordering::SeqCst);
        for caller in callers {
            assert!(caller.await.expect("no request failed") > 0);
        }
    }
}

#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    for program in programs() {
        let mut server = Server::start(&program, &[]).await;
        server.kill();
        let studio = Arc::new(Studio::new(false));
        let replica = replica(&server, options(Results::default()), &studio).await;
        ask(&replica, wanted("early")).await.expect("no panic").expect("made alone");
        assert_eq!((replica.stats().local, replica.stats().is_connected), (1, false));
        server.restart().await;
        until(|| replica.stats().is_connected).await;
        ask(&replica, wanted("later")).await.expect("no panic").expect("made");
        assert_eq!(replica.stats().local, 1, "with the server again");
    }
}

async fn refusal(url: &str) -> String {
    let studio = Arc::new(Studio::new(false));
    let storage = Storage::parse(url, None).expect("a url");
    match open(&storage, options(Results::default()), studio).await {
        Ok(_) => panic!("{storage:?} was taken"),
        Err(error) => {
            assert_eq!(error.code(), "ERR_UNSHARP_INVALID_OPTION");
            error.to_string()
        }
    }
}

#[tokio::test]
async fn a_cluster_is_refused_in_one_line() {
    for program in programs() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().to_str().expect("a path");
        let server = Server::start(&program, &["--cluster-enabled", "yes", "--dir", dir]).await;
        let refusal = refusal(&server.url("/")).await;
        assert!(refusal.contains("Cluster") && !refusal.contains('\n'), "{refusal}");
    }
}

#[tokio::test]
async fn a_password_is_used_and_never_told() {
    for program in programs() {
        let server = Server::start(&program, &["--requirepass", "right-secret"]).await;
        let address = |password: &str| server.url("/").replace("//", &format!("//:{password}@"));
        let refusal = refusal(&address("wrong-secret")).await;
        assert!(refusal.contains("password") && !refusal.contains("secret"), "{refusal}");
        let studio = Arc::new(Studio::new(false));
        let storage = Storage::parse(&address("right-secret"), None).expect("a url");
        let replica = open(&storage, options(Results::default()), studio).await.expect("it opens");
        assert!(replica.stats().is_connected);
    }
}

#[tokio::test]
async fn a_unix_socket_will_do() {
    for program in programs() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let path = socket.to_str().expect("a path");
        let _server = Server::start(&program, &["--unixsocket", path]).await;
        let storage = Storage::parse(&format!("unix:{path}"), None).expect("a path");
        let studio = Arc::new(Studio::new(false));
        let replica = open(&storage, options(Results::default()), studio).await.expect("it opens");
        assert!(replica.stats().is_connected);
    }
}

/// TLS before a server that has none: what comes in encrypted goes out plain.
async fn tls_before(server: &Server) -> (u16, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let plain = server.url("").trim_start_matches("redis://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                let Ok(mut encrypted) = acceptor.accept(stream).await else { return };
                let mut plain = tokio::net::TcpStream::connect(plain).await.expect("the server");
                let _ = tokio::io::copy_bidirectional(&mut encrypted, &mut plain).await;
            });
        }
    });
    (port, made.cert.pem().into_bytes())
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_checked() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let (port, ca_certs_pem) = tls_before(&server).await;
        for scheme in ["rediss", "valkeys"] {
            let storage = Storage::parse(&format!("{scheme}://localhost:{port}"), None).expect("a url");
            for (ca_certs_pem, is_trusted) in [(Some(ca_certs_pem.clone()), true), (None, false)] {
                let patience = Duration::from_millis(200);
                let options = Options { patience, ca_certs_pem, ..options(Results::default()) };
                let studio = Arc::new(Studio::new(false));
                let replica = open(&storage, options, studio).await.expect("it opens");
                ask(&replica, wanted("secret")).await.expect("no panic").expect("made in any case");
                if is_trusted {
                    until(|| replica.stats().is_connected).await;
                } else {
                    until(|| replica.stats().storage_errors > 2).await;
                    assert!(!replica.stats().is_connected);
                }
                replica.close().await;
            }
        }
    }
}
