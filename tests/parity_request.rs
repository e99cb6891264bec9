//! Requests against Next's own validation, as `tests/fixtures/requests.mjs` recorded it: rows P1–P14, W1–W5, Q1–Q4, O1–O3,
//! F1–F3, F8, F9, H2, H7, R6 and C1.

use serde_json::{Value, json};
use unsharp::config::Config;
use unsharp::key::CacheKey;
use unsharp::negotiate::{extension, negotiate};
use unsharp::{request, response};

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/requests.json")).unwrap()
}

fn rows<'a>(fixture: &'a Value, name: &str) -> &'a [Value] {
    let rows = fixture[name].as_array().unwrap();
    assert!(!rows.is_empty());
    rows
}

/// What we make of a request, in the form in which the fixture has it.
fn outcome(query: &str, accept: Option<&str>, config: &Config) -> Value {
    match request::parse(query, accept, config) {
        Ok(request) => {
            let key = CacheKey::new(&request.href, request.width, request.quality, &request.mime);
            let flags = [(request.is_absolute, "a"), (request.is_static_media, "s")];
            let flags: String = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag).collect();
            json!([request.href, request.width, request.quality, request.mime, key.as_str(), flags])
        }
        Err(error) if error.public_message() == "Internal Server Error" => {
            json!({ "status": error.status() })
        }
        Err(error) => {
            assert_eq!(error.status(), 400, "{error}");
            json!(error.public_message())
        }
    }
}

#[test]
fn requests_are_judged_as_by_next() {
    let fixture = fixture();
    let configs: Vec<Config> =
        rows(&fixture, "configs").iter().map(|config| Config::from_json(config).unwrap()).collect();
    let mut differences = Vec::new();
    for row in rows(&fixture, "requests") {
        let mut config = configs[usize::try_from(row[0].as_u64().unwrap()).unwrap()].clone();
        config.dev = row[1].as_bool().unwrap();
        config.strict = true;
        let found = outcome(row[2].as_str().unwrap(), row[3].as_str(), &config);
        // A url that Next's parser chokes on gets the 400 page of the app there, and a message here.
        let is_choked = row[4]["status"] == 400 && found == json!("\"url\" parameter is invalid");
        // Without formats Next takes any type of the client for a label; here it must be an image.
        let is_no_image = |mime: &str| !mime.is_empty() && extension(mime).is_none();
        let is_unlabelled = row[4][3].as_str().is_some_and(is_no_image) && found[3] == "";
        if found != row[4] && !is_choked && !is_unlabelled {
            differences.push(format!("{row}\n  found {found}"));
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn accept_headers_are_negotiated_as_by_next() {
    let fixture = fixture();
    let lists: Vec<Vec<String>> = serde_json::from_value(fixture["formats"].clone()).unwrap();
    let mut differences = Vec::new();
    for row in rows(&fixture, "accepts") {
        for (at, formats) in lists.iter().enumerate() {
            let found = negotiate(row[0].as_str(), formats).unwrap_or_default();
            // As above.
            let is_no_image = formats.is_empty() && extension(row[at + 1].as_str().unwrap()).is_none();
            let expected = if is_no_image { "" } else { row[at + 1].as_str().unwrap() };
            if expected != found {
                differences.push(format!(
                    "{} with {formats:?}: Next says {}, we say {found:?}",
                    row[0],
                    row[at + 1]
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn max_age_is_read_as_by_next() {
    for row in rows(&fixture(), "maxAges") {
        assert_eq!(response::max_age(row[0].as_str()), row[1].as_u64().unwrap(), "{}", row[0]);
    }
}
