//! What a client sends: the query, the Accept header, and the addresses in them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use serde_json::json;
use unsharp::config::Config;
use unsharp::image::Format;
use unsharp::key::CacheKey;
use unsharp::negotiate;
use unsharp::request::{self as requests, is_endpoint};
use unsharp::upstream::address;
use unsharp::upstream::pattern::{LocalPattern, RemotePattern, matches_local, matches_remote};
use url::Url;

/// The default, one that allows a lot, and one with everything set.
static CONFIGS: LazyLock<[Config; 3]> = LazyLock::new(|| {
    let images = json!({
        "domains": ["example.com"],
        "remotePatterns": [{ "hostname": "**.example.org" }, { "protocol": "https", "hostname": "a.b", "pathname": "/x/**" }],
        "formats": ["image/avif", "image/webp"],
    });
    let strict = json!({
        "remotePatterns": [{ "hostname": "!(internal).example.org", "port": "", "search": "" }],
        "localPatterns": [{ "pathname": "/assets/**", "search": "" }, { "pathname": "/{a,b}/*.png" }],
        "qualities": [25, 75], "deviceSizes": [640, 1080], "imageSizes": [16], "formats": ["image/webp"],
    });
    let wide = json!({ "images": images });
    let narrow = json!({ "images": strict, "basePath": "/docs", "trailingSlash": true });
    let read = |json| Config::from_json(&json).expect("a valid config");
    let mut narrow = read(narrow);
    narrow.strict = true;
    [Config::default(), read(wide), narrow]
});

/// The first byte chooses the config; then lines: the query, the Accept header.
pub fn request(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.splitn(2, '\n');
    let (query, accept) = (lines.next().unwrap_or_default(), lines.next());
    let config = &CONFIGS[usize::from(*choice) % CONFIGS.len()];
    let _ = is_endpoint(query, config);
    let request = match requests::parse(query, accept, config) {
        Ok(request) => request,
        Err(error) => {
            assert!((400..600).contains(&error.status()), "{error:?}");
            return;
        }
    };
    assert!((1..=100).contains(&request.quality));
    let images = &config.images;
    assert!(images.device_sizes.contains(&request.width) || images.image_sizes.contains(&request.width));
    // What is fetched and what the key is made of is what was checked: reading it again changes nothing. Escapes can make
    // it longer than what a client may send.
    let same = (request.href.clone(), request.is_absolute);
    if request.href.len() <= 3072 {
        assert_eq!(requests::source(&request.href, config), Ok(same.clone()));
    }
    assert_eq!(requests::any_source(&request.href), Ok(same));
    if request.is_absolute {
        let url = Url::parse(&request.href).expect("a url");
        assert!(
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
        );
    } else {
        assert!(request.href.starts_with('/') && !request.href.starts_with("//"));
    }
    let _ = request.source();
    let key = CacheKey::new(&request.href, request.width, request.quality, &request.mime);
    assert_eq!(CacheKey::parse(key.as_str()).as_ref(), Some(&key));
}

/// The first byte chooses the formats, the rest is the header.
pub fn accept(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let header = String::from_utf8_lossy(rest);
    let all = ["image/avif", "image/webp", "image/png", "image/jpeg"];
    let formats: Vec<String> =
        (0..all.len()).filter(|at| choice & (1 << at) != 0).map(|at| all[at].to_owned()).collect();
    let Some(mime) = negotiate::negotiate(Some(&header), &formats) else { return };
    assert!(mime.is_empty() || header.contains(&mime), "{mime:?} is not in the header");
    // With its parameters, if the header has any.
    let essence = mime.split(';').next().unwrap_or_default();
    let is_offered = formats.iter().any(|format| format == essence);
    assert!(mime.is_empty() || formats.is_empty() || is_offered, "{mime:?} was not offered");
    for source in
        [Format::Jpeg, Format::Png, Format::Gif, Format::WebP, Format::Avif, Format::Tiff, Format::Svg]
    {
        let output = negotiate::output(&mime, source);
        assert_eq!(output.is_none(), source == Format::Svg);
        if let Some(output) = output {
            let label = negotiate::content_type(output.extension);
            assert!(label.starts_with("image/") || output.extension == "bin", "{output:?}");
        }
    }
}

/// Lines: a glob for hosts, one for paths, an address.
pub fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (hostname, pathname, address) = (line(), line(), line());
    let Ok(url) = Url::parse(address) else { return };
    if let Ok(pattern) = RemotePattern::new(None, hostname, None, Some(pathname), None) {
        let matches = matches_remote(&pattern, &url);
        assert_eq!(matches, matches_remote(&pattern, &url));
        let elsewhere = RemotePattern { protocol: Some("gopher".into()), ..pattern };
        assert!(!matches_remote(&elsewhere, &url) || url.scheme() == "gopher");
    }
    if let Ok(pattern) = LocalPattern::new(Some(pathname), None) {
        let _ = matches_local(&pattern, &url);
    }
}

/// A host as a url has it, and the first sixteen bytes as an address.
pub fn address(data: &[u8]) {
    if let Some(bits) = data.first_chunk::<16>() {
        check_address(Ipv6Addr::from(*bits).into());
        let (embedding, _) = bits.split_last_chunk::<4>().expect("sixteen");
        let v4 = Ipv4Addr::from(*bits.last_chunk::<4>().expect("sixteen"));
        check_address(v4.into());
        check_embedded(v4, embedding);
    }
    let text = String::from_utf8_lossy(data);
    for address in [format!("http://{text}/"), format!("https://user@{text}:81/x?y")] {
        let Ok(url) = Url::parse(&address) else { continue };
        let is_private = address::host_is_private_literal(&url);
        match address::literal_ip(&url) {
            Some(ip) => {
                assert_eq!(is_private, address::is_private(ip));
                check_address(ip);
            }
            None => assert!(!is_private),
        }
        // A name that the system's resolver would read as an address must have been read as one by the parser.
        if let Some(host) = url.host_str()
            && let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>()
        {
            assert_eq!(address::literal_ip(&url), Some(ip), "{host}");
        }
    }
}

/// What the standard library knows to be private must be refused.
fn check_address(ip: IpAddr) {
    let private = match ip {
        IpAddr::V4(v4) => is_local_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4().is_some_and(is_local_v4)
        }
    };
    assert!(!private || address::is_private(ip), "{ip}");
}

fn is_local_v4(v4: Ipv4Addr) -> bool {
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_broadcast()
        || v4.is_multicast()
        || v4.is_documentation()
}

/// Every IPv6 form that leads to a private IPv4 address is private itself.
fn check_embedded(v4: Ipv4Addr, rest: &[u8]) {
    if !address::is_private(v4.into()) {
        return;
    }
    let [a, b, c, d] = v4.octets();
    let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let some = u16::from_be_bytes([rest[0], rest[1]]);
    for embedded in [
        v4.to_ipv6_mapped(),
        v4.to_ipv6_compatible(),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, some, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, some, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, some, 0, 0, 0, !high, !low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
    ] {
        assert!(address::is_private(embedded.into()), "{embedded} leads to {v4}");
    }
}
