//! W3C Trace Context: the `traceparent` header, so that a line of the log can be found from a trace.

/// The ids of a request that is part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace<'a> {
    /// 32 hex digits.
    pub(super) trace_id: &'a str,
    /// 16 hex digits: the caller's span.
    pub(super) parent_id: &'a str,
}

/// Reads `00-<trace-id>-<parent-id>-<flags>`. Later versions may say more behind a further dash; version `ff`, ids of
/// zeros only and capital letters are not allowed (W3C Trace Context, 3.2.2).
pub(super) fn parse(header: &str) -> Option<Trace<'_>> {
    let mut parts = header.trim_matches([' ', '\t']).split('-');
    let version = parts.next().filter(|text| is_hex(text, 2) && *text != "ff")?;
    let trace_id = parts.next().filter(|text| is_hex(text, 32) && !is_zero(text))?;
    let parent_id = parts.next().filter(|text| is_hex(text, 16) && !is_zero(text))?;
    parts.next().filter(|text| is_hex(text, 2))?;
    let has_more = parts.next().is_some();
    (version != "00" || !has_more).then_some(Trace { trace_id, parent_id })
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn ids_are_read_from_this_version_and_later_ones() {
        let trace = Trace { trace_id: TRACE, parent_id: PARENT };
        for header in [
            format!("00-{TRACE}-{PARENT}-01"),
            format!(" 00-{TRACE}-{PARENT}-00 "),
            format!("01-{TRACE}-{PARENT}-01-what-comes"),
        ] {
            assert_eq!(parse(&header), Some(trace), "{header}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        let zeros = "0".repeat(32);
        for header in [
            String::new(),
            TRACE.to_owned(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("0\n-{TRACE}-{PARENT}-01"),
        ] {
            assert_eq!(parse(&header), None, "{header}");
        }
    }
}
