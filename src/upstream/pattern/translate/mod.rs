//! From a glob to the source of a regular expression, for all globs that are not answered from the table.
//!
//! Parentheses and what picomatch does not give a meaning of its own pass through as in a regular expression.

mod class;
mod groups;

use std::fmt::Write;

use regex::escape;

use class::{class, class_length};
use groups::{Close, Group};

/// Any text without `/`.
pub(super) const STAR: &str = "[^/]*?";
/// A star at the very end: something must be left to match, and a `/` may follow.
pub(super) const LAST_STAR: &str = "(?:[^/]+/?|/)";
/// Any text.
pub(super) const GLOBSTAR: &str = ".*?";
/// Something must be left to match.
const ONE_CHAR: &str = "(?=.)";

/// What a glob means.
pub(super) struct Translation {
    /// A regular expression, not anchored. What can't be translated (an open group) comes out as an invalid one.
    pub(super) expression: String,
    /// Text that starts with a dot does not match, whatever the expression says.
    pub(super) no_leading_dot: bool,
    /// The answer is to be turned round.
    pub(super) is_negated: bool,
}

/// Reads `source`. `dot` says that stars match leading dots. Look-aheads are used only where nothing simpler says the
/// same, so that ordinary globs run on an engine without backtracking.
pub(super) fn translate(source: &str, dot: bool) -> Translation {
    let mut source = source;
    while let Some(rest) = source.strip_prefix("./") {
        source = rest;
    }
    // Without a slash, a group or a leading star, picomatch takes dots and bars as plain text.
    let is_plain =
        !source.starts_with(['*', '!']) && !source.contains(['/', '(', ')', '[', ']', '{', '}', '"']);
    let glob: Vec<char> = source.chars().collect();
    let bangs = glob.iter().take_while(|letter| **letter == '!').count();
    // In `!!(x)` the last one belongs to the group.
    let bangs =
        bangs - usize::from(bangs > 0 && glob.get(bangs) == Some(&'(') && glob.get(bangs + 1) != Some(&'?'));
    let mut translator = Translator {
        glob: &glob,
        at: bangs,
        start: bangs,
        dot,
        is_plain,
        output: String::new(),
        last: Token::Start,
        before_slash: Token::Start,
        slash_at: 0,
        one_char_at: None,
        no_leading_dot: false,
        groups: Vec::new(),
    };
    while translator.at < glob.len() {
        translator.step();
    }
    translator.finish();
    Translation {
        expression: translator.output,
        no_leading_dot: translator.no_leading_dot,
        is_negated: bangs % 2 == 1,
    }
}

/// What was written last; it decides what a star means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Start,
    Slash,
    /// A dot where a segment or an alternative may begin.
    Dot,
    Text,
    Star,
    Globstar,
    Bracket,
    ParenOpen,
    ParenClose,
    BraceOpen,
    BraceClose,
    Comma,
}

struct Translator<'a> {
    glob: &'a [char],
    at: usize,
    /// Where the glob begins, after leading `!`.
    start: usize,
    dot: bool,
    is_plain: bool,
    output: String,
    last: Token,
    /// What stood before the last slash, and where that slash is in the output.
    before_slash: Token,
    slash_at: usize,
    /// Where the last star put [`ONE_CHAR`], until it is known whether that is needed.
    one_char_at: Option<usize>,
    no_leading_dot: bool,
    groups: Vec<Group>,
}

impl Translator<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.glob.get(self.at + ahead).copied()
    }

    fn push(&mut self, token: Token, text: &str) {
        self.output.push_str(text);
        self.last = token;
        self.one_char_at = None;
    }

    /// Writes text that must be there; it does what a pending [`ONE_CHAR`] asks for.
    fn push_required(&mut self, token: Token, text: &str) {
        if let Some(at) = self.one_char_at.take() {
            self.output.replace_range(at..at + ONE_CHAR.len(), "");
        }
        self.push(token, text);
    }

    fn finish(&mut self) {
        if self.is_plain || !matches!(self.last, Token::Star | Token::Bracket) {
            return;
        }
        match self.one_char_at {
            Some(at) => self.output.replace_range(at.., LAST_STAR),
            None => self.output.push_str("/?"),
        }
    }

    /// Is the innermost group a brace?
    fn is_in_brace(&self) -> bool {
        self.groups.last().is_some_and(|group| group.close == Close::Brace)
    }

    /// Reads one character, or the run that belongs to it.
    fn step(&mut self) {
        let letter = self.glob[self.at];
        if matches!(letter, '?' | '+' | '*' | '@' | '!') && self.opens_extglob() {
            return self.open_extglob(letter);
        }
        self.at += 1;
        match letter {
            '\0' => {}
            '\\' => self.escaped(),
            '"' => self.quoted(),
            '[' => self.bracket(),
            '(' => self.open(Close::Paren, Token::ParenOpen, "("),
            ')' => self.close_paren(),
            '{' => self.open_brace(),
            '}' => self.close_brace(),
            ',' if self.is_in_brace() => {
                if let Some(group) = self.groups.last_mut() {
                    group.has_comma = true;
                }
                self.push(Token::Comma, "|");
            }
            ',' => self.push(Token::Comma, ","),
            '|' => self.push(Token::Text, if self.is_plain { r"\|" } else { "|" }),
            '/' => {
                self.before_slash = self.last;
                // Before `**` the slash may yet become optional.
                if self.glob[self.at..].starts_with(&['*', '*']) {
                    self.slash_at = self.output.len();
                    self.push(Token::Slash, "/");
                } else {
                    self.push_required(Token::Slash, "/");
                }
            }
            '.' => {
                let may_begin = !self.groups.is_empty() || matches!(self.last, Token::Start | Token::Slash);
                self.push_required(if may_begin && !self.is_plain { Token::Dot } else { Token::Text }, r"\.");
            }
            '?' => self.question_mark(),
            '+' => self.plus(),
            '*' => self.star(),
            letter => self.push_required(Token::Text, &escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }

    fn escaped(&mut self) {
        let Some(letter) = self.peek(0) else {
            return self.push(Token::Text, r"\\");
        };
        if matches!(letter, '/' | '.' | ';') {
            return;
        }
        self.at += 1;
        if "dDwWsSbB".contains(letter) {
            self.push(Token::Text, &format!("\\{letter}"));
        } else {
            self.push(Token::Text, &escape(letter.encode_utf8(&mut [0; 4])));
        }
    }

    fn quoted(&mut self) {
        let rest = &self.glob[self.at..];
        let length = rest.iter().position(|letter| *letter == '"').unwrap_or(rest.len());
        let text: String = rest[..length].iter().collect();
        self.at += length + 1;
        if !text.is_empty() {
            self.push(Token::Text, &escape(&text));
        }
    }

    fn question_mark(&mut self) {
        let next = self.peek(0);
        match self.last {
            // The head of `(?:`, `(?=` and their like, or a question mark that can't repeat anything.
            Token::ParenOpen if next.is_some_and(|next| "!=<:".contains(next)) => self.push(Token::Text, "?"),
            Token::ParenOpen => self.push(Token::Text, r"\?"),
            Token::ParenClose => self.push(Token::Text, "?"),
            Token::Start | Token::Slash if !self.dot => self.push(Token::Text, "[^./]"),
            _ => self.push(Token::Text, "[^/]"),
        }
    }

    /// Repeats what a group or a class stands for, else is itself.
    fn plus(&mut self) {
        let repeats =
            matches!(self.last, Token::Bracket | Token::ParenClose | Token::BraceOpen | Token::BraceClose)
                || self.groups.iter().any(|group| group.close != Close::Brace);
        let is_first = self.last == Token::ParenOpen;
        self.push(Token::Text, if repeats && !is_first { "+" } else { r"\+" });
    }

    fn star(&mut self) {
        let after = self.last;
        let may_be_globstar = match after {
            Token::Start | Token::Slash | Token::ParenOpen | Token::ParenClose => true,
            Token::Comma | Token::BraceOpen => self.groups.iter().any(|group| group.close == Close::Brace),
            _ => false,
        };
        let mut run = 1;
        // Once there are two, a further one no longer opens a group.
        while self.peek(0) == Some('*') && (run > 1 && may_be_globstar || !self.opens_extglob()) {
            self.at += 1;
            run += 1;
        }
        if run == 2 && may_be_globstar {
            self.skip_repeated_globstars();
            // Before anything else it is no segment of its own, and only a star.
            let is_whole = match self.peek(0) {
                None | Some('/' | '(' | ')' | '{') => true,
                // Of the groups with a sign before them, this one alone is taken for a plain one.
                Some('@') => self.opens_extglob(),
                Some(',' | '}') => self.groups.iter().any(|group| group.close == Close::Brace),
                Some(_) => false,
            };
            if is_whole {
                return self.globstar(after);
            }
        }
        if self.is_plain {
            return self.push(Token::Star, STAR);
        }
        let begins = self.at - run == self.start || after == Token::Slash;
        if after == Token::Dot {
            self.output.push_str(r"(?!\.?(?:/|$))");
        } else if begins {
            self.forbid_dot();
        }
        let one_char_at = self.output.len();
        let needs_one = run == 1 && self.peek(0) != Some('*') && (begins || after == Token::Dot);
        if needs_one {
            self.output.push_str(ONE_CHAR);
        }
        self.push(Token::Star, STAR);
        self.one_char_at = needs_one.then_some(one_char_at);
    }

    /// A star that begins a segment matches no dot there, unless the glob is for paths.
    fn forbid_dot(&mut self) {
        if self.dot {
            return;
        }
        if self.output.is_empty() && !self.glob.contains(&'|') {
            self.no_leading_dot = true;
        } else {
            self.output.push_str(r"(?!\.)");
        }
    }

    /// `**/**` is `**`.
    fn skip_repeated_globstars(&mut self) {
        while self.glob[self.at..].starts_with(&['/', '*', '*']) && matches!(self.peek(3), None | Some('/')) {
            self.at += 3;
        }
    }

    /// `**` as a whole segment; between other segments it may also stand for none.
    fn globstar(&mut self, after: Token) {
        if after == Token::Start {
            self.forbid_dot();
        }
        // A host has no slash, so what follows one needs no guard.
        let next_is_slash = self.peek(0) == Some('/');
        match after {
            Token::Slash if self.before_slash != Token::Start && next_is_slash => {
                self.output.truncate(self.slash_at);
                self.at += 1;
                let or_end = if self.at < self.glob.len() { "|$" } else { "" };
                let _ = write!(self.output, "(?:/{GLOBSTAR}/|/{or_end})");
            }
            Token::Slash
                if self.before_slash != Token::Start
                    && !matches!(self.before_slash, Token::Star | Token::Globstar)
                    && self.at == self.glob.len() =>
            {
                self.output.truncate(self.slash_at);
                return self.push(Token::Globstar, &format!("(?:/{GLOBSTAR}|$)"));
            }
            Token::Start if next_is_slash => {
                self.at += 1;
                let _ = write!(self.output, "(?:^|/|{GLOBSTAR}/)");
            }
            _ => return self.push(Token::Globstar, GLOBSTAR),
        }
        // The slash after it is part of what was written.
        self.before_slash = Token::Globstar;
        self.slash_at = self.output.len();
        self.last = Token::Slash;
    }

    fn bracket(&mut self) {
        let Some(length) = class_length(&self.glob[self.at..]) else {
            return self.push(Token::Bracket, r"\[");
        };
        let inner: Vec<char> = self.glob[self.at..self.at + length].to_vec();
        self.at += length + 1;
        let (mut class, is_posix) = class(&inner);
        let is_regex = class.contains(['-', '*', '+', '?', '.', '^', '$', '{', '}', '(', '|', ')', '[', ']']);
        if class.starts_with('^') && !is_posix && !class.contains('/') {
            class.push('/');
        }
        if is_regex {
            self.push(Token::Bracket, &format!("[{class}]"));
        } else {
            let literal: String = inner.iter().collect();
            self.push(Token::Bracket, &format!("(?:{}|[{class}])", escape(&format!("[{literal}]"))));
        }
    }
}
