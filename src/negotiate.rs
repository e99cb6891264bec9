//! Which format the client gets: the `Accept` header against the configured formats, then the source.
//!
//! Next asks `@hapi/accept` for the best configured format and keeps it only if its name stands literally in the
//! header. The rules here are that pair's, so that the same header leads to the same cache key.

use std::cmp::Ordering;

use crate::image::format::{Format, OutputFormat};

/// The type that takes the fewest bytes and the longest to make.
pub const AVIF: &str = "image/avif";
/// The type that is made in a fraction of that time.
pub const WEBP: &str = "image/webp";

/// What a variant is encoded as, and what it is labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// The encoder. Not always the label's: `Accept: image/webp;v=1` is labelled webp and encoded like the source.
    pub format: OutputFormat,
    /// Extension of the label; [`content_type`] gives its type.
    pub extension: &'static str,
    /// Next names no encoder to sharp: the image then has sharp's defaults, whatever quality was asked for.
    pub has_defaults: bool,
}

/// The negotiated type, as it goes into the cache key; empty when the client names none of `formats`. `None` for a
/// malformed header.
///
/// Without `formats` the first type of the client counts, but only if it is an image: Next labels the image with any
/// type that it knows, `text/html` too, and answers 500 for others.
#[must_use]
pub fn negotiate(accept: Option<&str>, formats: &[String]) -> Option<String> {
    let accept = accept.unwrap_or_default();
    let best = best(&parse(accept)?, formats).unwrap_or_default();
    let is_image = !formats.is_empty() || extension(&best).is_some();
    Some(if is_image && accept.contains(&best) { best } else { String::new() })
}

/// What a client that gets AVIF can be given until there is one: `image/webp`, where `formats` has it and the client
/// would get it if it did not get AVIF.
#[must_use]
pub fn until_avif(mime: &str, accept: Option<&str>, formats: &[String]) -> Option<&'static str> {
    let others: Vec<String> = formats.iter().filter(|format| *format != AVIF).cloned().collect();
    // Without `formats` the client's own first type would count.
    let is_avif = mime == AVIF && !others.is_empty();
    (is_avif && negotiate(accept, &others).as_deref() == Some(WEBP)).then_some(WEBP)
}

/// How a source of type `upstream` is encoded for the negotiated `mime`. `None` for what is never encoded: svg,
/// icons, bmp, jxl, heic and jp2.
#[must_use]
pub fn output(mime: &str, upstream: Format) -> Option<Output> {
    let source = match upstream {
        Format::Jpeg => OutputFormat::Jpeg,
        Format::Png => OutputFormat::Png,
        Format::Gif => OutputFormat::Gif,
        Format::WebP => OutputFormat::WebP,
        Format::Avif => OutputFormat::Avif,
        Format::Tiff => OutputFormat::Tiff,
        _ => return None,
    };
    let (format, extension, is_named) = match mime {
        // Without a match, webp and avif go down to what every client can show.
        "" if matches!(source, OutputFormat::WebP | OutputFormat::Avif) => (OutputFormat::Jpeg, "jpeg", true),
        "" => (source, extension_of(source), !matches!(source, OutputFormat::Gif | OutputFormat::Tiff)),
        AVIF => (OutputFormat::Avif, "avif", true),
        WEBP => (OutputFormat::WebP, "webp", true),
        "image/png" => (OutputFormat::Png, "png", true),
        "image/jpeg" => (OutputFormat::Jpeg, "jpeg", true),
        other => (source, extension(other).unwrap_or("bin"), false),
    };
    Some(Output { format, extension, has_defaults: !is_named })
}

fn extension_of(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Avif => "avif",
        OutputFormat::WebP => "webp",
        OutputFormat::Jpeg => "jpeg",
        OutputFormat::Png => "png",
        OutputFormat::Gif => "gif",
        OutputFormat::Tiff => "tiff",
    }
}

/// Image types and the one extension that Next stores for each.
const TYPES: [(&str, &str); 16] = [
    ("avif", "image/avif"),
    ("webp", "image/webp"),
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("jxl", "image/jxl"),
    ("jp2", "image/jp2"),
    ("heic", "image/heic"),
    ("gif", "image/gif"),
    ("svg", "image/svg+xml"),
    ("ico", "image/x-icon"),
    ("icns", "image/x-icns"),
    ("tiff", "image/tiff"),
    ("bmp", "image/bmp"),
    ("apng", "image/apng"),
    ("jpg", "image/jpeg"),
    ("tif", "image/tiff"),
];

/// The extension of an image type, its parameters ignored; `None` for a type that is no known image.
#[must_use]
pub fn extension(mime: &str) -> Option<&'static str> {
    let essence = mime.trim_start().split([';', ' ', '\t']).next().unwrap_or_default();
    TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(essence)).map(|(extension, _)| *extension)
}

/// The type of an extension; `application/octet-stream` for an unknown one.
#[must_use]
pub fn content_type(extension: &str) -> &'static str {
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map_or("application/octet-stream", |(_, mime)| mime)
}

/// One media range of the header.
struct Range {
    token: String,
    /// Parameters before `q`, as `;name=value`, spaces removed.
    params: String,
    specificity: usize,
    q: f64,
}

impl Range {
    fn kind(&self) -> (&str, &str) {
        let mut parts = self.token.split('/');
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }
}

/// The ranges in header order, those refused by `q=0` included; `None` when the header is malformed.
fn parse(accept: &str) -> Option<Vec<Range>> {
    let header = if accept.is_empty() { "*/*" } else { accept };
    let mut ranges = Vec::new();
    for part in split_unquoted(header, ',') {
        let mut fields = split_unquoted(part, ';').into_iter();
        let token = plain(fields.next().unwrap_or_default()).to_lowercase();
        if !is_media_range(&token) {
            continue;
        }
        let mut params: Vec<(String, String)> = Vec::new();
        let mut q = None;
        for field in fields {
            let [name, value] = split_unquoted(field, '=')[..] else { return None };
            let (name, value) = (plain(name), value_of(value));
            if value.is_empty() {
                return None;
            }
            if name == "q" || name == "Q" {
                q = Some(quality(&value));
            } else if q.is_none() {
                match params.iter_mut().find(|(known, _)| *known == name) {
                    Some(known) => known.1 = value,
                    None => params.push((name, value)),
                }
            }
        }
        ranges.push(Range {
            token,
            specificity: params.len(),
            params: params.iter().fold(String::new(), |text, (name, value)| text + ";" + name + "=" + value),
            q: q.unwrap_or(1.0),
        });
    }
    Some(ranges)
}

/// Splits at `separator`, but not between `="` and `"`. Blanks stay: one before the quote makes it none.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, letter) in unquoted(text) {
        if letter == separator {
            parts.push(&text[from..at]);
            from = at + letter.len_utf8();
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Leaves out spaces and tabs, and what stands between quotes.
fn plain(text: &str) -> String {
    unquoted(text).map(|(_, letter)| letter).filter(|letter| !matches!(letter, ' ' | '\t')).collect()
}

/// The value behind a `=`: a quotation as it is, anything else without blanks. What only begins like a quotation is one to
/// Next's parser, and it writes down that it knows none such.
fn value_of(text: &str) -> String {
    let quotation = text.strip_prefix('"').and_then(|inner| inner.split_once('"'));
    if let Some((quoted, rest)) = quotation
        && plain(rest).is_empty()
    {
        return format!("\"{quoted}\"");
    }
    let value = plain(text);
    if value.starts_with('"') { "\"undefined\"".into() } else { value }
}

/// The letters that are not in quotes, and where they are. Quotes begin with `="` and need an end.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut previous, mut quoted_until) = ('\0', 0);
    text.char_indices().filter(move |&(at, letter)| {
        let before = std::mem::replace(&mut previous, letter);
        let is_quoted = at < quoted_until;
        if !is_quoted
            && letter == '"'
            && before == '='
            && let Some(length) = text[at + 1..].find('"')
        {
            quoted_until = at + 1 + length + 1;
        }
        !is_quoted
    })
}

/// hapi's pattern, whose three alternatives are anchored differently: it starts with `*/*`, or has `type/*`
/// anywhere, or ends in `type/subtype`.
fn is_media_range(token: &str) -> bool {
    let bytes = token.as_bytes();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"_!#$%&'*+-.^`|~".contains(byte);
    let wildcard =
        || bytes.windows(3).any(|window| is_token(&window[0]) && window[1] == b'/' && window[2] == b'*');
    let full = || {
        bytes.iter().rposition(|byte| *byte == b'/').is_some_and(|slash| {
            slash > 0
                && is_token(&bytes[slash - 1])
                && slash + 1 < bytes.len()
                && bytes[slash + 1..].iter().all(is_token)
        })
    };
    token.starts_with("*/*") || wildcard() || full()
}

/// A weight by JavaScript's `parseFloat`; what is no number or out of 0, 0.001..=1 counts as 1.
fn quality(value: &str) -> f64 {
    let end = value
        .char_indices()
        .take_while(|(at, letter)| {
            letter.is_ascii_digit()
                || *letter == '.'
                || (matches!(letter, '+' | '-') && (*at == 0 || value[..*at].ends_with(['e', 'E'])))
                || matches!(letter, 'e' | 'E')
        })
        .last()
        .map_or(0, |(at, _)| at + 1);
    // The longest prefix that is a number: "0.5.1" is 0.5, "1e" is 1.
    let q = (1..=end.min(64)).rev().find_map(|length| value[..length].parse::<f64>().ok());
    match q {
        Some(q) if q == 0.0 || (0.001..=1.0).contains(&q) => q,
        _ => 1.0,
    }
}

/// The client's first choice among `formats`, or its first choice at all when `formats` is empty.
fn best(ranges: &[Range], formats: &[String]) -> Option<String> {
    let mut sorted: Vec<&Range> = ranges.iter().filter(|range| range.q > 0.0).collect();
    sorted.sort_by(|a, b| order(a, b));
    if formats.is_empty() {
        return sorted.first().map(|range| range.token.clone() + &range.params);
    }
    // A wildcard stands only for what has no range of its own, refused ones included.
    let unnamed: Vec<&String> =
        formats.iter().filter(|format| !ranges.iter().any(|range| range.token == **format)).collect();
    let found = sorted.into_iter().find_map(|range| match range.kind() {
        ("*", _) => unnamed.first().map(|format| (*format, "")),
        (kind, "*") => {
            let format = unnamed.iter().find(|format| format.split('/').next() == Some(kind))?;
            Some((*format, ""))
        }
        _ => Some((formats.iter().find(|format| **format == range.token)?, range.params.as_str())),
    });
    found.map(|(format, params)| format.clone() + params)
}

/// By weight, then by name with wildcards last, then the more specific, then (the sort is stable) as written.
fn order(a: &Range, b: &Range) -> Ordering {
    let by_name = |a: &str, b: &str| match (a, b) {
        _ if a == b => Ordering::Equal,
        ("*", _) => Ordering::Greater,
        (_, "*") => Ordering::Less,
        _ => a.cmp(b),
    };
    let ((kind_a, subtype_a), (kind_b, subtype_b)) = (a.kind(), b.kind());
    b.q.total_cmp(&a.q)
        .then_with(|| by_name(kind_a, kind_b))
        .then_with(|| by_name(subtype_a, subtype_b))
        .then_with(|| b.specificity.cmp(&a.specificity))
}

#[cfg(test)]
mod tests;
