//! Every use of `unsafe` in the crate stands in the table of docs/SECURITY.md, with the reason that there is no other
//! way. Whoever adds one has to say so there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder of ours").map(|entry| entry.expect("readable").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// How often each file says `unsafe` in code: blocks, functions, implementations.
fn in_sources() -> BTreeMap<String, usize> {
    let comment = Regex::new(r"//.*").expect("valid");
    let word = Regex::new(r"\bunsafe\b").expect("valid");
    let mut found = BTreeMap::new();
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let folders = ["src", "crates"].map(|folder| files(&root().join(folder)));
    for path in folders.into_iter().flatten().filter(is_source) {
        let source = fs::read_to_string(&path).expect("UTF-8");
        let count = source.lines().map(|line| word.find_iter(&comment.replace(line, "")).count()).sum();
        if count > 0 {
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.insert(name, count);
        }
    }
    found
}

/// What the table says: `| file | number | reason |`.
fn in_table() -> BTreeMap<String, usize> {
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).expect("the page");
    let row = Regex::new(r"(?m)^\| `((?:src|crates)/[^`]+)` *\| *(\d+) *\| *(\S.*?) *\|$").expect("valid");
    row.captures_iter(&page).map(|row| (row[1].to_owned(), row[2].parse().expect("a number"))).collect()
}

#[test]
fn every_use_of_unsafe_is_listed_with_its_reason() {
    let found = in_sources();
    assert!(!found.is_empty(), "the encoders in C are called somewhere");
    assert_eq!(
        found,
        in_table(),
        "src/ and crates/ are on the left, the table of docs/SECURITY.md on the right"
    );
}

/// What parses bytes from outside has none at all.
#[test]
fn no_parser_has_unsafe_code() {
    for folder in
        ["src/image/decode", "src/image/color", "src/image/svg", "src/upstream", "src/response", "src/cache"]
    {
        assert!(root().join(folder).is_dir(), "{folder} is gone");
        let within: Vec<String> = in_sources().into_keys().filter(|file| file.starts_with(folder)).collect();
        assert_eq!(within, Vec::<String>::new());
    }
}
