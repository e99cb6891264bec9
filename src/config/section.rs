//! Typed reading of one object of a config, with the field's full name in every error.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// One object of a config; an absent one reads as empty.
pub(super) struct Section<'a> {
    object: Option<&'a Map<String, Value>>,
    /// `images.` or so; empty for the config itself.
    prefix: String,
}

impl<'a> Section<'a> {
    /// The config itself.
    pub(super) fn root(config: &'a Value) -> Result<Self> {
        Self::new(config, String::new())
    }

    fn new(value: &'a Value, prefix: String) -> Result<Self> {
        let name = if prefix.is_empty() { "nextConfig" } else { prefix.trim_end_matches('.') };
        let object =
            value.as_object().ok_or_else(|| Error::InvalidOption(format!("{name} must be an object")))?;
        Ok(Self { object: Some(object), prefix })
    }

    /// An object inside this one.
    pub(super) fn section(&self, name: &str) -> Result<Section<'a>> {
        let prefix = format!("{}{name}.", self.prefix);
        match self.value(name) {
            Some(value) => Section::new(value, prefix),
            None => Ok(Section { object: None, prefix }),
        }
    }

    /// A field that is there and not `null`, which Next takes for absent.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    /// The error for a field, with its full name.
    pub(super) fn invalid(&self, name: &str, why: &str) -> Error {
        Error::InvalidOption(format!("{}{name} {why}", self.prefix))
    }

    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>> {
        self.value(name)
            .map(|value| value.as_bool().ok_or_else(|| self.invalid(name, "must be a boolean")))
            .transpose()
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<String>> {
        self.value(name)
            .map(|value| {
                value.as_str().map(str::to_owned).ok_or_else(|| self.invalid(name, "must be a string"))
            })
            .transpose()
    }

    /// A whole number from `min` to `max`.
    pub(super) fn integer(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>> {
        self.value(name).map(|value| self.whole(name, value, min, max)).transpose()
    }

    fn whole(&self, name: &str, value: &Value, min: u64, max: u64) -> Result<u64> {
        let number = value.as_u64().or_else(|| {
            // A JavaScript number may arrive as 64.0.
            value
                .as_f64()
                .filter(|number| number.fract() == 0.0 && (0.0..=2f64.powi(53)).contains(number))
                .map(|n| n as u64)
        });
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.invalid(name, &format!("must be an integer from {min} to {max}")))
    }

    /// A list of at most `most` elements.
    pub(super) fn list(&self, name: &str, most: usize) -> Result<Option<&'a [Value]>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let list = value.as_array().ok_or_else(|| self.invalid(name, "must be an array"))?;
        if list.len() > most {
            return Err(self.invalid(name, &format!("must have at most {most} elements")));
        }
        Ok(Some(list))
    }

    /// A list of whole numbers.
    pub(super) fn integers(&self, name: &str, most: usize, min: u64, max: u64) -> Result<Option<Vec<u64>>> {
        self.elements(name, most, |name, value| self.whole(name, value, min, max))
    }

    /// A list of strings.
    pub(super) fn strings(&self, name: &str, most: usize) -> Result<Option<Vec<String>>> {
        self.elements(name, most, |name, value| {
            value.as_str().map(str::to_owned).ok_or_else(|| self.invalid(name, "must be a string"))
        })
    }

    /// A list whose elements `read` understands; it is given each one's name.
    pub(super) fn elements<T>(
        &self,
        name: &str,
        most: usize,
        read: impl Fn(&str, &Value) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(list) = self.list(name, most)? else { return Ok(None) };
        list.iter()
            .enumerate()
            .map(|(index, value)| read(&format!("{name}[{index}]"), value))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// The object that an element of a list is; `name` as [`Section::elements`] gives it.
    pub(super) fn element<'b>(&self, name: &str, value: &'b Value) -> Result<Section<'b>> {
        Section::new(value, format!("{}{name}.", self.prefix))
    }
}
