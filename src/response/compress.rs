//! Compression of the few image types that it helps, by the rules of the npm package `compression`.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// Smaller bodies are sent as they are, bytes.
const THRESHOLD: usize = 1024;

/// Does this type get smaller? All others are compressed formats already, or not known to gain.
pub(super) fn is_compressible(content_type: &str) -> bool {
    matches!(content_type, "image/svg+xml" | "image/bmp" | "image/x-icon")
}

/// The body in the coding that the client likes best, with its name. `None` when it goes out as it is.
pub(super) fn compress(body: &Bytes, accept_encoding: Option<&str>) -> Option<(&'static str, Bytes)> {
    if body.len() < THRESHOLD {
        return None;
    }
    let coding = preferred(accept_encoding.unwrap_or_default())?;
    let level = Compression::default();
    let compressed = if coding == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(body).and_then(|()| encoder.finish())
    } else {
        let mut encoder = ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(body).and_then(|()| encoder.finish())
    };
    Some((coding, compressed.ok()?.into()))
}

/// One element of the header: a coding and its weight.
type Offer<'a> = (&'a str, f64);

/// How well a coding fits. The fields stand in the order in which they decide.
struct Rank {
    q: f64,
    /// Named, and not just covered by `*`.
    is_named: bool,
    /// Where in the header.
    position: usize,
}

impl Rank {
    fn beats(&self, other: &Self) -> bool {
        let key = |rank: &Self| (usize::from(!rank.is_named), rank.position);
        other.q.total_cmp(&self.q).then_with(|| key(self).cmp(&key(other))).is_le()
    }
}

/// `gzip`, or `deflate` where gzip is not acceptable (some clients get deflate wrong), or neither because the client
/// likes the plain body better.
fn preferred(accept_encoding: &str) -> Option<&'static str> {
    let mut offers: Vec<Offer<'_>> = accept_encoding.split(',').filter_map(offer).collect();
    if !offers.iter().any(|(coding, _)| *coding == "*" || coding.eq_ignore_ascii_case("identity")) {
        // The plain body is always acceptable, and liked as little as what is liked least.
        let least = offers.iter().map(|(_, q)| *q).filter(|q| *q > 0.0).fold(1.0, f64::min);
        offers.push(("identity", least));
    }
    let identity = rank(&offers, "identity");
    let candidate = ["gzip", "deflate"].into_iter().find_map(|coding| Some((coding, rank(&offers, coding)?)));
    let (coding, rank) = candidate?;
    identity.is_none_or(|identity| rank.beats(&identity)).then_some(coding)
}

fn offer(element: &str) -> Option<Offer<'_>> {
    let mut parts = element.split(';');
    let coding = parts.next().unwrap_or_default().trim();
    if coding.is_empty() || coding.contains(char::is_whitespace) {
        return None;
    }
    let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
    // What is no number can't be preferred to anything.
    Some((coding, weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0))))
}

/// The rank of an acceptable coding: by the element that names it, else by `*`.
fn rank(offers: &[Offer<'_>], coding: &str) -> Option<Rank> {
    let named = |(offered, _): &Offer<'_>| offered.eq_ignore_ascii_case(coding);
    let best = offers
        .iter()
        .enumerate()
        .filter(|(_, offer)| named(offer) || offer.0 == "*")
        .max_by(|(_, a), (_, b)| named(a).cmp(&named(b)).then(a.1.total_cmp(&b.1)));
    let (position, offer) = best?;
    (offer.1 > 0.0).then(|| Rank { q: offer.1, is_named: named(offer), position })
}
