//! Globs as picomatch understands them, made into regular expressions.
//!
//! Next gives hostnames to picomatch with its defaults and pathnames with `dot: true`, and tests what a URL parser
//! left of the address. Two things follow and keep the expressions simple. A parsed path starts with `/` and has no
//! `.` or `..` segment, so picomatch's guards against those can't fail and are left out. And a host has no `/`, so of
//! its guard against leading dots only the one at the very start is left.

use regex::{Regex, escape};

use super::translate::{GLOBSTAR, LAST_STAR, STAR, Translation, translate};
use crate::error::{Error, Result};

/// Longest glob that is compiled, bytes; picomatch's own limit.
const MAX_LENGTH: usize = 64 * 1024;

/// Steps that one match may take before it counts as a mismatch, for the few globs that can backtrack at all.
const MAX_STEPS: usize = 200_000;

/// A compiled glob.
#[derive(Debug, Clone)]
pub struct Glob {
    source: String,
    engine: Engine,
    no_leading_dot: bool,
    is_negated: bool,
}

#[derive(Debug, Clone)]
enum Engine {
    /// Linear time.
    Plain(Regex),
    /// For `!(…)` and other globs that need to look ahead.
    Backtracking(fancy_regex::Regex),
}

impl Glob {
    /// A glob for `URL.hostname`.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when it is empty, too long or does not compile.
    pub fn hostname(source: &str) -> Result<Self> {
        Self::compile(source, false)
    }

    /// A glob for `URL.pathname`; `*` also matches names with a leading dot.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when it is empty, too long or does not compile.
    pub fn pathname(source: &str) -> Result<Self> {
        Self::compile(source, true)
    }

    /// Does the whole of `text` match? A match that would take too long is none.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        let found = match &self.engine {
            Engine::Plain(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => match regex.is_match(text) {
                Ok(found) => found,
                Err(_) => return false,
            },
        };
        (found && !(self.no_leading_dot && text.starts_with('.'))) != self.is_negated
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    fn compile(source: &str, dot: bool) -> Result<Self> {
        let invalid = |why: &str| Error::InvalidOption(format!("pattern {source:?} {why}"));
        if source.is_empty() {
            return Err(invalid("is empty"));
        }
        if source.len() > MAX_LENGTH {
            return Err(invalid("is too long"));
        }
        let Translation { expression, no_leading_dot, is_negated } =
            well_known(source, dot).unwrap_or_else(|| translate(source, dot));
        let expression = format!("^(?:{expression})$");
        let engine = match Regex::new(&expression) {
            Ok(regex) => Engine::Plain(regex),
            Err(_) => fancy_regex::RegexBuilder::new(&expression)
                .backtrack_limit(MAX_STEPS)
                .build()
                .map(Engine::Backtracking)
                .map_err(|error| invalid(&format!("is no valid glob: {error}")))?,
        };
        Ok(Self { source: source.to_owned(), engine, no_leading_dot, is_negated })
    }
}

/// The handful of whole globs that picomatch answers from a table, where an optional `/` may follow: each alone, or
/// with plain `.ext` parts after it.
fn well_known(source: &str, dot: bool) -> Option<Translation> {
    let source = source.strip_prefix("./").unwrap_or(source);
    if !source.starts_with(['.', '*']) {
        return None;
    }
    // What stands before the last star, and whether that one spans segments.
    let table = |base: &str| {
        Some(match base {
            "*" | "***" => (String::new(), false),
            ".*" => (r"\.".into(), false),
            "*.*" => (format!(r"{STAR}\."), false),
            "*/*" => (format!("{STAR}/"), false),
            "**" | "**/**" | "**/**/**" => (String::new(), true),
            "**/*" => (format!("(?:{GLOBSTAR}/)?"), false),
            "**/*.*" => (format!(r"(?:{GLOBSTAR}/)?{STAR}\."), false),
            "**/.*" => (format!(r"(?:{GLOBSTAR}/)?\."), false),
            _ => return None,
        })
    };
    let mut base = source;
    let (head, is_globstar) = loop {
        if let Some(found) = table(base) {
            break found;
        }
        let (rest, part) = base.rsplit_once('.')?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        base = rest;
    };
    let extensions = escape(&source[base.len()..]);
    let tail = match (is_globstar, extensions.is_empty()) {
        (true, _) => format!("{GLOBSTAR}{extensions}/?"),
        (false, true) => LAST_STAR.to_owned(),
        (false, false) => format!("{STAR}{extensions}/?"),
    };
    let no_leading_dot = !dot && !matches!(base, ".*" | "**/.*");
    Some(Translation { expression: head + &tail, no_leading_dot, is_negated: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_globs_need_no_backtracking() {
        for glob in [
            "**",
            "/**",
            "/a/*",
            "/a/**",
            "/a/**/*.png",
            "/a/*/b/**",
            "/{a,b}/*.{png,jpg}",
            "/a/[0-9]/**",
            "/@(a|b)/**",
        ] {
            assert!(matches!(Glob::pathname(glob).unwrap().engine, Engine::Plain(_)), "{glob}");
        }
        for glob in [
            "*",
            "**",
            "example.com",
            "*.example.com",
            "**.example.com",
            "img-*.example.com",
            "{a,b}.example.com",
        ] {
            assert!(matches!(Glob::hostname(glob).unwrap().engine, Engine::Plain(_)), "{glob}");
        }
    }

    /// Newer versions of the backtracking engine let the second class match where nothing is left.
    #[test]
    fn what_stands_behind_a_star_must_match_too() {
        let glob = Glob::pathname("/(?!x)[a-b]+*[a-b]+").unwrap();
        assert!(matches!(glob.engine, Engine::Backtracking(_)));
        assert!(glob.is_match("/ab") && glob.is_match("/a-b"));
        assert!(!glob.is_match("/b") && !glob.is_match("/xb"));
    }

    /// As for JavaScript without its flag `u`.
    #[test]
    fn a_class_knows_no_properties_of_characters() {
        let glob = Glob::pathname(r"/[\p{L}x-z]").unwrap();
        assert!(glob.is_match("/p") && glob.is_match("/{") && glob.is_match("/L") && glob.is_match("/y"));
        assert!(!glob.is_match("/a") && !glob.is_match(r"/\"));
    }

    /// picomatch lets the last dot be any character here, and with it another domain's name match.
    #[test]
    fn a_dot_beside_a_range_or_stars_stays_a_dot() {
        for (glob, host) in [("cdn{1..3}.my.example", "cdn1.my"), ("***cdn.my.example", "a-cdn.my")] {
            let glob = Glob::hostname(glob).unwrap();
            assert!(glob.is_match(&format!("{host}.example")));
            assert!(!glob.is_match(&format!("{host}-example")));
        }
    }
}
