//! Where a setting comes from, and how its value is read.

use std::fmt;

use url::Url;

use crate::error::{Error, Result};

/// The environment, where an empty value counts as none.
#[derive(Clone, Copy)]
pub(in crate::cache::object) struct Env<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Env<'_> {
    /// The first of these names that is set.
    pub(in crate::cache::object) fn first(&self, names: &[&str]) -> Option<String> {
        self.first_named(names).map(|(_, value)| value)
    }

    /// The same, with the name.
    pub(in crate::cache::object) fn first_named<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| {
            let value = (self.0)(name)?.trim().to_owned();
            (!value.is_empty()).then_some((*name, value))
        })
    }

    /// The first of these names that is set, never shown.
    pub(in crate::cache::object) fn secret(&self, names: &[&str]) -> Option<Secret> {
        self.first(names).map(Secret)
    }

    /// `true`, `1`, `false`, `0` under this name.
    pub(in crate::cache::object) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.first(&[name]).map(|value| flag(name, &value)).transpose()
    }
}

/// A text that no log may show.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cache::object) struct Secret(pub(in crate::cache::object) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A setting that can't be used.
pub(in crate::cache::object) fn invalid(text: impl Into<String>) -> Error {
    Error::InvalidOption(text.into())
}

/// `true` or `1`, `false` or `0`.
pub(in crate::cache::object) fn flag(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid(format!("{name}: set it to true or false"))),
    }
}

/// The address of a store: `http://host` or `https://host`, with a port and a path as they may be. It is not repeated
/// in the error, because a part of it may be a password.
pub(in crate::cache::object) fn endpoint(name: &str, value: &str) -> Result<Url> {
    let wrong = || {
        invalid(format!("{name}: set it to an address such as https://s3.example.com or http://minio:9000"))
    };
    let url = Url::parse(value).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(format!("{name}: leave name and password out of the address")));
    }
    Ok(url)
}
