//! JavaScript's values and ours.

use napi::Env;
use napi::bindgen_prelude::{Buffer, JsValue};
use napi_derive::napi;

use crate::error::{Error, Result};
use crate::image::{
    AvifEngine, EncodeOptions, Format, Header, Inspected, Limits, OWN_WIDTH, Options, OutputFormat,
    SharpRules,
};
use crate::runtime::Outcome;

/// Limits of one call; what is absent takes its default.
#[napi(object)]
#[derive(Default)]
pub struct NativeLimits {
    /// pixels
    pub max_pixels: Option<f64>,
    /// bytes of input
    pub max_bytes: Option<f64>,
    /// milliseconds, 0 for none
    pub timeout_ms: Option<f64>,
}

impl NativeLimits {
    pub(super) fn read(&self) -> Limits {
        let default = Limits::default();
        Limits {
            max_pixels: self.max_pixels.map_or(default.max_pixels, |n| n as u64),
            max_bytes: self.max_bytes.map_or(default.max_bytes, |n| n as u64),
            timeout_ms: self.timeout_ms.map_or(default.timeout_ms, |n| n as u64),
        }
    }
}

/// Options of `optimize()`; ranges are checked here too, since the glue is not the only caller.
#[napi(object)]
pub struct NativeOptimizeOptions {
    /// px; absent, the image's own
    pub width: Option<f64>,
    /// px
    pub height: Option<f64>,
    /// 1..=100
    pub quality: Option<f64>,
    /// `avif`, `webp`, `jpeg`, `png`, `gif` or `tiff`
    pub format: Option<String>,
    /// pixels
    pub max_pixels: Option<f64>,
    /// bytes of input
    pub max_bytes: Option<f64>,
    /// milliseconds, 0 for none
    pub timeout_ms: Option<f64>,
    /// `libaom` or `ravif`
    pub avif_engine: Option<String>,
    /// JPEG with trellis quantisation and progressive scans; default true
    pub mozjpeg: Option<bool>,
    /// for `unsharp/sharp`; none of it by default
    pub sharp: Option<NativeSharpRules>,
}

/// Where sharp does something else than Next wants; each false by default.
#[napi(object)]
#[derive(Default)]
pub struct NativeSharpRules {
    /// makes an image larger than it is
    pub enlarge: Option<bool>,
    /// leaves out the turn that EXIF asks for
    pub as_stored: Option<bool>,
    /// draws SVG and takes the first frame of an animation, instead of handing them back as they are
    pub draw: Option<bool>,
    /// without a format, keeps the source's, with sharp's default settings
    pub own_format: Option<bool>,
}

impl NativeSharpRules {
    fn read(&self) -> SharpRules {
        let is = |rule: Option<bool>| rule.unwrap_or(false);
        SharpRules {
            enlarge: is(self.enlarge),
            as_stored: is(self.as_stored),
            draw: is(self.draw),
            own_format: is(self.own_format),
        }
    }
}

impl NativeOptimizeOptions {
    pub(super) fn read(self) -> Result<(Options, Limits)> {
        let format = self.format.map(|name| {
            OutputFormat::from_extension(&name).ok_or_else(|| {
                Error::InvalidOption(format!("format {name:?} is not one that can be encoded"))
            })
        });
        let avif_engine = self.avif_engine.map(|name| match name.as_str() {
            "libaom" => Ok(AvifEngine::Libaom),
            "ravif" => Ok(AvifEngine::Ravif),
            _ => Err(Error::InvalidOption(format!("avifEngine {name:?} is neither libaom nor ravif"))),
        });
        // A number out of a field's range becomes 0, which validate() refuses by name.
        let whole = |n: f64| if n.fract() == 0.0 && (0.0..=4e9).contains(&n) { n as u32 } else { 0 };
        let options = Options {
            width: self.width.map_or(OWN_WIDTH, whole),
            height: self.height.map(whole),
            format: format.transpose()?,
            encode: EncodeOptions {
                quality: self.quality.map_or(75, |n| u8::try_from(whole(n)).unwrap_or(0)),
                avif_engine: avif_engine.transpose()?,
                mozjpeg: self.mozjpeg.unwrap_or(true),
            },
            sharp: self.sharp.unwrap_or_default().read(),
        };
        options.validate()?;
        let limits = NativeLimits {
            max_pixels: self.max_pixels,
            max_bytes: self.max_bytes,
            timeout_ms: self.timeout_ms,
        };
        Ok((options, limits.read()))
    }
}

/// What `optimize()` answers.
#[napi(object, object_from_js = false)]
pub struct NativeOptimized {
    /// the image
    pub data: Buffer,
    /// `avif`, `webp`, …
    pub format: String,
    /// `image/avif`, …
    pub content_type: String,
    /// px; 0 when a bypassed kind was not parsed
    pub width: u32,
    /// px; 0 when a bypassed kind was not parsed
    pub height: u32,
    /// what was done
    #[napi(ts_type = "'optimized' | 'bypass'")]
    pub outcome: String,
}

impl NativeOptimized {
    pub(super) fn new(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Optimized(made) => Self {
                data: made.data.into(),
                format: made.format.extension().to_owned(),
                content_type: made.format.mime().to_owned(),
                width: made.width,
                height: made.height,
                outcome: "optimized".to_owned(),
            },
            Outcome::Bypass { format, header, input } => Self {
                data: Vec::from(input).into(),
                format: format.extension().to_owned(),
                content_type: format.mime().to_owned(),
                width: header.as_ref().map_or(0, |header| header.width),
                height: header.as_ref().map_or(0, |header| header.height),
                outcome: "bypass".to_owned(),
            },
        }
    }
}

/// What `metadata()` answers.
#[napi(object, object_from_js = false)]
pub struct NativeMetadata {
    /// `avif`, `webp`, …
    pub format: String,
    /// `image/avif`, …
    pub content_type: String,
    /// px as stored; 0 for kinds that are not parsed
    pub width: u32,
    /// px as stored; 0 for kinds that are not parsed
    pub height: u32,
    /// EXIF orientation, 1..=8
    pub orientation: u8,
    /// whether the file has an alpha channel
    pub has_alpha: bool,
    /// more than one frame
    pub animated: bool,
    /// bits per sample
    pub depth: u8,
}

pub(super) fn metadata_of(inspected: &Inspected) -> NativeMetadata {
    let (format, header) = match inspected {
        Inspected::Image(job) => (job.format, Some(&job.header)),
        Inspected::Bypass { format, header } => (*format, header.as_ref()),
    };
    describe(format, header)
}

fn describe(format: Format, header: Option<&Header>) -> NativeMetadata {
    NativeMetadata {
        format: format.extension().to_owned(),
        content_type: format.mime().to_owned(),
        width: header.map_or(0, |header| header.width),
        height: header.map_or(0, |header| header.height),
        orientation: header.map_or(1, |header| header.orientation),
        has_alpha: header.is_some_and(|header| header.has_alpha),
        animated: header.is_some_and(|header| header.animated),
        depth: header.map_or(8, |header| header.depth),
    }
}

/// An Error object with `code` and `status`; napi's own error type has room for the code alone.
pub(super) fn js_error(env: Env, error: &Error) -> napi::Error {
    let build = || -> napi::Result<napi::Error> {
        let mut object = env.create_error(napi::Error::from_reason(error.to_string()))?;
        object.set("code", error.code())?;
        object.set("status", u32::from(error.status()))?;
        Ok(napi::Error::from(object.to_unknown()))
    };
    build().unwrap_or_else(|_| napi::Error::from_reason(format!("{}: {error}", error.code())))
}
