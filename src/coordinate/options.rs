//! How a coordinator works, and over which storage.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::Logger;

/// What a coordinator needs besides its worker.
#[derive(Debug, Clone)]
pub struct Options {
    /// Jobs that this process works at once, fetch and encode together. Default: twice the CPUs, so that the pool has
    /// work while sources are being fetched. At least 1.
    pub permits: usize,
    /// Of these, for one source ([`super::Job::source`]): a slow one can't take all. Default: three quarters. At least 1.
    pub permits_per_source: usize,
    /// Jobs that may wait here before a further one is refused. Default 1 000.
    pub max_queue: usize,
    /// Attempts at one job in the whole fleet that may fail. Those whose process died count apart: five deaths, and the
    /// job is given up. Default 3, at least 1.
    pub max_attempts: u32,
    /// How long a lease holds unless it is renewed, which happens three times as often; then the job of a replica
    /// that died is given to another. Default 10 s, at least 100 ms.
    pub lease: Duration,
    /// How long one request to the shared storage may take before this process goes on without. Default 200 ms.
    pub patience: Duration,
    /// How the result gets to the replicas that wait. Default: carried.
    pub results: Results,
    /// Certificate authorities that a `rediss://` server may have its certificate from, PEM. Default: the system's.
    pub ca_certs_pem: Option<Vec<u8>>,
    /// Where it is told that the shared storage is gone, and back.
    pub logger: Logger,
}

impl Default for Options {
    fn default() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = cpus.saturating_mul(2);
        Self {
            permits,
            permits_per_source: (permits * 3 / 4).max(1),
            max_queue: 1_000,
            max_attempts: 3,
            lease: Duration::from_secs(10),
            patience: Duration::from_millis(200),
            results: Results::default(),
            ca_certs_pem: None,
            logger: Logger::default(),
        }
    }
}

/// How the bytes of a variant get from the replica that made it to those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Results {
    /// Through the variant store that all replicas share: their [`super::Worker::lookup`] finds it.
    InStore,
    /// Through the coordinator's own storage.
    Carried {
        /// A larger variant is not carried: each replica that waits makes it itself. Default 8 MiB.
        max_bytes: u64,
        /// How long a result stays there, unless the variant turns stale before. Default one hour.
        ttl: Duration,
    },
}

impl Default for Results {
    fn default() -> Self {
        Self::Carried { max_bytes: 8 << 20, ttl: Duration::from_secs(3_600) }
    }
}

/// Which storage the replicas share.
#[derive(Clone, PartialEq, Eq)]
pub enum Storage {
    /// None: one process on its own.
    Memory,
    /// A folder on a disk of this machine.
    Filesystem(PathBuf),
    /// A Redis or Valkey server.
    Redis {
        /// `redis://`, `rediss://` or `redis+unix://`, with user, password and number of the database.
        url: String,
        /// What every key begins with. Default `unsharp`.
        prefix: String,
    },
}

/// What is said of a url that no coordinator takes.
const KINDS: &str =
    "memory, filesystem:PATH, redis://HOST:PORT/DB, rediss://… (TLS), valkey://…, valkeys://… or unix:PATH";

impl Storage {
    /// Reads `memory`, `filesystem:PATH`, `redis://…`, `rediss://…`, `valkey://…`, `valkeys://…`,
    /// `unix:PATH` (also `redis+unix://PATH`). `prefix` is what the keys in Redis begin with, `unsharp` by default.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] that says what would be right; it never holds the password.
    pub fn parse(text: &str, prefix: Option<&str>) -> Result<Self> {
        let invalid = |why: &str| Err(Error::InvalidOption(format!("storage: {why}")));
        let prefix = prefix.unwrap_or("unsharp");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        if prefix.is_empty() || prefix.len() > 100 || !prefix.chars().all(is_plain) {
            return invalid("the prefix takes up to 100 letters, digits and - _ . : /");
        }
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("filesystem:") {
            return match path {
                "" => invalid("filesystem: needs a folder, as in filesystem:/var/lib/unsharp"),
                path => Ok(Self::Filesystem(PathBuf::from(path))),
            };
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return invalid(&format!("one of {KINDS}"));
        };
        let scheme = scheme.to_ascii_lowercase();
        let scheme = match scheme.as_str() {
            "redis" | "valkey" => "redis",
            "rediss" | "valkeys" => "rediss",
            "unix" | "redis+unix" | "valkey+unix" => "redis+unix",
            "redis-cluster" | "rediss-cluster" | "redis+cluster" | "rediss+cluster" | "valkey-cluster"
            | "valkey+cluster" => return Err(no_cluster()),
            _ => return invalid(&format!("one of {KINDS}")),
        };
        if scheme != "redis+unix" {
            let authority = rest.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
            if authority.rsplit('@').next().unwrap_or_default().contains(',') {
                return Err(no_cluster());
            }
        }
        let url = match scheme {
            "redis+unix" => format!("redis+unix://{}", rest.strip_prefix("//").unwrap_or(rest)),
            scheme => format!("{scheme}:{rest}"),
        };
        Ok(Self::Redis { url, prefix: prefix.to_owned() })
    }
}

/// Says that a cluster is no storage for this, and what is.
pub(super) fn no_cluster() -> Error {
    Error::InvalidOption(
        "storage: Redis Cluster is not supported; give the address of one Redis or Valkey server".to_owned(),
    )
}

/// Without the password that a url may hold.
impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Filesystem(path) => write!(f, "filesystem:{}", path.display()),
            Self::Redis { url, prefix } => write!(f, "{} as {prefix}", crate::log::safe_url(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        match Storage::parse(text, None) {
            Ok(Storage::Redis { url, prefix }) if prefix == "unsharp" => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_kind_is_known_by_its_name() {
        assert_eq!(Storage::parse("memory", None), Ok(Storage::Memory));
        let folder = Storage::Filesystem(PathBuf::from("/var/lib/unsharp"));
        assert_eq!(Storage::parse("filesystem:/var/lib/unsharp", None), Ok(folder));
        assert_eq!(url("redis://h:1/2"), "redis://h:1/2");
        assert_eq!(url("VALKEY://u:p@h"), "redis://u:p@h");
        assert_eq!(url("rediss://h"), "rediss://h");
        assert_eq!(url("valkeys://h"), "rediss://h");
        for text in ["unix:/run/s", "unix:///run/s", "redis+unix:///run/s", "valkey+unix:///run/s"] {
            assert_eq!(url(text), "redis+unix:///run/s");
        }
    }

    #[test]
    fn what_can_not_be_used_is_refused_in_one_line_without_its_password() {
        for text in [
            "",
            "redis",
            "http://user:secret@h",
            "filesystem:",
            "redis-cluster://user:secret@h",
            "redis://user:secret@a:1,b:2",
        ] {
            let error = Storage::parse(text, None).expect_err(text).to_string();
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
        let cluster = Storage::parse("redis://a:1,b:2/0", None).expect_err("a list").to_string();
        assert!(cluster.contains("Cluster"), "{cluster}");
        for prefix in ["", "a b", "a*", "ä", &"x".repeat(101)] {
            assert!(Storage::parse("memory", Some(prefix)).is_err(), "{prefix:?}");
        }
        assert!(Storage::parse("memory", Some("team-a:images")).is_ok());
    }

    #[test]
    fn debug_output_holds_no_password() {
        let storage = Storage::parse("redis://user:secret@h:1/2", None).expect("a url");
        assert_eq!(format!("{storage:?}"), "redis://h:1/2 as unsharp");
    }
}
