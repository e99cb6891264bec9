use std::collections::HashMap;

use super::*;
use crate::error::Error;

fn resolve(options: StoreOptions, env: &[(&str, &str)]) -> Result<Option<StoreConfig>> {
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    StoreConfig::resolve(options, &|name| env.get(name).map(|value| (*value).to_owned()))
}

fn store(url: &str) -> StoreOptions {
    StoreOptions { store: Some(url.to_owned()), ..StoreOptions::default() }
}

/// All that a configuration says, secrets left out.
fn shown(options: StoreOptions, env: &[(&str, &str)]) -> String {
    format!("{:?}", resolve(options, env).expect("sound settings").expect("a bucket"))
}

fn name(options: StoreOptions, env: &[(&str, &str)]) -> String {
    resolve(options, env).expect("sound settings").expect("a bucket").name().to_owned()
}

fn refusal(options: StoreOptions, env: &[(&str, &str)]) -> String {
    match resolve(options, env) {
        Err(Error::InvalidOption(text)) => text,
        other => panic!("{other:?}"),
    }
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hush-hush")];

fn with_keys<'a>(env: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&KEYS, env].concat()
}

#[test]
fn without_a_bucket_there_is_nothing() {
    assert!(resolve(StoreOptions::default(), &[]).unwrap().is_none());
    let others = [
        ("UNSHARP_STORE", " "),
        ("STORAGE_BUCKET", ""),
        ("STORAGE_PROVIDER", "s3"),
        ("AWS_REGION", "eu-west-1"),
    ];
    assert!(resolve(store(""), &others).unwrap().is_none());
}

#[test]
fn options_come_before_unsharp_store_and_that_before_what_platforms_set() {
    let platform = [("STORAGE_BUCKET", "theirs"), ("GCS_BUCKET_NAME", "other"), ("STORAGE_PROVIDER", "s3")];
    assert_eq!(name(StoreOptions::default(), &platform), "s3://theirs/image-cache");
    assert_eq!(name(StoreOptions::default(), &platform[1..]), "s3://other/image-cache");
    let mut env = platform.to_vec();
    env.push(("UNSHARP_STORE", "gs://ours/a/b"));
    assert_eq!(name(StoreOptions::default(), &env), "gs://ours/a/b");
    assert_eq!(name(store("s3://mine"), &env), "s3://mine/image-cache");
    let prefixed = StoreOptions { prefix: Some("c".into()), ..StoreOptions::default() };
    assert_eq!(name(prefixed, &env), "gs://ours/c", "each option by itself comes first");
}

#[test]
fn the_provider_goes_with_a_bare_bucket() {
    let account = ("AZURE_STORAGE_ACCOUNT_NAME", "acct");
    for (provider, scheme) in [("gcs", "gs"), ("s3", "s3"), ("azure", "az"), ("GCS", "gs")] {
        let env = [("STORAGE_BUCKET", "b"), ("STORAGE_PROVIDER", provider), account];
        assert_eq!(name(StoreOptions::default(), &env), format!("{scheme}://b/image-cache"));
    }
    let minio = [("STORAGE_BUCKET", "b"), ("STORAGE_PROVIDER", "minio"), ("MINIO_ENDPOINT", "minio.local")];
    assert_eq!(name(StoreOptions::default(), &with_keys(&minio)), "s3://b/image-cache");
    assert!(refusal(StoreOptions::default(), &with_keys(&minio[..2])).contains("MINIO_ENDPOINT"));
    let wrong = [("STORAGE_BUCKET", "b"), ("STORAGE_PROVIDER", "ftp")];
    assert!(refusal(StoreOptions::default(), &wrong).contains("gcs, s3, azure or minio"));
}

#[test]
fn without_a_provider_other_names_tell_or_it_is_asked_for() {
    let guess =
        |env: &[(&str, &str)]| name(StoreOptions::default(), &[&[("STORAGE_BUCKET", "b")], env].concat());
    assert_eq!(name(StoreOptions::default(), &[("GCS_BUCKET_NAME", "b")]), "gs://b/image-cache");
    assert_eq!(guess(&[("AWS_REGION", "eu-west-1")]), "s3://b/image-cache");
    assert_eq!(guess(&with_keys(&[("MINIO_ENDPOINT", "minio")])), "s3://b/image-cache");
    assert_eq!(guess(&[("AZURE_STORAGE_ACCOUNT_NAME", "acct")]), "az://b/image-cache");
    assert!(refusal(StoreOptions::default(), &[("STORAGE_BUCKET", "b")]).contains("STORAGE_PROVIDER"));
    let both = [("STORAGE_BUCKET", "b"), ("AWS_REGION", "r"), ("AZURE_STORAGE_ACCOUNT_NAME", "acct")];
    assert!(refusal(StoreOptions::default(), &both).contains("STORAGE_PROVIDER"));
}

#[test]
fn the_prefix_stands_below_the_apps_name_where_nobody_names_one() {
    let app = ("KN_APP_NAME", "shop");
    assert_eq!(name(store("s3://b"), &[app]), "s3://b/shop/image-cache");
    assert_eq!(name(store("s3://b"), &[app, ("IMAGE_CACHE_PREFIX", "/variants/")]), "s3://b/variants");
    assert_eq!(name(store("s3://b/mine"), &[app, ("IMAGE_CACHE_PREFIX", "variants")]), "s3://b/mine");
    assert_eq!(name(store("s3://b/?prefix=mine"), &[app]), "s3://b/mine");
    assert_eq!(name(store("file:///srv/variants"), &[app]), "file:///srv/variants", "a folder is all ours");
    assert_eq!(name(store("memory:x"), &[app]), "memory:x");
    for odd in ["a//b", "a/../b", "..", "a b", "a?b", "a%2Fb", "\u{e4}"] {
        let options = StoreOptions { prefix: Some(odd.into()), ..store("s3://b") };
        assert!(refusal(options, &[]).starts_with("prefix: "), "{odd}");
        assert!(refusal(store("s3://b"), &[("IMAGE_CACHE_PREFIX", odd)]).starts_with("IMAGE_CACHE_PREFIX: "));
    }
}

#[test]
fn endpoints_of_s3_come_from_each_of_their_names() {
    let endpoint = |env: &[(&str, &str)]| {
        let text = shown(store("s3://b"), &with_keys(env));
        text.split("endpoint: ").nth(1).unwrap().split("path_style").next().unwrap().to_owned()
    };
    let host = |text: &str, host: &str, port: &str, scheme: &str| {
        assert!(text.contains(&format!("\"{scheme}\"")), "{text}");
        assert!(text.contains(&format!("\"{host}\"")), "{text}");
        assert!(text.contains(&format!("port: {port}")), "{text}");
    };
    host(&endpoint(&[("S3_ENDPOINT", "https://s3.example:8443")]), "s3.example", "Some(8443)", "https");
    host(&endpoint(&[("MINIO_ENDPOINT", "minio")]), "minio", "Some(9000)", "http");
    host(&endpoint(&[("MINIO_ENDPOINT", "minio"), ("MINIO_PORT", "9100")]), "minio", "Some(9100)", "http");
    let tls = [("MINIO_ENDPOINT", "minio"), ("MINIO_USE_SSL", "true")];
    host(&endpoint(&tls), "minio", "Some(9000)", "https");
    host(&endpoint(&[("MINIO_ENDPOINT", "http://minio:1")]), "minio", "Some(1)", "http");
    host(&endpoint(&[("AWS_ENDPOINT_URL", "http://aws:2")]), "aws", "Some(2)", "http");
    let both = [("S3_ENDPOINT", "http://first:1"), ("MINIO_ENDPOINT", "second")];
    host(&endpoint(&both), "first", "Some(1)", "http");
    assert!(endpoint(&[]).contains("None"));
}

#[test]
fn names_with_wrong_values_are_told_by_name() {
    let told = |env: &[(&str, &str)], told: &str| {
        let text = refusal(store("s3://b"), &with_keys(env));
        assert!(text.contains(told), "{text}");
    };
    told(&[("S3_ENDPOINT", "minio:9000")], "S3_ENDPOINT");
    told(&[("S3_ENDPOINT", "https://user:hush-hush@minio")], "S3_ENDPOINT: leave name and password out");
    told(&[("MINIO_ENDPOINT", "minio"), ("MINIO_PORT", "x")], "MINIO_PORT");
    told(&[("MINIO_ENDPOINT", "minio"), ("MINIO_USE_SSL", "maybe")], "MINIO_USE_SSL");
    told(&[("AWS_SKIP_SIGNATURE", "maybe")], "AWS_SKIP_SIGNATURE");
}

#[test]
fn missing_credentials_are_told_with_what_to_set() {
    let own = StoreOptions { endpoint: Some("http://minio:9000".into()), ..store("s3://b") };
    assert!(refusal(own.clone(), &[]).contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
    assert!(refusal(own.clone(), &KEYS[..1]).contains("set AWS_SECRET_ACCESS_KEY"));
    assert!(refusal(own.clone(), &KEYS[1..]).contains("set AWS_ACCESS_KEY_ID"));
    assert!(refusal(own.clone(), &[("MINIO_ACCESS_KEY", "k")]).contains("set MINIO_SECRET_KEY"));
    assert!(shown(own.clone(), &[("MINIO_ACCESS_KEY", "k"), ("MINIO_SECRET_KEY", "hush")]).contains("Keys"));
    assert!(shown(StoreOptions { anonymous: Some(true), ..own }, &[]).contains("Anonymous"));
    assert!(shown(store("s3://b"), &[]).contains("Chain"), "Amazon's machines have a role");
    let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn:x")];
    assert!(shown(store("s3://b"), &role).contains("RoleArn"));

    assert!(refusal(store("az://c"), &[]).contains("AZURE_STORAGE_ACCOUNT_NAME"));
    let azurite = StoreOptions {
        endpoint: Some("http://127.0.0.1:10000/acct".into()),
        account: Some("acct".into()),
        ..store("az://c")
    };
    assert!(refusal(azurite, &[]).contains("AZURE_STORAGE_ACCOUNT_KEY"));
    let managed = StoreOptions { account: Some("acct".into()), ..store("az://c") };
    assert!(shown(managed, &[]).contains("Identity"), "Azure's machines have one");
}

#[test]
fn an_azure_connection_string_says_it_all() {
    let text =
        "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=aHVzaA==;EndpointSuffix=core.windows.net";
    let shown = shown(store("az://c"), &[("AZURE_STORAGE_CONNECTION_STRING", text)]);
    assert!(shown.contains("\"acct\"") && shown.contains("acct.blob.core.windows.net"), "{shown}");
    assert!(shown.contains("Key([secret])") && !shown.contains("aHVzaA"), "{shown}");
}

#[test]
fn urls_that_lead_nowhere_are_refused() {
    for url in [
        "bucket",
        "http://bucket",
        "s3:",
        "s3://",
        "s3:///prefix",
        "s3://b:9000/x",
        "s3://b#x",
        "s3://b..c",
        "file:",
        "file://host/x",
        "file:///",
        "memory:a/b",
        "s3://b?endpoint=nowhere",
        "s3://b/one?prefix=two",
        "s3://b?store=s3://c",
    ] {
        refusal(store(url), &KEYS);
        if url.contains(':') {
            refusal(StoreOptions::default(), &with_keys(&[("UNSHARP_STORE", url)]));
        }
    }
}

#[test]
fn an_unknown_setting_in_a_url_is_told_with_those_that_are_known() {
    let text = refusal(store("s3://b?regoin=eu-west-1"), &KEYS);
    assert!(text.contains("\"regoin\"") && text.contains("region, pathStyle"), "{text}");
    let mut options = StoreOptions::default();
    assert!(options.set("bucket", "x").is_err());
    assert!(options.set("pathStyle", "perhaps").is_err());
    for name in StoreOptions::NAMES {
        assert!(options.set(name, "1").is_ok(), "{name}");
    }
    for value in ["", "-1", "4GiB", "1e9", "99999999999999999999"] {
        assert!(options.set("pushBytesPerHour", value).is_err(), "{value}");
    }
}

#[test]
fn settings_in_a_url_are_those_of_the_options() {
    let text = shown(store("s3://b/p?endpoint=http://minio:9000&region=eu-x-1&pathStyle=false"), &KEYS);
    assert!(
        text.contains("\"minio\"") && text.contains("\"eu-x-1\"") && text.contains("path_style: false"),
        "{text}"
    );
}

#[test]
fn nothing_shows_a_secret() {
    let env = with_keys(&[("AWS_SESSION_TOKEN", "hush-token"), ("S3_ENDPOINT", "http://minio:9000")]);
    let text = shown(store("s3://b"), &env);
    assert!(text.contains("AKIDEXAMPLE") && !text.contains("hush"), "{text}");
    for url in [
        "s3://AKID:hush@b/x",
        "s3://hush@b",
        "s3://b?secret_access_key=hush",
        "s3://b?endpoint=http://u:hush@minio",
        "https://u:hush@minio/b",
        "az://c?sig=hush&prefix=../hush",
    ] {
        let text = refusal(store(url), &KEYS);
        assert!(!text.contains("hush"), "{url}: {text}");
    }
    let sas = [("AZURE_STORAGE_ACCOUNT_NAME", "acct"), ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=hush")];
    assert!(!shown(store("az://c"), &sas).contains("hush"));
    let key = [("GOOGLE_SERVICE_ACCOUNT_KEY", "{\"private_key\": \"hush\"}")];
    assert!(!shown(store("gs://c"), &key).contains("hush"));
}

#[test]
fn the_local_folder_is_known_without_a_bucket() {
    let dir = local_dir(&|name| (name == "IMAGE_CACHE_DIR").then(|| "/var/cache/images".to_owned()));
    assert_eq!(dir, Some("/var/cache/images".into()));
    assert_eq!(local_dir(&|_| None), None);
}
