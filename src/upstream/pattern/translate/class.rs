//! `[…]` in a glob.

/// Characters up to the `]` that closes a class; one that stands first does not. `None` when there is no end.
pub(super) fn class_length(rest: &[char]) -> Option<usize> {
    let mut at = usize::from(rest.first() == Some(&'^'));
    at += usize::from(rest.get(at) == Some(&']'));
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '[' if rest.get(at + 1) == Some(&':') => {
                let name = rest[at..].windows(2).position(|window| window == [':', ']']);
                at += name.map_or(1, |name| name + 2);
            }
            ']' => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// The inside of a class, `[:name:]` replaced, and whether there was one.
pub(super) fn class(inner: &[char]) -> (String, bool) {
    let mut class = String::new();
    let mut is_posix = false;
    let mut at = 0;
    while at < inner.len() {
        let letter = inner[at];
        if letter == '[' && inner.get(at + 1) == Some(&':') {
            let length = inner[at..].windows(2).position(|window| window == [':', ']']).unwrap_or(0);
            let name: String = inner[at..].iter().skip(2).take(length.saturating_sub(2)).collect();
            if let Some(members) = posix_class(&name) {
                class.push_str(members);
                is_posix = true;
                at += length + 2;
                continue;
            }
        }
        match letter {
            '\\' => {
                // JavaScript has no properties of characters without its flag `u`, and takes the letter.
                if !matches!(inner.get(at + 1), Some('p' | 'P')) {
                    class.push('\\');
                }
                class.extend(inner.get(at + 1));
                at += 1;
            }
            '-' if at + 1 == inner.len() => class.push_str(r"\-"),
            // Rust's classes nest and have operators; JavaScript's do not.
            '[' | ']' | '&' | '~' => class.extend(['\\', letter]),
            letter => class.push(letter),
        }
        at += 1;
    }
    (class, is_posix)
}

fn posix_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "a-zA-Z0-9",
        "alpha" => "a-zA-Z",
        "ascii" => r"\x00-\x7F",
        "blank" => r" \t",
        "cntrl" => r"\x00-\x1F\x7F",
        "digit" => "0-9",
        "graph" => r"\x21-\x7E",
        "lower" => "a-z",
        "print" => r"\x20-\x7E",
        "punct" => r"!-/:-@\[-`{-\x7E",
        "space" => r"\s",
        "upper" => "A-Z",
        "word" => "A-Za-z0-9_",
        "xdigit" => "A-Fa-f0-9",
        _ => return None,
    })
}
