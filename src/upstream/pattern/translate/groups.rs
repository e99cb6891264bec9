//! Parentheses, extglobs and braces.

use regex::{Regex, escape};

use super::{GLOBSTAR, ONE_CHAR, STAR, Token, Translator, translate};

/// What the end of an open group writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    Paren,
    /// `)` and this.
    Extglob(&'static str),
    /// `!(…)`.
    Negated,
    Brace,
}

/// A group whose end has not come yet.
pub(super) struct Group {
    pub(super) close: Close,
    /// Where it starts in the output.
    output_at: usize,
    /// Where its content starts in the glob.
    inner_at: usize,
    pub(super) has_comma: bool,
}

impl Translator<'_> {
    /// Does `X(` begin an extglob here? `X(?` is left to the regular expression, and so is `(?(`.
    pub(super) fn opens_extglob(&self) -> bool {
        let letter = self.glob[self.at];
        if self.peek(1) != Some('(') || (letter == '?' && self.last == Token::ParenOpen) {
            return false;
        }
        match self.peek(2) {
            Some('?') => letter == '!' && !matches!(self.peek(3), Some('!' | '=' | '<' | ':')),
            next => letter != '*' || next.is_some(),
        }
    }

    pub(super) fn open_extglob(&mut self, letter: char) {
        self.at += 2;
        let (open, close) = match letter {
            '@' => return self.open(Close::Paren, Token::ParenOpen, "("),
            '!' => ("(?:(?!(?:", Close::Negated),
            '?' => ("(?:", Close::Extglob("?")),
            '+' => ("(?:", Close::Extglob("+")),
            _ => ("(?:", Close::Extglob("*")),
        };
        if self.output.is_empty() {
            self.output.push_str(ONE_CHAR);
        }
        self.open(close, Token::ParenOpen, open);
    }

    pub(super) fn open(&mut self, close: Close, token: Token, text: &str) {
        let group = Group { close, output_at: self.output.len(), inner_at: self.at, has_comma: false };
        self.groups.push(group);
        self.push(token, text);
    }

    pub(super) fn close_paren(&mut self) {
        if !self.groups.iter().any(|group| group.close != Close::Brace) {
            return self.push(Token::Text, r"\)");
        }
        let Some(group) = self.groups.pop_if(|group| group.close != Close::Brace) else {
            // A brace is still open inside the parenthesis: no sense can be made of it.
            return self.push(Token::ParenClose, ")");
        };
        match group.close {
            Close::Extglob(suffix) => self.push(Token::ParenClose, &format!("){suffix}")),
            Close::Negated => self.close_negated(&group),
            Close::Paren | Close::Brace => self.push(Token::ParenClose, ")"),
        }
    }

    /// What is excluded must reach to the end where nothing follows, and else is only a prefix.
    pub(super) fn close_negated(&mut self, group: &Group) {
        let inner = &self.glob[group.inner_at..self.at - 1];
        let rest = &self.glob[self.at..];
        let any = if inner.len() > 1 && inner.contains(&'/') { GLOBSTAR } else { STAR };
        let is_extension =
            rest.len() > 1 && rest[0] == '.' && !rest[1..].iter().any(|letter| "\\/.".contains(*letter));
        let end = if inner.contains(&'*') && is_extension {
            let extension = translate(&rest.iter().collect::<String>(), self.dot);
            format!("){}){any})", extension.expression)
        } else if any == GLOBSTAR || rest.iter().all(|letter| *letter == ')') {
            format!(")$){any})")
        } else {
            format!(")){any})")
        };
        self.push(Token::ParenClose, &end);
    }

    pub(super) fn open_brace(&mut self) {
        let rest = &self.glob[self.at..];
        let length = rest.iter().position(|letter| "{}(),/\\\"*".contains(*letter)).unwrap_or(rest.len());
        let inner: String = rest[..length].iter().collect();
        if rest.get(length) == Some(&'}') && inner.contains("..") {
            self.at += length + 1;
            let mut ends: Vec<&str> = inner.split("..").filter(|end| !end.is_empty()).collect();
            ends.sort_unstable();
            let class = format!("[{}]", ends.join("-"));
            let text = if Regex::new(&class).is_ok() { class } else { escape(&ends.join("..")) };
            return self.push(Token::BraceClose, &text);
        }
        self.open(Close::Brace, Token::BraceOpen, "(");
    }

    pub(super) fn close_brace(&mut self) {
        let Some(group) = self.groups.pop_if(|group| group.close == Close::Brace) else {
            return self.push(Token::Text, r"\}");
        };
        if group.has_comma {
            return self.push(Token::BraceClose, ")");
        }
        // Nothing to choose from: the braces are meant as they stand.
        self.output.replace_range(group.output_at..=group.output_at, r"\{");
        self.push(Token::BraceClose, r"\}");
    }
}
