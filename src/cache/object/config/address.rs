//! Which bucket: a url of ours, or the names that platforms set.

use url::Url;

use super::{Env, StoreOptions, invalid};
use crate::error::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Memory,
    File,
    S3,
    /// S3 that has to have an address of its own.
    Minio,
    Gs,
    Azure,
}

/// Where the bucket is.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// The bucket's name; of a folder, its path.
    pub(super) bucket: String,
    /// What a url says besides.
    pub(super) options: StoreOptions,
}

const STORE_IS: &str =
    "set it to s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, file:///folder or memory:";

impl Address {
    /// `None` when nobody names a bucket.
    pub(super) fn find(options: &StoreOptions, env: Env<'_>) -> Result<Option<Self>> {
        if let Some(url) = options.store.as_deref().filter(|url| !url.trim().is_empty()) {
            return Self::of_url("store", url).map(Some);
        }
        if let Some((name, url)) = env.first_named(&["UNSHARP_STORE"]) {
            return Self::of_url(name, &url).map(Some);
        }
        let Some((name, bucket)) = env.first_named(&["STORAGE_BUCKET", "GCS_BUCKET_NAME"]) else {
            return Ok(None);
        };
        let scheme = provider(name, env)?;
        check_bucket(name, scheme, &bucket)?;
        Ok(Some(Self { scheme, bucket, options: StoreOptions::default() }))
    }

    /// The url is not repeated in errors, because people put credentials into urls.
    fn of_url(name: &str, text: &str) -> Result<Self> {
        let url = Url::parse(text.trim()).map_err(|_| invalid(format!("{name}: {STORE_IS}")))?;
        if url.password().is_some() || (!url.username().is_empty()) {
            return Err(invalid(format!(
                "{name}: leave credentials out of the url; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what docs/STORE.md names for the store"
            )));
        }
        if url.fragment().is_some() || url.port().is_some() {
            return Err(invalid(format!("{name}: {STORE_IS}; a server's address goes into ?endpoint=")));
        }
        let mut options = StoreOptions::default();
        for (option, value) in url.query_pairs() {
            if option == "store" {
                return Err(invalid(format!("{name}: a url holds no other store")));
            }
            options.set(&option, &value)?;
        }
        let scheme = match url.scheme() {
            "s3" => Scheme::S3,
            "gs" => Scheme::Gs,
            "az" => Scheme::Azure,
            "file" => Scheme::File,
            "memory" => Scheme::Memory,
            _ => return Err(invalid(format!("{name}: {STORE_IS}"))),
        };
        let bucket = match scheme {
            Scheme::Memory => url.path().to_owned(),
            // With its escapes, and sure to be absolute; a host would be another machine's folder.
            Scheme::File if url.host().is_none() && url.path().starts_with('/') => {
                let path = url.to_file_path().ok().and_then(|path| path.into_os_string().into_string().ok());
                path.ok_or_else(|| invalid(format!("{name}: file:// needs an absolute path")))?
            }
            Scheme::File => {
                return Err(invalid(format!("{name}: file:// needs an absolute path, file:///folder")));
            }
            _ => url.host_str().unwrap_or_default().to_owned(),
        };
        check_bucket(name, scheme, &bucket)?;
        let path = url.path().trim_matches('/');
        if !matches!(scheme, Scheme::Memory | Scheme::File) && !path.is_empty() {
            if options.prefix.is_some() {
                return Err(invalid(format!("{name}: give the prefix once, as path or as ?prefix=")));
            }
            options.prefix = Some(path.to_owned());
        }
        Ok(Self { scheme, bucket, options })
    }
}

/// The scheme that goes with a bucket's bare name.
fn provider(bucket_name: &str, env: Env<'_>) -> Result<Scheme> {
    let named = env.first(&["STORAGE_PROVIDER"]);
    match named.map(|name| name.to_ascii_lowercase()).as_deref() {
        Some("gcs") => return Ok(Scheme::Gs),
        Some("s3") => return Ok(Scheme::S3),
        Some("minio") => return Ok(Scheme::Minio),
        Some("azure") => return Ok(Scheme::Azure),
        Some(_) => return Err(invalid("STORAGE_PROVIDER: set it to gcs, s3, azure or minio")),
        None => {}
    }
    // Without it, what else is set tells.
    if bucket_name == "GCS_BUCKET_NAME" {
        return Ok(Scheme::Gs);
    }
    let signs: [(Scheme, &[&str]); 4] = [
        (Scheme::Minio, &["MINIO_ENDPOINT"]),
        (
            Scheme::S3,
            &["S3_ENDPOINT", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN"],
        ),
        (Scheme::Gs, &["GOOGLE_APPLICATION_CREDENTIALS"]),
        (
            Scheme::Azure,
            &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING"],
        ),
    ];
    let mut found = signs.into_iter().filter(|(_, names)| env.first(names).is_some());
    match (found.next(), found.next()) {
        // MinIO is S3 as well.
        (Some((scheme, _)), None) | (Some((scheme @ Scheme::Minio, _)), Some((Scheme::S3, _))) => Ok(scheme),
        _ => Err(invalid(format!(
            "{bucket_name} names a bucket, but not where it is: set STORAGE_PROVIDER to gcs, s3, azure or minio, or UNSHARP_STORE"
        ))),
    }
}

/// The alphabet that all providers share. Their finer rules are theirs to tell.
fn check_bucket(name: &str, scheme: Scheme, bucket: &str) -> Result<()> {
    let known = match scheme {
        Scheme::File => true,
        Scheme::Memory => {
            bucket.len() <= 100 && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        }
        _ => {
            let plain = bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.$".contains(&b));
            plain && !bucket.is_empty() && bucket.len() <= 222 && !bucket.contains("..")
        }
    };
    if known { Ok(()) } else { Err(invalid(format!("{name}: that is no name of a bucket; {STORE_IS}"))) }
}
