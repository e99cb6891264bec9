//! Names in the listings of a bucket.
//!
//! Whoever may write into the bucket chooses names there, and one that is no path (`a//b`, `../x`, a line break) makes
//! the crate refuse the whole page that it stands on, and with it a thousand of ours. None of our names is of that kind,
//! so such a name is blanked before the page is read.

use bytes::Bytes;
use memchr::memmem;

/// Takes the place of a name: well-formed and nobody's variant.
const BLANK: &[u8] = b"-";

/// The page, with every name blanked that can't be one of ours. S3 and Google write `<Key>`, Azure `<Name>`.
pub(crate) fn blank_foreign(page: Bytes) -> Bytes {
    let mut foreign: Vec<_> = [("<Key", "</Key>"), ("<Name", "</Name>")]
        .into_iter()
        .flat_map(|(from, to)| foreign_in(&page, from, to))
        .collect();
    if foreign.is_empty() {
        return page;
    }
    foreign.sort_by_key(|name| name.start);
    let (mut blanked, mut copied) = (Vec::with_capacity(page.len()), 0);
    for name in foreign {
        // Names do not overlap in XML; in what only looks like it, the first one counts.
        if name.start >= copied {
            blanked.extend_from_slice(&page[copied..name.start]);
            blanked.extend_from_slice(BLANK);
            copied = name.end;
        }
    }
    blanked.extend_from_slice(&page[copied..]);
    blanked.into()
}

/// Where the foreign names between these two tags are.
fn foreign_in(page: &[u8], from: &str, to: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut starts = memmem::find_iter(page, from.as_bytes());
    let end_of = memmem::Finder::new(to.as_bytes());
    let mut at = 0;
    while let Some(tag) = starts.find(|start| *start >= at) {
        // The tag may have attributes, and another one may begin alike (`<KeyCount>`).
        let rest = &page[tag + from.len()..];
        let Some(length) = memchr::memchr(b'>', rest) else { break };
        let start = tag + from.len() + length + 1;
        let is_tag = matches!(rest[0], b'>' | b' ') && (length == 0 || rest[length - 1] != b'/');
        at = start;
        if is_tag {
            let Some(length) = end_of.find(&page[start..]) else { break };
            at = start + length;
            if !is_plain(&page[start..at]) {
                found.push(start..at);
            }
        }
    }
    found
}

/// The alphabet of prefixes, keys and file names, in parts that are none of `.` and `..` and not empty. Escapes of XML
/// have a `&`, which is not in it.
fn is_plain(name: &[u8]) -> bool {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    name.split(|b| *b == b'/').all(|part| {
        let known = part.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.!".contains(b));
        known && !matches!(part, b"" | b"." | b"..")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(page: &str) -> String {
        String::from_utf8(blank_foreign(Bytes::copy_from_slice(page.as_bytes())).to_vec()).expect("UTF-8")
    }

    #[test]
    fn names_of_ours_stay() {
        let page = "<L><Name>bucket</Name><KeyCount>2</KeyCount><Key>image-cache/k-_1/60.1.a.b.webp</Key><Key>.x/</Key></L>";
        assert_eq!(blanked(page), page);
    }

    #[test]
    fn names_that_are_no_path_are_blanked() {
        for odd in
            ["a//b", "../x", "a/../b", "/a", "a/./b", "", ".", "a b", "a&#10;b", ".&#46;/x", "\u{e4}", "a\nb"]
        {
            let page =
                format!("<C><Key>{odd}</Key><Key>a/b</Key></C><B><Name Encoded=\"true\">{odd}</Name></B>");
            let expected = "<C><Key>-</Key><Key>a/b</Key></C><B><Name Encoded=\"true\">-</Name></B>";
            assert_eq!(blanked(&page), expected, "{odd:?}");
        }
    }

    #[test]
    fn what_is_no_xml_comes_back_in_some_way() {
        for page in [
            "",
            "<Key",
            "<Key>",
            "<Key><Name></Key></Name>",
            "<Key><Key></Key>",
            "</Key><Key>",
            "<Name/><Key/>",
        ] {
            let _ = blanked(page);
        }
    }
}
