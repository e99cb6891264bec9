//! The Next config that the image path reads, from the user's object or from the build's own manifests.
//!
//! Defaults, ranges and normalisation are those of Next 16.4.6 (`config-shared`, `config-schema`, `config`).

mod images;
mod section;

use std::fs;
use std::path::Path;

use serde_json::Value;

pub use images::{DispositionType, Images};
use section::Section;

use crate::error::{Error, Result};

/// The file in which `next build` keeps the config that it resolved.
const BUILD_CONFIG: &str = "required-server-files.json";

/// `imgOptMaxInputPixels` where the config says `true` or nothing.
const DEFAULT_MAX_INPUT_PIXELS: u64 = 268_402_689;

/// Largest integer that JavaScript counts exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What `/_next/image` depends on.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are those of the config, one by one")]
pub struct Config {
    /// `images`.
    pub images: Images,
    /// `basePath`: empty, or `/…` without a slash at the end. Default empty.
    pub base_path: String,
    /// `trailingSlash`: the endpoint is `/_next/image/`. Default false.
    pub trailing_slash: bool,
    /// `skipTrailingSlashRedirect`: both spellings of the endpoint are served. Default false.
    pub skip_trailing_slash_redirect: bool,
    /// `distDir`, relative to the app. Default `.next`.
    pub dist_dir: String,
    /// `compress`: svg, bmp and ico go out gzipped. Default true.
    pub compress: bool,
    /// `generateEtags`. Default true; Next 16.4.6 sends the tag for images either way.
    pub generate_etags: bool,
    /// `output`, `None` for an ordinary server.
    pub output: Option<BuildOutput>,
    /// `cacheHandler`, a module path.
    pub cache_handler: Option<String>,
    /// Is this `next dev`? Not part of a config; false until the caller says otherwise.
    pub dev: bool,
    /// Next's own answers also where they are defects? Not part of a config; false until the caller says otherwise.
    pub strict: bool,
    /// `experimental.isrFlushToDisk`: false keeps variants off the disk. Default true.
    pub is_flush_to_disk: bool,
    /// `experimental.imgOpt…`.
    pub img_opt: ImgOpt,
}

/// `output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOutput {
    /// A server with all that it needs.
    Standalone,
    /// Static files; the endpoint answers 400.
    Export,
}

/// `experimental.imgOpt…`: what one image may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImgOpt {
    /// `imgOptConcurrency`: threads of one encode; `None` leaves it to us. `null` in the config is `None`.
    pub concurrency: Option<u32>,
    /// `imgOptOperationCache`, a setting of sharp's; read and not used.
    pub operation_cache: Option<bool>,
    /// `imgOptTimeoutInSeconds`: 0..=3600, 0 for none. Default 7.
    pub timeout_secs: u32,
    /// `imgOptMaxInputPixels`: width × height that a source may have; `false` or 0 in the config is `None`, no limit.
    /// Default 268 402 689.
    pub max_input_pixels: Option<u64>,
    /// `imgOptSequentialRead`, a setting of sharp's; read and not used.
    pub sequential_read: Option<bool>,
    /// `imgOptMozjpeg`: progressive JPEG with trellis quantisation. Default true.
    pub mozjpeg: bool,
}

/// Who wrote the object: a resolved config says all, so what it leaves out is not restricted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    User,
    Build,
}

impl Config {
    /// Reads a next.config object as the user wrote it and fills in Next's defaults. Keys that don't matter for images
    /// are ignored; `null` means the default, as in Next. `URL` instances among the remotePatterns may come as their
    /// text, as `{ href }` or as an object with `protocol`, `hostname`, `port`, `pathname` and `search`.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], which names the field, for a wrong type, a value out of Next's range or a bad pattern.
    pub fn from_json(config: &Value) -> Result<Self> {
        Self::read(config, Origin::User)
    }

    /// Reads what `next build` left in `dir/.next`, or in `dir` itself when that is the build's folder.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when there is no build, or its config can't be used.
    pub fn from_build(dir: &Path) -> Result<Self> {
        let candidates = [dir.join(".next").join(BUILD_CONFIG), dir.join(BUILD_CONFIG)];
        let path = candidates.iter().find(|path| path.is_file()).ok_or_else(|| {
            Error::InvalidOption(format!(
                "dir: no {BUILD_CONFIG} in {} or its .next; run next build",
                dir.display()
            ))
        })?;
        Self::from_build_file(path)
    }

    /// Reads a `required-server-files.json` wherever it lies.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when it can't be read or used.
    pub fn from_build_file(path: &Path) -> Result<Self> {
        let invalid = |why: String| Error::InvalidOption(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
        let file: Value = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        let config = file.get("config").ok_or_else(|| invalid("has no \"config\"".into()))?;
        Self::read(config, Origin::Build)
    }

    fn read(config: &Value, origin: Origin) -> Result<Self> {
        let root = Section::root(config)?;
        let experimental = root.section("experimental")?;
        let base_path = read_base_path(&root)?;
        let trailing_slash = root.bool("trailingSlash")?.unwrap_or(false);
        Ok(Self {
            images: Images::read(&root, &base_path, trailing_slash, origin)?,
            trailing_slash,
            skip_trailing_slash_redirect: root.bool("skipTrailingSlashRedirect")?.unwrap_or(false),
            dist_dir: read_dist_dir(&root)?,
            compress: root.bool("compress")?.unwrap_or(true),
            generate_etags: root.bool("generateEtags")?.unwrap_or(true),
            output: read_output(&root)?,
            cache_handler: root.string("cacheHandler")?.filter(|path| !path.is_empty()),
            dev: false,
            strict: false,
            is_flush_to_disk: experimental.bool("isrFlushToDisk")?.unwrap_or(true),
            img_opt: ImgOpt::read(&experimental)?,
            base_path,
        })
    }
}

impl Default for Config {
    /// What an empty next.config gives.
    fn default() -> Self {
        Self::from_json(&Value::Object(serde_json::Map::new())).expect("the defaults are valid")
    }
}

impl ImgOpt {
    fn read(experimental: &Section<'_>) -> Result<Self> {
        let max_input_pixels = match experimental.value("imgOptMaxInputPixels") {
            None | Some(Value::Bool(true)) => Some(DEFAULT_MAX_INPUT_PIXELS),
            Some(Value::Bool(false)) => None,
            Some(_) => {
                experimental.integer("imgOptMaxInputPixels", 0, MAX_SAFE_INTEGER)?.filter(|limit| *limit > 0)
            }
        };
        Ok(Self {
            concurrency: experimental.integer("imgOptConcurrency", 0, 1024)?.map(|count| count as u32),
            operation_cache: experimental.bool("imgOptOperationCache")?,
            timeout_secs: experimental.integer("imgOptTimeoutInSeconds", 0, 3600)?.unwrap_or(7) as u32,
            max_input_pixels,
            sequential_read: experimental.bool("imgOptSequentialRead")?,
            mozjpeg: experimental.bool("imgOptMozjpeg")?.unwrap_or(true),
        })
    }
}

fn read_base_path(root: &Section<'_>) -> Result<String> {
    let path = root.string("basePath")?.unwrap_or_default();
    if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
        return Err(root.invalid("basePath", "must be empty, or start and not end with /"));
    }
    Ok(path)
}

fn read_dist_dir(root: &Section<'_>) -> Result<String> {
    let dir = root.string("distDir")?.unwrap_or_else(|| ".next".into());
    match dir.trim() {
        "" => Err(root.invalid("distDir", "must not be empty")),
        "public" => Err(root.invalid("distDir", "must not be the public folder")),
        _ => Ok(dir),
    }
}

fn read_output(root: &Section<'_>) -> Result<Option<BuildOutput>> {
    match root.string("output")?.as_deref() {
        None => Ok(None),
        Some("standalone") => Ok(Some(BuildOutput::Standalone)),
        Some("export") => Ok(Some(BuildOutput::Export)),
        Some(_) => Err(root.invalid("output", "must be \"standalone\" or \"export\"")),
    }
}

#[cfg(test)]
mod tests;
