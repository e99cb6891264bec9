use serde_json::json;
use url::Url;

use super::*;
use crate::upstream::pattern::{is_local_allowed, is_remote_allowed};

fn read(value: &Value) -> Config {
    Config::from_json(value).unwrap()
}

fn images(value: &Value) -> Images {
    read(&json!({ "images": value })).images
}

fn allows_local(images: &Images, href: &str) -> bool {
    let url = Url::parse("http://n").unwrap().join(href).unwrap();
    is_local_allowed(images.local_patterns.as_deref(), &url)
}

fn allows_remote(images: &Images, url: &str) -> bool {
    is_remote_allowed(&images.domains, &images.remote_patterns, &Url::parse(url).unwrap())
}

#[test]
fn an_empty_config_has_next_s_defaults() {
    let config = Config::default();
    let images = &config.images;
    assert_eq!(images.device_sizes, [640, 750, 828, 1080, 1200, 1920, 2048, 3840]);
    assert_eq!(images.image_sizes, [32, 48, 64, 96, 128, 256, 384]);
    assert_eq!(images.qualities.as_deref(), Some([75].as_slice()));
    assert_eq!(images.formats, ["image/webp"]);
    assert_eq!(images.minimum_cache_ttl_secs, 14_400);
    assert_eq!(images.content_security_policy, "script-src 'none'; frame-src 'none'; sandbox;");
    assert_eq!(images.content_disposition_type, DispositionType::Attachment);
    assert_eq!((images.maximum_redirects, images.maximum_response_body_bytes), (3, 50_000_000));
    assert_eq!(images.maximum_disk_cache_size_bytes, None);
    assert_eq!((images.loader.as_str(), images.path.as_str()), ("default", "/_next/image"));
    assert!(images.domains.is_empty() && images.remote_patterns.is_empty());
    assert!(!images.dangerously_allow_svg && !images.dangerously_allow_local_ip);
    assert!(!images.unoptimized && !images.custom_cache_handler);
    assert!(allows_local(images, "/a/b.png") && !allows_local(images, "/a/b.png?v=1"));
    assert_eq!((config.base_path.as_str(), config.dist_dir.as_str()), ("", ".next"));
    assert!(config.compress && config.generate_etags && config.is_flush_to_disk);
    assert!(!config.trailing_slash && !config.dev);
    assert_eq!((config.output, config.cache_handler), (None, None));
    let expected = ImgOpt {
        concurrency: None,
        operation_cache: None,
        timeout_secs: 7,
        max_input_pixels: Some(268_402_689),
        sequential_read: None,
        mozjpeg: true,
    };
    assert_eq!(config.img_opt, expected);
}

#[test]
fn null_means_the_default_and_foreign_keys_are_ignored() {
    let config = read(&json!({
        "compress": null, "reactStrictMode": true, "env": { "A": "b" }, "distDir": null,
        "images": { "qualities": null, "loaderFile": "", "somethingNew": 1 },
        "experimental": { "imgOptMozjpeg": null, "imgOptMaxInputPixels": null, "ppr": true },
    }));
    assert!(config.compress && config.img_opt.mozjpeg);
    assert_eq!(config.img_opt.max_input_pixels, Some(268_402_689));
    assert_eq!(config.images.qualities.as_deref(), Some([75].as_slice()));
    assert_eq!(read(&json!({ "images": null, "experimental": null })).images.formats, ["image/webp"]);
}

#[test]
fn what_the_user_sets_is_taken() {
    let config = read(&json!({
        "basePath": "/docs", "trailingSlash": true, "skipTrailingSlashRedirect": true, "distDir": "build",
        "compress": false, "generateEtags": false, "output": "standalone", "cacheHandler": "/h.js",
        "images": {
            "deviceSizes": [100.0, 200], "imageSizes": [], "qualities": [1, 100],
            "formats": ["image/avif", "image/webp"], "minimumCacheTTL": 0, "maximumDiskCacheSize": 0,
            "maximumRedirects": 0, "maximumResponseBody": 1, "contentDispositionType": "inline",
            "dangerouslyAllowSVG": true, "dangerouslyAllowLocalIP": true, "customCacheHandler": true,
            "contentSecurityPolicy": "", "unoptimized": true,
        },
        "experimental": {
            "isrFlushToDisk": false, "imgOptConcurrency": 2, "imgOptTimeoutInSeconds": 0,
            "imgOptSequentialRead": true, "imgOptMozjpeg": false, "imgOptOperationCache": false,
        },
    }));
    assert_eq!((config.base_path.as_str(), config.dist_dir.as_str()), ("/docs", "build"));
    assert!(config.trailing_slash && config.skip_trailing_slash_redirect);
    assert!(!config.compress && !config.generate_etags && !config.is_flush_to_disk);
    assert_eq!(
        (config.output, config.cache_handler.as_deref()),
        (Some(BuildOutput::Standalone), Some("/h.js"))
    );
    let images = &config.images;
    assert_eq!((images.device_sizes.as_slice(), images.image_sizes.len()), ([100, 200].as_slice(), 0));
    assert_eq!(images.qualities.as_deref(), Some([1, 100].as_slice()));
    assert_eq!((images.minimum_cache_ttl_secs, images.maximum_disk_cache_size_bytes), (0, Some(0)));
    assert_eq!((images.maximum_redirects, images.maximum_response_body_bytes), (0, 1));
    assert_eq!(
        (images.content_disposition_type, images.content_security_policy.as_str()),
        (DispositionType::Inline, "")
    );
    assert!(images.dangerously_allow_svg && images.dangerously_allow_local_ip);
    assert!(images.unoptimized && images.custom_cache_handler);
    assert_eq!(images.path, "/docs/_next/image/");
    assert_eq!((config.img_opt.concurrency, config.img_opt.timeout_secs), (Some(2), 0));
    assert!(!config.img_opt.mozjpeg);
}

#[test]
fn the_pixel_limit_can_be_lifted() {
    for (value, expected) in [
        (json!(false), None),
        (json!(0), None),
        (json!(true), Some(268_402_689)),
        (json!(1_000_000), Some(1_000_000)),
    ] {
        let config = read(&json!({ "experimental": { "imgOptMaxInputPixels": value } }));
        assert_eq!(config.img_opt.max_input_pixels, expected);
    }
}

#[test]
fn p13_static_media_is_always_added_to_own_local_patterns_and_only_once() {
    let own = images(&json!({ "localPatterns": [{ "pathname": "/assets/**" }] }));
    assert!(allows_local(&own, "/assets/a.png?any"));
    assert!(allows_local(&own, "/_next/static/media/a.png"));
    assert!(allows_local(&own, "/_next/static/immutable/media/a.png"));
    assert!(!allows_local(&own, "/_next/static/media/a.png?v=1"));
    assert!(!allows_local(&own, "/a.png"));
    let none = images(&json!({ "localPatterns": [] }));
    assert!(allows_local(&none, "/_next/static/media/a.png") && !allows_local(&none, "/a.png"));
    let again = images(&json!({ "localPatterns": [
        { "pathname": "/_next/static/media/**", "search": "" },
        { "pathname": "/_next/static/immutable/media/**", "search": "" },
    ] }));
    assert_eq!(again.local_patterns.unwrap().len(), 2);
}

#[test]
fn p9_a_url_object_among_the_remote_patterns_fixes_every_part() {
    for pattern in [
        json!("https://**.example.com/img/**"),
        json!({ "href": "https://**.example.com/img/**" }),
        json!({ "protocol": "https:", "hostname": "**.example.com", "port": "", "pathname": "/img/**", "search": "" }),
    ] {
        let images = images(&json!({ "remotePatterns": [pattern] }));
        assert!(allows_remote(&images, "https://a.example.com/img/x"));
        assert!(!allows_remote(&images, "http://a.example.com/img/x"));
        assert!(!allows_remote(&images, "https://a.example.com:8443/img/x"));
        assert!(!allows_remote(&images, "https://a.example.com/img/x?v=1"));
        assert!(!allows_remote(&images, "https://a.example.com/other"));
    }
    let loose = images(&json!({ "remotePatterns": [{ "hostname": "example.com" }] }));
    assert!(allows_remote(&loose, "http://example.com:81/any/where?x"));
}

#[test]
fn domains_allow_a_host_whatever_the_rest() {
    let images = images(&json!({ "domains": ["cdn.test"] }));
    assert!(allows_remote(&images, "http://user@cdn.test:99/a?b"));
    assert!(!allows_remote(&images, "http://a.cdn.test/"));
}

#[test]
fn an_asset_prefix_on_another_host_is_allowed() {
    let images = read(&json!({ "assetPrefix": "https://cdn.test/app" })).images;
    assert!(allows_remote(&images, "https://cdn.test/app/_next/static/media/a.png"));
    assert!(!allows_remote(&images, "http://cdn.test/a.png"));
    assert!(read(&json!({ "assetPrefix": "/cdn" })).images.remote_patterns.is_empty());
    let covered = json!({ "assetPrefix": "https://cdn.test", "images": { "remotePatterns": [{ "hostname": "cdn.test" }] } });
    assert_eq!(read(&covered).images.remote_patterns.len(), 1);
}

#[test]
fn wrong_values_are_refused_and_the_field_is_named() {
    let many = vec!["a"; 51];
    let cases = [
        (json!([]), "nextConfig must be an object"),
        (json!({ "images": [] }), "images must be an object"),
        (json!({ "images": { "deviceSizes": 640 } }), "images.deviceSizes must be an array"),
        (
            json!({ "images": { "deviceSizes": [0] } }),
            "images.deviceSizes[0] must be an integer from 1 to 10000",
        ),
        (
            json!({ "images": { "imageSizes": [16, 10_001] } }),
            "images.imageSizes[1] must be an integer from 1 to 10000",
        ),
        (
            json!({ "images": { "imageSizes": [1.5] } }),
            "images.imageSizes[0] must be an integer from 1 to 10000",
        ),
        (
            json!({ "images": { "imageSizes": vec![1; 26] } }),
            "images.imageSizes must have at most 25 elements",
        ),
        (json!({ "images": { "qualities": [] } }), "images.qualities must not be empty"),
        (json!({ "images": { "qualities": [101] } }), "images.qualities[0] must be an integer from 1 to 100"),
        (json!({ "images": { "formats": ["image/png"] } }), "images.formats may only hold"),
        (json!({ "images": { "domains": many } }), "images.domains must have at most 50 elements"),
        (json!({ "images": { "domains": [1] } }), "images.domains[0] must be a string"),
        (json!({ "images": { "minimumCacheTTL": -1 } }), "images.minimumCacheTTL must be an integer from 0"),
        (
            json!({ "images": { "maximumRedirects": 21 } }),
            "images.maximumRedirects must be an integer from 0 to 20",
        ),
        (
            json!({ "images": { "maximumResponseBody": 0 } }),
            "images.maximumResponseBody must be an integer from 1",
        ),
        (
            json!({ "images": { "maximumDiskCacheSize": 1e300 } }),
            "images.maximumDiskCacheSize must be an integer",
        ),
        (json!({ "images": { "unoptimized": "yes" } }), "images.unoptimized must be a boolean"),
        (json!({ "images": { "loader": "x" } }), "images.loader must be one of"),
        (json!({ "images": { "loader": "imgix" } }), "images.path must be a URL prefix"),
        (json!({ "images": { "contentDispositionType": "x" } }), "images.contentDispositionType must be"),
        (
            json!({ "images": { "contentSecurityPolicy": "a\r\nX: y" } }),
            "images.contentSecurityPolicy has characters",
        ),
        (json!({ "images": { "remotePatterns": [{}] } }), "images.remotePatterns[0].hostname is required"),
        (
            json!({ "images": { "remotePatterns": [{ "hostname": "" }] } }),
            "images.remotePatterns[0] is not usable",
        ),
        (
            json!({ "images": { "remotePatterns": [{ "hostname": "a", "port": 80 }] } }),
            "images.remotePatterns[0].port must be a string",
        ),
        (
            json!({ "images": { "remotePatterns": [{ "hostname": "a", "port": "123456" }] } }),
            "images.remotePatterns[0] has a port",
        ),
        (
            json!({ "images": { "remotePatterns": ["ftp://a/"] } }),
            "images.remotePatterns[0] must have the protocol",
        ),
        (json!({ "images": { "remotePatterns": ["a"] } }), "images.remotePatterns[0] is no URL"),
        (json!({ "images": { "remotePatterns": [7] } }), "images.remotePatterns[0] must be an object"),
        (
            json!({ "images": { "localPatterns": [{ "pathname": "/a(" }] } }),
            "images.localPatterns[0] is not usable",
        ),
        (json!({ "basePath": "docs" }), "basePath must be empty"),
        (json!({ "basePath": "/" }), "basePath must be empty"),
        (json!({ "distDir": " " }), "distDir must not be empty"),
        (json!({ "distDir": "public" }), "distDir must not be the public folder"),
        (json!({ "output": "x" }), "output must be"),
        (json!({ "assetPrefix": "https://" }), "assetPrefix is no URL"),
        (
            json!({ "experimental": { "imgOptTimeoutInSeconds": 4000 } }),
            "experimental.imgOptTimeoutInSeconds must be",
        ),
        (
            json!({ "experimental": { "imgOptMaxInputPixels": "1" } }),
            "experimental.imgOptMaxInputPixels must be",
        ),
    ];
    for (config, expected) in cases {
        match Config::from_json(&config) {
            Err(Error::InvalidOption(text)) => assert!(text.starts_with(expected), "{config}: {text}"),
            other => panic!("{config}: {other:?}"),
        }
    }
}

#[test]
fn a_build_is_read_from_its_manifest_and_restricts_only_what_it_says() {
    let dir = std::env::temp_dir().join(format!("unsharp-config-{}", std::process::id()));
    let dist = dir.join(".next");
    fs::create_dir_all(&dist).unwrap();
    let write = |config: &Value| {
        let file = json!({ "version": 1, "config": config, "files": [] });
        fs::write(dist.join(BUILD_CONFIG), file.to_string()).unwrap();
    };
    write(&json!({ "basePath": "/docs", "images": { "path": "/docs/_next/image", "qualities": [50],
        "localPatterns": [{ "pathname": "**", "search": "" }] } }));
    for folder in [&dir, &dist] {
        let config = Config::from_build(folder).unwrap();
        assert_eq!((config.base_path.as_str(), config.images.path.as_str()), ("/docs", "/docs/_next/image"));
        assert_eq!(config.images.qualities.as_deref(), Some([50].as_slice()));
        assert!(!allows_local(&config.images, "/a?b"));
    }
    // Next 15 writes neither, and allows everything.
    write(&json!({ "images": { "path": "/_next/image" } }));
    let old = Config::from_build(&dir).unwrap();
    assert_eq!(old.images.qualities, None);
    assert!(allows_local(&old.images, "/a?b"));
    fs::write(dist.join(BUILD_CONFIG), "{}").unwrap();
    let broken = [Config::from_build(&dir).unwrap_err(), Config::from_build(&dir.join("none")).unwrap_err()];
    fs::remove_dir_all(&dir).unwrap();
    for error in broken {
        assert!(matches!(error, Error::InvalidOption(_)), "{error}");
    }
}
