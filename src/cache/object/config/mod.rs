//! Which store, where in it, and with which credentials. docs/STORE.md lists every name.

mod address;
mod sources;

use std::path::PathBuf;

use object_store::path::Path;

use self::address::{Address, Scheme};
pub(super) use self::sources::{Env, Secret, endpoint, flag, invalid};
use super::provider::{Azure, Gs, Local, Place, S3};
use crate::error::Result;

/// The folder in the bucket, where nobody names one. Other tools that keep Next's cache in a bucket use the same.
const PREFIX: &str = "image-cache";

/// What a caller sets; everything that is `None` comes from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder` or `memory:`; the other settings may follow as a
    /// query, such as `?endpoint=https://…`. Never credentials.
    pub store: Option<String>,
    /// What stands before every key in the bucket.
    pub prefix: Option<String>,
    /// The address of an S3 server, of Azure's blob service or of one that speaks Google's XML.
    pub endpoint: Option<String>,
    /// S3: the region, default `us-east-1`.
    pub region: Option<String>,
    /// S3: the bucket's name in the path instead of in the host's name. Default: true with an endpoint of one's own
    /// and for names with a dot.
    pub path_style: Option<bool>,
    /// Azure: the storage account.
    pub account: Option<String>,
    /// Requests go out unsigned.
    pub anonymous: Option<bool>,
    /// Bytes that one process may put there within an hour.
    pub push_bytes_per_hour: Option<u64>,
    /// PEM of certificates to trust besides the system's: what Node brings (`tls.rootCertificates`).
    pub ca_certs_pem: Option<Vec<u8>>,
}

/// From options, then `UNSHARP_STORE`, then the names that platforms set.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub(super) place: Place,
    pub(super) prefix: Path,
    /// Bytes that one process may put there within an hour; `None`, the default of pushing.
    pub(in crate::cache) push_bytes_per_hour: Option<u64>,
    /// As in the log: scheme, bucket, prefix.
    pub(super) name: String,
    pub(super) extra_ca_certs: Option<PathBuf>,
    pub(super) ca_certs_pem: Option<Vec<u8>>,
}

impl StoreOptions {
    /// Names that [`StoreOptions::set`] knows.
    pub const NAMES: [&str; 8] =
        ["store", "prefix", "endpoint", "region", "pathStyle", "account", "anonymous", "pushBytesPerHour"];

    /// Sets an option by its name.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`]: no option has this name, or the value is none of it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let text = Some(value.to_owned());
        match name {
            "store" => self.store = text,
            "prefix" => self.prefix = text,
            "endpoint" => self.endpoint = text,
            "region" => self.region = text,
            "pathStyle" => self.path_style = Some(flag(name, value)?),
            "account" => self.account = text,
            "anonymous" => self.anonymous = Some(flag(name, value)?),
            "pushBytesPerHour" => {
                let bytes =
                    value.parse().map_err(|_| invalid(format!("{name}: set it to a number of bytes")))?;
                self.push_bytes_per_hour = Some(bytes);
            }
            // Cut, because what was meant as a value may stand in a name's place.
            _ => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(30).collect();
                return Err(invalid(format!(
                    "a store has no option {name:?}; it has {}",
                    Self::NAMES.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// These options, and `other`'s where these are silent.
    fn or(self, other: Self) -> Self {
        Self {
            store: self.store.or(other.store),
            prefix: self.prefix.or(other.prefix),
            endpoint: self.endpoint.or(other.endpoint),
            region: self.region.or(other.region),
            path_style: self.path_style.or(other.path_style),
            account: self.account.or(other.account),
            anonymous: self.anonymous.or(other.anonymous),
            push_bytes_per_hour: self.push_bytes_per_hour.or(other.push_bytes_per_hour),
            ca_certs_pem: self.ca_certs_pem.or(other.ca_certs_pem),
        }
    }
}

impl StoreConfig {
    /// `None` when no bucket is configured.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`] that says what to set; it repeats no credential.
    pub fn resolve(options: StoreOptions, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let env = Env(env);
        let Some(Address { scheme, bucket, options: from_url }) = Address::find(&options, env)? else {
            return Ok(None);
        };
        let options = options.or(from_url);
        let place = match scheme {
            Scheme::Memory => Place::Local(Local::Memory { name: bucket }),
            Scheme::File => Place::Local(Local::folder(&bucket)?),
            Scheme::S3 | Scheme::Minio => Place::S3(S3::resolve(bucket, &options, env)?),
            Scheme::Gs => Place::Gs(Gs::resolve(bucket, &options, env)?),
            Scheme::Azure => Place::Azure(Azure::resolve(bucket, &options, env)?),
        };
        let prefix = prefix(options.prefix, scheme, env)?;
        Ok(Some(Self {
            name: format!("{place}/{prefix}").trim_end_matches('/').to_owned(),
            place,
            prefix,
            push_bytes_per_hour: options.push_bytes_per_hour,
            extra_ca_certs: env.first(&["NODE_EXTRA_CA_CERTS"]).map(PathBuf::from),
            ca_certs_pem: options.ca_certs_pem,
        }))
    }

    /// Equal for configs that lead to the same place; holds no secret.
    pub(in crate::cache) fn identity(&self) -> String {
        format!("{:?} {} {:?}", self.place, self.prefix, self.extra_ca_certs)
    }

    /// Scheme, bucket and prefix, as the log names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The local folder of variants that platforms name (`IMAGE_CACHE_DIR`), with or without a bucket.
#[must_use]
pub fn local_dir(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    Env(env).first(&["IMAGE_CACHE_DIR"]).map(PathBuf::from)
}

/// What the url or an option says, as it stands. Else the environment's, else the default, which is below the
/// app's name where a platform tells it. A folder or memory is all ours and needs none.
fn prefix(chosen: Option<String>, scheme: Scheme, env: Env<'_>) -> Result<Path> {
    let (name, text) = match (chosen, env.first(&["IMAGE_CACHE_PREFIX"])) {
        (Some(text), _) => ("prefix", text),
        (None, _) if matches!(scheme, Scheme::Memory | Scheme::File) => return Ok(Path::default()),
        (None, Some(text)) => ("IMAGE_CACHE_PREFIX", text),
        (None, None) => match env.first(&["KN_APP_NAME"]) {
            Some(app) => ("KN_APP_NAME", format!("{app}/{PREFIX}")),
            None => ("prefix", PREFIX.to_owned()),
        },
    };
    let wrong =
        || invalid(format!("{name}: set it to letters, digits and - _ . ! with single slashes between"));
    let plain = |part: &str| {
        let known = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!".contains(&b));
        known && !part.is_empty() && part.len() <= 200 && !matches!(part, "." | "..")
    };
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Ok(Path::default());
    }
    if !text.split('/').all(plain) {
        return Err(wrong());
    }
    Path::parse(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
