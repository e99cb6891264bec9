//! `Content-Disposition`: the name under which a browser saves the image.

use std::fmt::Write;

use crate::config::DispositionType;
use crate::negotiate::extension;

/// The header for the source `href` sent as `content_type`: the last segment of the path up to its first dot, with the
/// extension of what is sent. Names that a quoted string can't hold are sent twice, as Latin-1 with `?` for the rest and
/// in the extended form of RFC 8187.
pub(super) fn header(href: &str, content_type: &str, kind: DispositionType) -> String {
    let name = file_name(href, content_type);
    let kind = match kind {
        DispositionType::Attachment => "attachment",
        DispositionType::Inline => "inline",
    };
    let mut quoted = String::with_capacity(name.len());
    let mut is_latin = true;
    for letter in name.chars() {
        if !is_latin_text(letter) {
            is_latin = false;
            // One for each of JavaScript's characters.
            quoted.extend(std::iter::repeat_n('?', letter.len_utf16()));
            continue;
        }
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    let mut header = format!("{kind}; filename=\"{quoted}\"");
    // A name with percent escapes would be decoded by some browsers; the extended form says that it is meant as it is.
    if !is_latin || has_escape(&name) {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.!~".contains(&byte) {
                header.push(char::from(byte));
            } else {
                let _ = write!(header, "%{byte:02X}");
            }
        }
    }
    header
}

fn file_name(href: &str, content_type: &str) -> String {
    let path = href.split('?').next().unwrap_or_default();
    let segment = path.rsplit('/').next().unwrap_or_default();
    if segment.is_empty() {
        return "image.bin".into();
    }
    let name = segment.split('.').next().unwrap_or_default();
    format!("{name}.{}", extension(content_type).unwrap_or("bin"))
}

/// Printable ISO 8859-1.
fn is_latin_text(letter: char) -> bool {
    (' '..='~').contains(&letter) || ('\u{a0}'..='\u{ff}').contains(&letter)
}

fn has_escape(name: &str) -> bool {
    name.as_bytes()
        .windows(3)
        .any(|window| window[0] == b'%' && window[1].is_ascii_hexdigit() && window[2].is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn h7_names_are_escaped_as_by_the_package_that_next_uses() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/requests.json")).unwrap();
        let rows = fixture["dispositions"].as_array().unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            let href = format!("/dir/{}", row[0].as_str().unwrap());
            assert_eq!(
                header(&href, "image/webp", DispositionType::Inline),
                row[1].as_str().unwrap(),
                "{}",
                row[0]
            );
        }
    }
}
