use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use bytes::Bytes;

use super::super::{AppAnswer, AppFetch, HandlerOptions, Incoming, Made, Maker, Observer, Reply, Variants};
use super::*;
use crate::config::Config;
use crate::coordinate::{Job, Worker};
use crate::image::Limits;
use crate::log::{Format, Logger};
use crate::request::ImageRequest;
use crate::runtime::{Pool, PoolOptions};
use crate::upstream::local::LocalAnswer;

const BOTH: &str = "image/avif,image/webp,*/*";

/// An app whose every path is the same picture, and which counts who asks. A path with `broken` in it is half of one, one
/// with `animated` an animation, and one with `gone` is there once.
#[derive(Default)]
struct App {
    fetched: AtomicUsize,
}

impl AppFetch for App {
    fn fetch(&self, href: &str, _: u32) -> AppAnswer {
        let count = self.fetched.fetch_add(1, Ordering::SeqCst);
        let body = match href {
            _ if href.contains("broken") => picture().slice(..80),
            _ if href.contains("animated") => {
                Bytes::from_static(include_bytes!("../../../__test__/next/public/animated.gif"))
            }
            _ => picture(),
        };
        let status = if href.contains("gone") && count > 0 { 404 } else { 200 };
        let answer = LocalAnswer { status, content_type: None, cache_control: None, etag: None, body };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn picture() -> Bytes {
    let (width, height) = (64_u32, 48_u32);
    let pixels: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8 * 3, y as u8 * 5, 90])).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("memory");
    file.into()
}

/// The types that were made, in their order.
#[derive(Default)]
struct Order(Mutex<Vec<CacheKey>>);

impl Observer for Order {
    fn made(&self, made: &Made) {
        self.0.lock().unwrap().push(made.key.clone());
    }
}

/// A handler whose pool has this many threads.
struct Stage {
    handler: Arc<Handler>,
    app: Arc<App>,
    order: Arc<Order>,
    pool: Pool,
}

impl Stage {
    fn new(threads: usize, change: impl FnOnce(&mut HandlerOptions, &mut PoolOptions)) -> Self {
        let config = serde_json::json!({ "images": { "formats": ["image/avif", "image/webp"] } });
        let mut config = Config::from_json(&config).expect("a config");
        // However slow the machine is.
        config.img_opt.timeout_secs = 0;
        let order = Arc::<Order>::default();
        let mut options = HandlerOptions {
            variants: Variants::InMemory,
            observer: Some(Arc::clone(&order) as _),
            logger: Logger::console(None, Format::Text),
            avif_soon: true,
            ..HandlerOptions::new(".".into())
        };
        let mut pool = PoolOptions { concurrency: threads, ..PoolOptions::default() };
        change(&mut options, &mut pool);
        let pool = Pool::new(pool);
        let handler = Handler::new(config, &options, pool.clone()).expect("a handler");
        Self { handler: Arc::new(handler), app: Arc::default(), order, pool }
    }

    fn source(&self) -> LocalSource {
        LocalSource::App(Arc::clone(&self.app) as Arc<dyn AppFetch>, 1)
    }

    async fn ask(&self, path: &str) -> Reply {
        self.ask_with(path, BOTH, None).await
    }

    async fn ask_with(&self, path: &str, accept: &str, if_none_match: Option<&str>) -> Reply {
        let incoming = Incoming {
            url: format!("/_next/image?url={path}&w=64&q=75"),
            accept: Some(accept.to_owned()),
            method: "GET".to_owned(),
            if_none_match: if_none_match.map(str::to_owned),
            ..Incoming::default()
        };
        match self.handler.answer_hot(&incoming) {
            Some(reply) => reply,
            None => self.handler.answer(&incoming, Way::Alone(self.source())).await,
        }
    }

    /// Keeps one thread of the pool busy until what is returned is dropped.
    fn occupy(&self) -> Sender<()> {
        let ((release, released), (started, has_started)) = (channel::<()>(), channel());
        let limits = Limits { max_pixels: 1, max_bytes: 1, timeout_ms: 0 };
        self.pool.inspect(Vec::new(), limits, false, move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
        });
        has_started.recv().unwrap();
        release
    }

    /// Waits until so many images wait for a thread.
    async fn queued(&self, images: usize) {
        while self.pool.stats().waiting < images {
            tokio::task::yield_now().await;
        }
    }

    async fn settled(&self) {
        self.handler.soon.drain().await;
    }

    fn counts(&self) -> [u64; 4] {
        let stats = self.handler.stats();
        [stats.avif_soon_answers, stats.avif_soon_made, stats.avif_soon_failed, stats.avif_soon_dropped]
    }

    fn fetched(&self) -> usize {
        self.app.fetched.load(Ordering::SeqCst)
    }
}

fn plain(path: &str, mime: &str) -> Asked {
    Asked::new(ImageRequest {
        href: path.to_owned(),
        is_absolute: false,
        width: 64,
        quality: 75,
        mime: mime.to_owned(),
        is_static_media: false,
        is_blur: false,
    })
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let found = reply.answer.headers.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value)
}

/// Type, cache status and max-age.
fn seen(reply: &Reply) -> (&str, &str, &str) {
    let control = header(reply, "Cache-Control").strip_prefix("public, max-age=").unwrap_or_default();
    let age = control.strip_suffix(", must-revalidate").unwrap_or(control);
    (header(reply, "Content-Type"), header(reply, "X-Nextjs-Cache"), age)
}

#[tokio::test]
async fn the_first_answer_is_webp_for_a_moment_and_the_next_one_avif() {
    let stage = Stage::new(2, |_, _| {});
    let first = stage.ask("/a.png").await;
    assert_eq!(seen(&first), ("image/webp", "MISS", "10"));
    assert_eq!(header(&first, "Vary"), "Accept");
    stage.settled().await;
    let second = stage.ask("/a.png").await;
    assert_eq!(seen(&second), ("image/avif", "HIT", "14400"));
    assert_eq!(stage.fetched(), 1, "both are made of the same bytes");
    assert_eq!(stage.counts(), [1, 1, 0, 0]);
    let webp = stage.ask_with("/a.png", "image/webp", None).await;
    assert_eq!(
        seen(&webp),
        ("image/webp", "HIT", "14400"),
        "a client that takes webp alone has an ordinary one"
    );
    assert_eq!(header(&webp, "ETag"), header(&first, "ETag"));
}

#[tokio::test]
async fn a_client_that_takes_avif_alone_waits_for_it() {
    let stage = Stage::new(2, |_, _| {});
    let reply = stage.ask_with("/a.png", "image/avif,*/*", None).await;
    assert_eq!(seen(&reply), ("image/avif", "MISS", "14400"));
    let off = Stage::new(2, |options, _| options.avif_soon = false);
    assert_eq!(seen(&off.ask("/a.png").await), ("image/avif", "MISS", "14400"));
    let nothing = [stage.counts(), off.counts()];
    assert_eq!(nothing, [[0; 4]; 2]);
}

#[tokio::test]
async fn what_clients_wait_for_is_made_before_avif_that_nobody_waits_for() {
    let stage = Stage::new(1, |_, _| {});
    stage.ask("/a.png").await;
    let busy = stage.occupy();
    stage.queued(1).await;
    let second = {
        let (handler, source) = (Arc::clone(&stage.handler), stage.source());
        tokio::spawn(async move { handler.variant(&plain("/b.png", WEBP), Way::Alone(source)).await })
    };
    stage.queued(2).await;
    drop(busy);
    second.await.expect("no panic").expect("made");
    stage.settled().await;
    let order =
        [("/a.png", WEBP), ("/b.png", WEBP), ("/a.png", AVIF)].map(|(path, mime)| plain(path, mime).key);
    assert_eq!(*stage.order.0.lock().unwrap(), order);
}

#[tokio::test]
async fn until_avif_is_there_webp_is_a_hit_and_avif_is_made_once() {
    let stage = Stage::new(1, |_, _| {});
    let first = stage.ask("/a.png").await;
    let busy = stage.occupy();
    stage.queued(1).await;
    let second = stage.ask("/a.png").await;
    assert_eq!(seen(&second), ("image/webp", "HIT", "10"));
    let etag = header(&first, "ETag");
    let same = stage.ask_with("/a.png", BOTH, Some(etag)).await;
    assert_eq!((same.answer.status, seen(&same).2), (304, "10"));
    drop(busy);
    stage.settled().await;
    let changed = stage.ask_with("/a.png", BOTH, Some(etag)).await;
    assert_eq!((changed.answer.status, seen(&changed).0), (200, "image/avif"), "the tag is that of webp");
    assert_eq!((stage.counts(), stage.fetched()), ([3, 1, 0, 0], 1));
}

#[tokio::test]
async fn one_thread_stays_free_for_clients() {
    let stage = Stage::new(2, |_, _| {});
    let paths = ["/a.png", "/b.png", "/c.png"];
    for path in paths {
        let webp = plain(path, WEBP);
        stage.handler.variant(&webp, Way::Alone(stage.source())).await.expect("made");
    }
    let busy = [stage.occupy(), stage.occupy()];
    for path in paths {
        assert_eq!(seen(&stage.ask(path).await), ("image/webp", "HIT", "10"));
    }
    stage.queued(1).await;
    assert_eq!(stage.handler.soon.flights.len(), 3);
    // Time for the other two to come, if they were let.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.pool.stats().waiting, 1, "of two threads one may be taken");
    drop(busy);
    stage.settled().await;
    assert_eq!(stage.counts(), [3, 3, 0, 0]);
}

#[tokio::test]
async fn an_end_finishes_what_has_begun_and_drops_what_waits() {
    let stage = Stage::new(1, |_, _| {});
    stage.ask("/a.png").await;
    let busy = stage.occupy();
    stage.queued(1).await;
    let late = {
        let (handler, source) = (Arc::clone(&stage.handler), stage.source());
        let (avif, webp) = (plain("/b.png", AVIF), plain("/b.png", WEBP));
        tokio::spawn(async move { handler.variant_soon(&avif, &webp, Way::Alone(source)).await })
    };
    stage.queued(2).await;
    stage.handler.start_draining();
    drop(busy);
    let found = late.await.expect("no panic").expect("clients are served all the same");
    assert_eq!(found.entry.extension, "webp");
    assert!(stage.handler.drain(Duration::ZERO).await);
    assert_eq!(stage.counts(), [2, 1, 0, 1]);
    assert_eq!(stage.handler.soon.sources.held_bytes(), 0);
}

#[tokio::test]
async fn what_is_too_much_is_dropped_and_made_at_a_later_request() {
    let stage = Stage::new(2, |options, _| options.max_queue = 0);
    stage.ask("/a.png").await;
    // The first one's turn is not over before this task yields, and none may wait.
    let dropped = {
        let asked = [plain("/b.png", AVIF), plain("/b.png", WEBP)];
        let ticket = stage.handler.soon.sources.expect(&asked[1].key);
        stage.handler.begin(&asked[0], Way::Alone(stage.source()), ticket)
    };
    assert!(!dropped);
    assert_eq!(stage.counts()[3], 1);
    stage.settled().await;
    assert_eq!(seen(&stage.ask("/b.png").await).0, "image/webp");
    stage.settled().await;
    assert_eq!(seen(&stage.ask("/b.png").await).0, "image/avif");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_and_tried_again_after_a_minute() {
    let stage = Stage::new(1, |_, _| {});
    let webp = plain("/gone.png", WEBP);
    stage.handler.variant(&webp, Way::Alone(stage.source())).await.expect("it is there once");
    assert_eq!(seen(&stage.ask("/gone.png").await), ("image/webp", "HIT", "10"));
    stage.settled().await;
    assert_eq!((stage.counts(), stage.fetched()), ([1, 0, 1, 0], 2));
    assert_eq!(seen(&stage.ask("/gone.png").await), ("image/webp", "HIT", "60"), "webp stays");
    stage.settled().await;
    assert_eq!(stage.fetched(), 2, "and its source is left alone");
    tokio::time::advance(Duration::from_secs(PAUSE_SECS)).await;
    stage.ask("/gone.png").await;
    stage.settled().await;
    assert_eq!((stage.counts(), stage.fetched()), ([3, 0, 2, 0], 3));
}

#[tokio::test]
async fn a_source_that_does_not_fit_the_budget_is_fetched_again() {
    let stage = Stage::new(1, |_, pool| pool.memory_budget_bytes = 8 * 100);
    stage.ask("/a.png").await;
    stage.settled().await;
    assert_eq!(seen(&stage.ask("/a.png").await).0, "image/avif");
    assert_eq!(stage.fetched(), 2);
}

#[tokio::test]
async fn avif_of_a_source_that_waited_is_as_old_as_the_source() {
    let stage = Stage::new(1, |_, _| {});
    let (avif, webp) = (plain("/a.png", AVIF), plain("/a.png", WEBP));
    let _ticket = stage.handler.soon.sources.expect(&webp.key);
    let upstream = Upstream { body: picture(), content_type: None, cache_control: None, etag: None };
    stage.handler.soon.sources.offer(&webp.key, &upstream, 1_000, u64::MAX);
    let made = stage.handler.make_behind(&avif, &stage.source()).await.expect("made");
    assert_eq!((made.expires_at_ms, made.max_age_secs), (1_000 + 14_400_000, 14_400));
    assert_eq!(stage.fetched(), 0);
}

#[tokio::test]
async fn an_animation_is_passed_through_for_both_at_once() {
    let stage = Stage::new(1, |_, _| {});
    assert_eq!(seen(&stage.ask("/animated.gif").await), ("image/gif", "MISS", "14400"));
    assert_eq!(seen(&stage.ask("/animated.gif").await), ("image/gif", "HIT", "14400"));
    assert_eq!((stage.counts(), stage.fetched()), ([0; 4], 1));
}

#[tokio::test]
async fn what_can_not_be_decoded_is_served_as_it_came_and_stands_in_for_nothing() {
    let stage = Stage::new(1, |_, _| {});
    let reply = stage.ask("/broken.png").await;
    assert_eq!(seen(&reply), ("image/png", "MISS", "60"));
    assert_eq!(header(&reply, "X-Unsharp-Fallback"), "ERR_UNSHARP_DECODE");
    assert_eq!(seen(&stage.ask("/broken.png").await), ("image/png", "HIT", "60"));
    assert_eq!((stage.counts(), stage.fetched()), ([0; 4], 1));
}

#[tokio::test]
async fn a_static_import_is_immutable_only_once_it_is_avif() {
    let stage = Stage::new(1, |_, _| {});
    let path = "/_next/static/media/a.12345678.png";
    let first = stage.ask(path).await;
    assert_eq!(header(&first, "Cache-Control"), "public, max-age=10, must-revalidate");
    stage.settled().await;
    let second = stage.ask(path).await;
    assert_eq!(header(&second, "Cache-Control"), "public, max-age=315360000, immutable");
}

#[tokio::test]
async fn a_stale_avif_is_answered_as_ever() {
    let stage = Stage::new(1, |_, _| {});
    stage.ask("/a.png").await;
    stage.settled().await;
    let (avif, webp) = (plain("/a.png", AVIF), plain("/a.png", WEBP));
    let entry = stage.handler.load(&avif.key).await.expect("made");
    stage.handler.keep_here(&avif.key, &Arc::new(Entry { expires_at_ms: 1, ..Entry::clone(&entry) })).await;
    let found = stage.handler.variant_soon(&avif, &webp, Way::Alone(stage.source())).await.expect("there");
    assert_eq!((found.status, found.key, found.for_now_secs), (CacheStatus::Stale, avif.key, None));
    assert!(found.revalidating);
    stage.handler.drain(Duration::ZERO).await;
}

#[tokio::test]
async fn a_replica_that_makes_it_for_another_keeps_no_failure() {
    let stage = Stage::new(1, |_, _| {});
    let maker = Maker::new(Arc::clone(&stage.handler), stage.source(), false);
    let Asked { key, request } = plain("/broken.png", AVIF);
    let job = Job { key, request, urgency: Urgency::Background };
    let made = maker.make(&job, 1).await.expect("an answer for whoever waits");
    assert_eq!(made.fallback.as_deref(), Some("ERR_UNSHARP_DECODE"));
    assert_eq!(stage.handler.load(&job.key).await, None);
}
