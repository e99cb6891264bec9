use std::io::Read;

use serde_json::json;

use super::*;

const ETAG: &str = "abc_-1";

fn request(href: &str) -> ImageRequest {
    ImageRequest {
        href: href.into(),
        is_absolute: !href.starts_with('/'),
        width: 640,
        quality: 75,
        mime: "image/webp".into(),
        is_static_media: false,
        is_blur: false,
    }
}

fn config(value: &serde_json::Value) -> Config {
    Config::from_json(value).unwrap()
}

/// Answers `GET /photo.jpg` as webp; `change` adapts the conditionals.
fn answer(change: impl FnOnce(&mut Conditionals<'static>)) -> Answer {
    let mut client = Conditionals { method: "GET", ..Conditionals::default() };
    change(&mut client);
    let body = Bytes::from_static(b"RIFF....");
    let variant = Variant {
        body: &body,
        extension: "webp",
        etag: ETAG,
        max_age_secs: 14_400,
        fallback: None,
        is_for_now: false,
    };
    image(&request("/photo.jpg"), &variant, CacheStatus::Miss, &client, &Config::default())
}

fn answer_with(
    href: &str,
    extension: &str,
    body: &[u8],
    accept_encoding: Option<&str>,
    config: &Config,
) -> Answer {
    let body = Bytes::copy_from_slice(body);
    let variant =
        Variant { body: &body, extension, etag: ETAG, max_age_secs: 60, fallback: None, is_for_now: false };
    let client = Conditionals { method: "GET", accept_encoding, ..Conditionals::default() };
    image(&request(href), &variant, CacheStatus::Hit, &client, config)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn an_image_has_next_s_headers_in_next_s_order() {
    // H1, H5, H6, H7, H9, H10, H11
    let answer = answer(|_| {});
    assert_eq!(answer.status, 200);
    assert!(!answer.revalidating);
    let expected = [
        ("Vary", "Accept"),
        ("Cache-Control", "public, max-age=14400, must-revalidate"),
        ("ETag", ETAG),
        ("Content-Type", "image/webp"),
        ("Content-Disposition", "attachment; filename=\"photo.webp\""),
        ("Content-Security-Policy", "script-src 'none'; frame-src 'none'; sandbox;"),
        ("X-Nextjs-Cache", "MISS"),
        ("Content-Length", "8"),
    ];
    assert_eq!(answer.headers, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn h4_static_media_is_immutable_on_200_and_304_and_dev_expires_at_once() {
    let body = Bytes::from_static(b"x");
    let variant = Variant {
        body: &body,
        extension: "webp",
        etag: ETAG,
        max_age_secs: 60,
        fallback: None,
        is_for_now: false,
    };
    let fixed = ImageRequest { is_static_media: true, ..request("/_next/static/media/a.jpg") };
    for (if_none_match, status) in [(None, 200), (Some(ETAG), 304)] {
        let client = Conditionals { if_none_match, ..Conditionals::default() };
        let answer = image(&fixed, &variant, CacheStatus::Hit, &client, &Config::default());
        assert_eq!(answer.status, status);
        assert_eq!(header(&answer, "Cache-Control"), Some("public, max-age=315360000, immutable"));
    }
    let dev = Config { dev: true, ..Config::default() };
    let answer = image(&request("/a.jpg"), &variant, CacheStatus::Hit, &Conditionals::default(), &dev);
    assert_eq!(header(&answer, "Cache-Control"), Some("public, max-age=0, must-revalidate"));
}

#[test]
fn h10_the_cache_status_is_told_and_only_a_stale_answer_revalidates() {
    let body = Bytes::from_static(b"x");
    let variant = Variant {
        body: &body,
        extension: "png",
        etag: ETAG,
        max_age_secs: 60,
        fallback: None,
        is_for_now: false,
    };
    for (cache, text) in
        [(CacheStatus::Miss, "MISS"), (CacheStatus::Hit, "HIT"), (CacheStatus::Stale, "STALE")]
    {
        let answer = image(&request("/a.png"), &variant, cache, &Conditionals::default(), &Config::default());
        assert_eq!(header(&answer, "X-Nextjs-Cache"), Some(text));
        assert_eq!(answer.revalidating, cache == CacheStatus::Stale);
    }
}

#[test]
fn h13_h15_a_304_has_three_headers_and_no_body_even_on_a_miss() {
    let answer = answer(|client| client.if_none_match = Some(ETAG));
    assert_eq!(answer.status, 304);
    assert!(answer.body.is_empty());
    let names: Vec<&str> = answer.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Vary", "Cache-Control", "ETag"]);
}

#[test]
fn h14_if_none_match_is_compared_as_fresh_does() {
    let cases: [(&str, u16); 10] = [
        (ETAG, 304),
        ("W/abc_-1", 304),
        ("x, abc_-1 , y", 304),
        ("x,W/abc_-1", 304),
        ("*", 304),
        ("\"abc_-1\"", 200),
        ("abc_-1x", 200),
        ("", 200),
        ("x, *", 200),
        ("w/abc_-1", 200),
    ];
    for (wanted, status) in cases {
        assert_eq!(answer(|client| client.if_none_match = Some(wanted)).status, status, "{wanted:?}");
    }
}

#[test]
fn h14_no_cache_and_any_date_rule_out_a_304() {
    for (cache_control, status) in [
        ("no-cache", 200),
        ("max-age=0, no-cache", 200),
        ("max-age=0", 304),
        ("no-cache=x", 304),
        ("No-Cache", 304),
    ] {
        let answer = answer(|client| {
            client.if_none_match = Some(ETAG);
            client.cache_control = Some(cache_control);
        });
        assert_eq!(answer.status, status, "{cache_control:?}");
    }
    for if_none_match in [None, Some(ETAG)] {
        let answer = answer(|client| {
            client.if_none_match = if_none_match;
            client.if_modified_since = Some("Wed, 21 Oct 2099 07:28:00 GMT");
        });
        assert_eq!(answer.status, 200);
    }
}

#[test]
fn r1_head_has_the_headers_of_get_and_no_body() {
    let (get, head) = (answer(|_| {}), answer(|client| client.method = "HEAD"));
    assert_eq!(get.headers, head.headers);
    assert!(head.body.is_empty());
    // R2: any other method is answered like GET.
    assert_eq!(answer(|client| client.method = "POST"), get);
}

#[test]
fn h7_h8_the_file_name_comes_from_the_last_segment_and_the_type_sent() {
    let cases = [
        ("/photo.jpg", "webp", "attachment; filename=\"photo.webp\""),
        ("/a/b/photo.min.jpg?v=1", "avif", "attachment; filename=\"photo.avif\""),
        ("https://example.com/a.png#/b.gif", "jpeg", "attachment; filename=\"b.jpeg\""),
        ("https://example.com/", "webp", "attachment; filename=\"image.bin\""),
        ("/dir/?x", "webp", "attachment; filename=\"image.bin\""),
        ("/.hidden", "webp", "attachment; filename=\".webp\""),
        ("/noext", "svg", "attachment; filename=\"noext.svg\""),
        ("/a.png", "mystery", "attachment; filename=\"a.bin\""),
        ("/a%20b.jpg", "webp", "attachment; filename=\"a%20b.webp\"; filename*=UTF-8''a%2520b.webp"),
        ("/100%.jpg", "webp", "attachment; filename=\"100%.webp\""),
        ("/\u{e4}.jpg", "webp", "attachment; filename=\"\u{e4}.webp\""),
        ("/\u{20ac} x.jpg", "webp", "attachment; filename=\"? x.webp\"; filename*=UTF-8''%E2%82%AC%20x.webp"),
        ("/a\"b\\c.jpg", "webp", "attachment; filename=\"a\\\"b\\\\c.webp\""),
        (
            "/a\r\nX: y.jpg",
            "webp",
            "attachment; filename=\"a??X: y.webp\"; filename*=UTF-8''a%0D%0AX%3A%20y.webp",
        ),
        (
            "/\u{20ac}'(*)!~.jpg",
            "webp",
            "attachment; filename=\"?'(*)!~.webp\"; filename*=UTF-8''%E2%82%AC%27%28%2A%29!~.webp",
        ),
    ];
    for (href, extension, expected) in cases {
        let answer = answer_with(href, extension, b"x", None, &Config::default());
        assert_eq!(header(&answer, "Content-Disposition"), Some(expected), "{href:?}");
    }
    let inline = config(&json!({ "images": { "contentDispositionType": "inline" } }));
    let answer = answer_with("/a.jpg", "png", b"x", None, &inline);
    assert_eq!(header(&answer, "Content-Disposition"), Some("inline; filename=\"a.png\""));
}

#[test]
fn h9_the_policy_is_the_configured_one() {
    let own = config(&json!({ "images": { "contentSecurityPolicy": "default-src 'self'" } }));
    let answer = answer_with("/a.jpg", "png", b"x", None, &own);
    assert_eq!(header(&answer, "Content-Security-Policy"), Some("default-src 'self'"));
}

#[test]
fn h5_h11_h12_only_svg_bmp_and_ico_are_compressed() {
    let body = vec![b'x'; 5000];
    for extension in ["svg", "bmp", "ico"] {
        let answer = answer_with("/a.svg", extension, &body, Some("gzip, deflate, br"), &Config::default());
        assert_eq!(header(&answer, "Vary"), Some("Accept, Accept-Encoding"), "{extension}");
        assert_eq!(header(&answer, "Content-Encoding"), Some("gzip"), "{extension}");
        assert_eq!(header(&answer, "Content-Length"), None, "{extension}");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(answer.body.as_ref()).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
    }
    for extension in ["tiff", "icns", "jpeg", "webp", "avif", "png", "heic", "gif", "jxl", "jp2", "mystery"] {
        let answer = answer_with("/a", extension, &body, Some("gzip"), &Config::default());
        assert_eq!(header(&answer, "Vary"), Some("Accept"), "{extension}");
        assert_eq!(header(&answer, "Content-Encoding"), None, "{extension}");
        assert_eq!(header(&answer, "Content-Length"), Some("5000"), "{extension}");
    }
}

#[test]
fn h12_compression_follows_config_size_method_and_accept_encoding() {
    let body = vec![b'x'; 1024];
    let coding = |accept: &str, body: &[u8], config: &Config| {
        header(&answer_with("/a.svg", "svg", body, Some(accept), config), "Content-Encoding")
            .map(str::to_owned)
    };
    let on = Config::default();
    let cases = [
        ("gzip", Some("gzip")),
        ("*", Some("gzip")),
        ("deflate", Some("deflate")),
        ("deflate, gzip", Some("gzip")),
        ("deflate, gzip;q=0.1", Some("gzip")),
        ("deflate, gzip;q=0", Some("deflate")),
        ("deflate, gzip;q=0.5, identity;q=0.8", None),
        ("identity, gzip", None),
        ("gzip, identity", Some("gzip")),
        ("identity;q=0.5, gzip;q=0.4", None),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("br", None),
        ("", None),
        ("identity;q=0, gzip", Some("gzip")),
        ("GZIP", Some("gzip")),
    ];
    for (accept, expected) in cases {
        assert_eq!(coding(accept, &body, &on).as_deref(), expected, "{accept:?}");
    }
    assert_eq!(coding("gzip", &body[1..], &on), None);
    assert_eq!(
        header(&answer_with("/a.svg", "svg", b"x", None, &on), "Vary"),
        Some("Accept, Accept-Encoding")
    );
    let off = config(&json!({ "compress": false }));
    let answer = answer_with("/a.svg", "svg", &body, Some("gzip"), &off);
    assert_eq!((header(&answer, "Content-Encoding"), header(&answer, "Vary")), (None, Some("Accept")));
    let bytes = Bytes::from(body);
    let variant = Variant {
        body: &bytes,
        extension: "svg",
        etag: ETAG,
        max_age_secs: 60,
        fallback: None,
        is_for_now: false,
    };
    let client = Conditionals { method: "HEAD", accept_encoding: Some("gzip"), ..Conditionals::default() };
    let head = image(&request("/a.svg"), &variant, CacheStatus::Hit, &client, &on);
    assert_eq!((header(&head, "Content-Encoding"), header(&head, "Content-Length")), (None, Some("1024")));
}

#[test]
fn h6_etags_are_unquoted_base64url() {
    assert_eq!(etag(b""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}

#[test]
fn h6_an_etag_that_no_header_can_hold_is_left_out() {
    let body = Bytes::from_static(b"x");
    let variant = Variant {
        body: &body,
        extension: "png",
        etag: "a\r\nb",
        max_age_secs: 60,
        fallback: None,
        is_for_now: false,
    };
    let answer =
        image(&request("/a.png"), &variant, CacheStatus::Hit, &Conditionals::default(), &Config::default());
    assert_eq!((answer.status, header(&answer, "ETag")), (200, None));
}

#[test]
fn h1_h2_h3_max_age_is_read_as_next_reads_it() {
    let cases = [
        (None, 0),
        (Some(""), 0),
        (Some("max-age=60"), 60),
        (Some("public, Max-Age=60"), 60),
        (Some("max-age=60, s-maxage=30"), 30),
        (Some("max-age=60, S-MAXAGE=0"), 0),
        (Some("max-age=60, s-maxage="), 60),
        (Some("s-maxage=30, s-maxage"), 0),
        (Some("max-age=\"60\""), 60),
        (Some("max-age=\"60"), 0),
        (Some("max-age=\""), 0),
        (Some("max-age=1e6"), 1),
        (Some("max-age=1.9"), 1),
        (Some("max-age=+5"), 5),
        (Some("max-age=-5"), 0),
        (Some("max-age = 60"), 0),
        (Some("max-age= 60"), 60),
        (Some("max-age=5=6"), 5),
        (Some("max-age=60, max-age=7"), 7),
        (Some("max-age=x"), 0),
        (Some("no-store, private, no-cache, max-age=9"), 9),
        (Some("max-age=99999999999999999999999999"), 8_640_000_000_000),
        (Some("max-age=9007199254740993"), 8_640_000_000_000),
    ];
    for (header, expected) in cases {
        assert_eq!(max_age(header), expected, "{header:?}");
    }
}

#[test]
fn a_source_that_could_not_be_optimized_says_why() {
    let body = Bytes::from_static(b"\xff\xd8");
    let variant = Variant {
        body: &body,
        extension: "jpeg",
        etag: ETAG,
        max_age_secs: 60,
        fallback: Some("ERR_UNSHARP_DECODE"),
        is_for_now: false,
    };
    let client = Conditionals { method: "GET", ..Conditionals::default() };
    let answer = image(&request("/photo.jpg"), &variant, CacheStatus::Hit, &client, &Config::default());
    assert_eq!(header(&answer, "X-Unsharp-Fallback"), Some("ERR_UNSHARP_DECODE"));
}

#[test]
fn h18_an_error_is_its_status_and_plain_text_without_a_type() {
    let refused = Error::InvalidRequest("\"url\" parameter is required".into());
    let answer = error(&refused, false, &Config::default());
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers, []);
    assert_eq!(answer.body, "\"url\" parameter is required");
    let plain = error(&refused, false, &config(&json!({ "compress": false })));
    assert_eq!(plain.headers, [("Content-Length", "27".to_owned())]);
    assert_eq!(error(&refused, true, &config(&json!({ "compress": false }))).headers, []);
    let internal = error(&Error::Upstream("secret.internal refused".into()), false, &Config::default());
    assert_eq!((internal.status, internal.body.as_ref()), (500, b"Internal Server Error".as_slice()));
    let busy = error(&Error::Overloaded("64 waiting".into()), false, &Config::default());
    assert_eq!(busy.status, 503);
    assert_eq!(busy.headers, [("Retry-After", "1".to_owned())]);
    let theirs = Error::UpstreamStatus { status: 503, answered: 503, public: "theirs".into() };
    assert_eq!(
        error(&theirs, true, &Config::default()).headers,
        [],
        "when an upstream is back only it knows"
    );
}
