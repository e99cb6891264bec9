//! The one public error. Three questions answer everything a caller needs, with no string matching:
//! [`Error::code`] (stable, documented), [`Error::status`] (HTTP) and [`Error::public_message`] (safe
//! to send to a client; `Display` is for logs).

/// Everything that can go wrong between a request and an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Error {
    /// The request breaks a rule of `/_next/image`; the text is Next's own wording.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// A pattern, the private-address guard or the SVG rule refuses the source. `public` is Next's wording.
    #[error("not allowed: {detail}")]
    NotAllowed {
        /// What the client reads.
        public: String,
        /// What the log reads: which rule refused, and what.
        detail: String,
    },
    /// The bytes are no image that is recognised.
    #[error("not an image: {0}")]
    NotAnImage(String),
    /// The upstream answered with a status other than 2xx. `public` is Next's wording.
    #[error("upstream answered {answered}: {public}")]
    UpstreamStatus {
        /// What the client is answered: the upstream's status from 400 up, else 500.
        status: u16,
        /// The status itself.
        answered: u16,
        /// What the client reads.
        public: String,
    },
    /// The upstream did not answer within its time.
    #[error("upstream timed out: {0}")]
    UpstreamTimeout(String),
    /// The upstream could not be reached, or its answer could not be read.
    #[error("upstream failed: {0}")]
    Upstream(String),
    /// The input, or the upstream's body, has more bytes than allowed.
    #[error("{0}")]
    TooManyBytes(String),
    /// The image claims more pixels than allowed.
    #[error("image of {width}x{height} px exceeds the limit of {max_pixels} pixels")]
    TooManyPixels {
        /// Claimed width, px.
        width: u64,
        /// Claimed height, px.
        height: u64,
        /// The limit in force, pixels.
        max_pixels: u64,
    },
    /// The bytes are an image of a known kind, but damaged or of an unsupported variety.
    #[error("decode failed: {0}")]
    Decode(String),
    /// An encoder failed.
    #[error("encode failed: {0}")]
    Encode(String),
    /// Too much work is waiting already.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The work took longer than its time limit.
    #[error("timed out after {0} ms")]
    Timeout(u64),
    /// The caller gave up; the result, if any, was discarded.
    #[error("aborted")]
    Aborted,
    /// A codec panicked. The process lives on.
    #[error("panic in the image pipeline: {0}")]
    Panic(String),
    /// The variant store failed; the handler logs it and goes on as after a miss.
    #[error("store: {0}")]
    Store(String),
    /// Options or configuration that can't be used.
    #[error("invalid option: {0}")]
    InvalidOption(String),
}

/// `Result` with the crate's [`Error`], where no other is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The stable code, `ERR_UNSHARP_…`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "ERR_UNSHARP_INVALID_REQUEST",
            Self::NotAllowed { .. } => "ERR_UNSHARP_NOT_ALLOWED",
            Self::NotAnImage(_) => "ERR_UNSHARP_NOT_AN_IMAGE",
            Self::UpstreamStatus { .. } => "ERR_UNSHARP_UPSTREAM_STATUS",
            Self::UpstreamTimeout(_) => "ERR_UNSHARP_UPSTREAM_TIMEOUT",
            Self::Upstream(_) => "ERR_UNSHARP_UPSTREAM",
            Self::TooManyBytes(_) => "ERR_UNSHARP_TOO_LARGE",
            Self::TooManyPixels { .. } => "ERR_UNSHARP_TOO_MANY_PIXELS",
            Self::Decode(_) => "ERR_UNSHARP_DECODE",
            Self::Encode(_) => "ERR_UNSHARP_ENCODE",
            Self::Overloaded(_) => "ERR_UNSHARP_OVERLOADED",
            Self::Timeout(_) => "ERR_UNSHARP_TIMEOUT",
            Self::Aborted => "ERR_UNSHARP_ABORTED",
            Self::Panic(_) => "ERR_UNSHARP_PANIC",
            Self::Store(_) => "ERR_UNSHARP_STORE",
            Self::InvalidOption(_) => "ERR_UNSHARP_INVALID_OPTION",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidRequest(_)
            | Self::NotAllowed { .. }
            | Self::NotAnImage(_)
            | Self::Decode(_)
            | Self::InvalidOption(_) => 400,
            Self::UpstreamStatus { status, .. } => *status,
            Self::UpstreamTimeout(_) => 504,
            Self::TooManyBytes(_) | Self::TooManyPixels { .. } => 413,
            Self::Overloaded(_) | Self::Timeout(_) => 503,
            Self::Aborted => 499,
            Self::Upstream(_) | Self::Encode(_) | Self::Panic(_) | Self::Store(_) => 500,
        }
    }

    /// Whether the same may succeed when it is tried again soon: the upstream could not be reached, broke off, was too
    /// slow, or answered 429, 500, 502, 503 or 504.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Upstream(_) | Self::UpstreamTimeout(_) => true,
            Self::UpstreamStatus { answered, .. } => matches!(answered, 429 | 500 | 502..=504),
            _ => false,
        }
    }

    /// What a client may read: Next's wording where Next has one, never an internal detail.
    #[must_use]
    pub fn public_message(&self) -> &str {
        match self {
            Self::InvalidRequest(text)
            | Self::NotAllowed { public: text, .. }
            | Self::UpstreamStatus { public: text, .. } => text,
            Self::NotAnImage(_) | Self::Decode(_) => "The requested resource isn't a valid image.",
            Self::UpstreamTimeout(_) => "\"url\" parameter is valid but upstream response timed out",
            Self::TooManyBytes(_) | Self::TooManyPixels { .. } => {
                "\"url\" parameter is valid but upstream response is invalid"
            }
            Self::Overloaded(_) | Self::Timeout(_) => "Service Unavailable",
            Self::Upstream(_)
            | Self::Encode(_)
            | Self::Aborted
            | Self::Panic(_)
            | Self::Store(_)
            | Self::InvalidOption(_) => "Internal Server Error",
        }
    }
}
