//! Google Cloud Storage, by its XML interface.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::GoogleCloudStorageBuilder;
use url::Url;

use super::quick_retry;
use crate::cache::object::config::{Env, Secret, StoreOptions, endpoint, invalid};
use crate::cache::object::http::Http;
use crate::error::Result;

#[derive(Debug, Clone)]
pub(in crate::cache::object) struct Gs {
    pub(in crate::cache::object) bucket: String,
    pub(super) endpoint: Option<Url>,
    pub(super) access: Access,
}

#[derive(Debug, Clone)]
pub(super) enum Access {
    /// A service account's key as JSON.
    Key {
        name: &'static str,
        json: Secret,
    },
    /// A file that holds one, or what `gcloud auth application-default login` wrote.
    File {
        name: &'static str,
        path: PathBuf,
    },
    /// gcloud's own file where there is one, else the metadata server: the service account of the machine or, on
    /// GKE, of the pod. Asked for with the first request, not at the start.
    Default,
    Anonymous,
}

impl Gs {
    pub(in crate::cache::object) fn resolve(
        bucket: String,
        options: &StoreOptions,
        env: Env<'_>,
    ) -> Result<Self> {
        let emulator = env.first_named(&["STORAGE_EMULATOR_HOST"]);
        let endpoint = match (&options.endpoint, emulator) {
            (Some(value), _) => Some(endpoint("endpoint", value)?),
            (None, Some((name, value))) if value.contains("://") => Some(endpoint(name, &value)?),
            (None, Some((name, value))) => Some(endpoint(name, &format!("http://{value}"))?),
            (None, None) => None,
        };
        let own_server = endpoint.is_some();
        Ok(Self { bucket, endpoint, access: Access::resolve(options, env, own_server) })
    }

    pub(super) fn open(&self, http: Http) -> Result<Arc<dyn ObjectStore>> {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&self.bucket)
            .with_retry(quick_retry())
            .with_http_connector(http);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
        }
        let (name, builder) = match &self.access {
            Access::Key { name, json } => (*name, builder.with_service_account_key(&json.0)),
            Access::File { name, path } => {
                check_file(name, path)?;
                (*name, builder.with_application_credentials(path.to_string_lossy()))
            }
            Access::Default => ("gcloud's application_default_credentials.json", builder),
            Access::Anonymous => ("anonymous", with_no_account(builder)),
        };
        // The crate's own error may quote what it read.
        let store = builder
            .build()
            .map_err(|_| invalid(format!("{name}: these are no usable credentials of Google")))?;
        Ok(Arc::new(store))
    }
}

/// An account that is never asked for a token; without one the crate would read files and name a metadata server.
fn with_no_account(builder: GoogleCloudStorageBuilder) -> GoogleCloudStorageBuilder {
    const NOBODY: &str = r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#;
    builder.with_service_account_key(NOBODY).with_skip_signature(true)
}

impl Access {
    fn resolve(options: &StoreOptions, env: Env<'_>, own_server: bool) -> Self {
        if options.anonymous == Some(true) {
            return Self::Anonymous;
        }
        if let Some((name, json)) = env.first_named(&["GOOGLE_SERVICE_ACCOUNT_KEY"]) {
            return Self::Key { name, json: Secret(json) };
        }
        let files =
            ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT"];
        if let Some((name, path)) = env.first_named(&files) {
            return Self::File { name, path: path.into() };
        }
        // Emulators take no credentials, and Google's must not go to them.
        if own_server { Self::Anonymous } else { Self::Default }
    }
}

/// What the crate does not say well: whether the file is there, and whether it is of a kind that it reads.
fn check_file(name: &str, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| invalid(format!("{name}: can't read {}: {}", path.display(), error.kind())))?;
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let kind = json.as_ref().and_then(|json| json.get("type")).and_then(serde_json::Value::as_str);
    match kind {
        Some("service_account" | "authorized_user") => Ok(()),
        Some("external_account") => Err(invalid(format!(
            "{name}: {} is for workload identity federation, which is not supported; on GKE leave {name} unset",
            path.display()
        ))),
        _ => Err(invalid(format!("{name}: {} is no service_account and no authorized_user", path.display()))),
    }
}
