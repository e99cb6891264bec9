//! remotePatterns and localPatterns against Next's own answers (P9, P11, P12, P14), as `tests/fixtures/patterns.mjs`
//! recorded them.

use serde_json::Value;
use unsharp::upstream::pattern::{Glob, LocalPattern, RemotePattern, matches_local, matches_remote};
use url::Url;

type Matcher = Box<dyn Fn(&str) -> bool>;

/// Tries every glob of a table on every text, and lists where the answer differs from Next's.
fn compare(kind: &str, compile: impl Fn(&Value) -> Matcher) {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/patterns.json")).unwrap();
    let table = &fixture[kind];
    let texts = table["texts"].as_array().unwrap();
    let globs = table["globs"].as_array().unwrap();
    assert!(!texts.is_empty() && !globs.is_empty());
    let mut differences = Vec::new();
    for (glob, matches) in globs.iter().zip(table["matches"].as_array().unwrap()) {
        let matcher = compile(glob);
        for (text, expected) in texts.iter().zip(matches.as_str().unwrap().bytes()) {
            let text = text.as_str().unwrap();
            let found = matcher(text);
            if found != (expected == b'1') {
                differences
                    .push(format!("{glob} on {text:?}: Next says {}, we say {found}", expected == b'1'));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).map(|text| text.as_str().unwrap().to_owned())
}

/// picomatch makes a glob that is no valid expression match nothing.
fn matcher(glob: unsharp::Result<Glob>) -> Matcher {
    match glob {
        Ok(glob) => Box::new(move |text| glob.is_match(text)),
        Err(_) => Box::new(|_| false),
    }
}

#[test]
fn hostname_globs_match_as_in_next() {
    compare("hostname", |glob| matcher(Glob::hostname(glob.as_str().unwrap())));
}

#[test]
fn pathname_globs_match_as_in_next() {
    compare("pathname", |glob| matcher(Glob::pathname(glob.as_str().unwrap())));
}

#[test]
fn remote_patterns_match_as_in_next() {
    compare("remote", |pattern| {
        let protocol = text(pattern, "protocol").map(|protocol| protocol.trim_end_matches(':').to_owned());
        let (hostname, pathname) = (text(pattern, "hostname").unwrap(), text(pattern, "pathname"));
        let (port, search) = (text(pattern, "port"), text(pattern, "search"));
        let pattern = RemotePattern::new(protocol, &hostname, port, pathname.as_deref(), search).unwrap();
        Box::new(move |url| matches_remote(&pattern, &Url::parse(url).unwrap()))
    });
}

#[test]
fn local_patterns_match_as_in_next() {
    let base = Url::parse("http://n").unwrap();
    compare("local", |pattern| {
        let pattern =
            LocalPattern::new(text(pattern, "pathname").as_deref(), text(pattern, "search")).unwrap();
        let base = base.clone();
        Box::new(move |href| matches_local(&pattern, &base.join(href).unwrap()))
    });
}

/// A long hostile address must not make a glob run away; these would take a naive matcher centuries.
#[test]
fn hostile_addresses_are_refused_and_do_not_hang() {
    let text = format!("/{}", "ab/".repeat(1000));
    for glob in [
        "/**/a/**/b/**/a/**/b/**/a/**/x",
        "/!(*a*b*a*b*)x",
        "/+(a|b|ab|/)+(a|b|ab|/)+(a|b|ab|/)x",
        "/*(*(*(a)*b)*/)x",
    ] {
        assert!(!Glob::pathname(glob).unwrap().is_match(&text), "{glob}");
    }
}

#[test]
fn what_is_no_glob_is_refused_when_the_config_is_read() {
    let long = "a".repeat(70_000);
    for glob in ["", "/a(b", "/a{b,c", "/a/[z-a]", long.as_str()] {
        assert!(matches!(Glob::pathname(glob), Err(unsharp::Error::InvalidOption(_))), "{glob:.20}");
    }
}
