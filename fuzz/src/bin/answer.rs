//! Says what unsharp makes of questions, for the scripts under `differential/` that hold its answers against Next's and
//! sharp's. Each line of the input is a JSON array of questions, each line of the output the array of answers.
//!
//! ```text
//! answer pattern      { remote?: { hostname, pathname?, protocol?, port?, search? } | local?: { pathname?, search? },
//!                       urls: [string] }                                          -> string of 1 and 0
//! answer accept       { accept: string, formats: [string] }                       -> string, null when malformed
//! answer pixels       { file: path }  -> { width, height, channels, pixels: base64 }, { refused: code } or { bypass: true }
//! ```

use std::io::{self, BufRead, Write};
use std::{env, fs};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use unsharp::image::{Inspected, Limits, Progress, color, decode, inspect, orientation};
use unsharp::negotiate::negotiate;
use unsharp::upstream::pattern::{LocalPattern, RemotePattern, matches_local, matches_remote};
use url::Url;

fn main() -> io::Result<()> {
    let answer = match env::args().nth(1).as_deref() {
        Some("pattern") => pattern,
        Some("accept") => accept,
        Some("pixels") => pixels,
        other => panic!("pattern, accept or pixels, not {other:?}"),
    };
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let questions: Vec<Value> = serde_json::from_str(&line?)?;
        let answers: Vec<Value> = questions.iter().map(answer).collect();
        serde_json::to_writer(&mut output, &answers)?;
        writeln!(output)?;
        output.flush()?;
    }
    Ok(())
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// A pattern that can't be compiled matches nothing, as in picomatch.
fn pattern(question: &Value) -> Value {
    let remote = question.get("remote").map(|pattern| {
        let hostname = text(pattern, "hostname").unwrap_or_default();
        let pathname = text(pattern, "pathname");
        let (protocol, port) = (text(pattern, "protocol"), text(pattern, "port"));
        RemotePattern::new(protocol, &hostname, port, pathname.as_deref(), text(pattern, "search"))
    });
    let local = question
        .get("local")
        .map(|pattern| LocalPattern::new(text(pattern, "pathname").as_deref(), text(pattern, "search")));
    let matches = |url: &Value| {
        let url = Url::parse(url.as_str()?).ok()?;
        let is_match = match (&remote, &local) {
            (Some(pattern), _) => matches_remote(pattern.as_ref().ok()?, &url),
            (None, Some(pattern)) => matches_local(pattern.as_ref().ok()?, &url),
            (None, None) => return None,
        };
        Some(is_match)
    };
    let urls = question["urls"].as_array().expect("urls");
    urls.iter().map(|url| if matches(url) == Some(true) { '1' } else { '0' }).collect::<String>().into()
}

fn accept(question: &Value) -> Value {
    let formats: Vec<String> = question["formats"]
        .as_array()
        .expect("formats")
        .iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    negotiate(question["accept"].as_str(), &formats).into()
}

/// Decoded at full size, in sRGB and the right way up: what sharp gives for `rotate().toColourspace('srgb').raw()`.
fn pixels(question: &Value) -> Value {
    let file = fs::read(question["file"].as_str().expect("file")).expect("a readable file");
    let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
    let decoded = || {
        let job = match inspect(&file, &limits)? {
            Inspected::Image(job) => job,
            Inspected::Bypass { .. } => return Ok(json!({ "bypass": true })),
        };
        let progress = Progress::unbounded();
        let mut decoded = decode::decode(&file, job.format, None, &limits, &progress)?;
        let (icc, turn) = (decoded.icc.take(), decoded.orientation);
        let pixels = orientation::apply(color::to_srgb(decoded.collect()?, icc.as_deref()), turn);
        Ok(json!({
            "width": pixels.width,
            "height": pixels.height,
            "channels": pixels.layout.channels(),
            "pixels": BASE64_STANDARD.encode(&pixels.data),
        }))
    };
    decoded().unwrap_or_else(|error: unsharp::Error| json!({ "refused": error.code() }))
}
