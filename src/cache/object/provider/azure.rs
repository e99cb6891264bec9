//! Azure's blob service.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use url::Url;

use super::quick_retry;
use crate::cache::object::config::{Env, Secret, StoreOptions, endpoint, invalid};
use crate::cache::object::http::Http;
use crate::error::Result;

#[derive(Debug, Clone)]
pub(in crate::cache::object) struct Azure {
    pub(in crate::cache::object) container: String,
    pub(super) account: String,
    pub(super) endpoint: Option<Url>,
    pub(super) access: Access,
}

#[derive(Debug, Clone)]
pub(super) enum Access {
    Key(Secret),
    Sas(Secret),
    /// A workload's federated token, a client secret, or the machine's managed identity, whichever is told. Asked for
    /// with the first request, not at the start.
    Identity(Vec<(AzureConfigKey, Secret)>),
    Anonymous,
}

/// What a connection string tells.
#[derive(Debug, Default)]
struct Connection {
    account: Option<String>,
    key: Option<Secret>,
    sas: Option<Secret>,
    endpoint: Option<String>,
}

impl Azure {
    pub(in crate::cache::object) fn resolve(
        container: String,
        options: &StoreOptions,
        env: Env<'_>,
    ) -> Result<Self> {
        let connection = env.first(&["AZURE_STORAGE_CONNECTION_STRING"]);
        let connection = connection.map_or_else(Connection::default, |text| Connection::parse(&text));
        let account = options.account.clone();
        let account = account.or_else(|| env.first(&["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"]));
        let account = account.or(connection.account).ok_or_else(|| {
            invalid("the storage account has no name: set AZURE_STORAGE_ACCOUNT_NAME, or the option account")
        })?;
        if account.is_empty() || !account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(invalid("AZURE_STORAGE_ACCOUNT_NAME: an account has lower-case letters and digits"));
        }
        let endpoint =
            match (&options.endpoint, env.first_named(&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"])) {
                (Some(value), _) => Some(endpoint("endpoint", value)?),
                (None, Some((name, value))) => Some(endpoint(name, &value)?),
                (None, None) => {
                    let value = connection.endpoint.as_deref();
                    value.map(|value| endpoint("AZURE_STORAGE_CONNECTION_STRING", value)).transpose()?
                }
            };
        let names = ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"];
        let key = env.secret(&names).or(connection.key);
        let sas = env.secret(&["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"]).or(connection.sas);
        let access = if options.anonymous == Some(true) {
            Access::Anonymous
        } else if let Some(key) = key {
            if BASE64_STANDARD.decode(&key.0).is_err() {
                return Err(invalid("AZURE_STORAGE_ACCOUNT_KEY: that is no key of a storage account"));
            }
            Access::Key(key)
        } else if let Some(sas) = sas {
            Access::Sas(sas)
        } else {
            identity(env, endpoint.as_ref())?
        };
        Ok(Self { container, account, endpoint, access })
    }

    pub(super) fn open(&self, http: Http) -> Result<Arc<dyn ObjectStore>> {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_allow_http(true)
            .with_retry(quick_retry())
            .with_http_connector(http);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
        }
        builder = match &self.access {
            Access::Key(key) => builder.with_access_key(&key.0),
            Access::Sas(sas) => builder.with_config(AzureConfigKey::SasKey, &sas.0),
            Access::Identity(settings) => {
                settings.iter().fold(builder, |builder, (key, value)| builder.with_config(*key, &value.0))
            }
            Access::Anonymous => builder.with_skip_signature(true),
        };
        // The crate's own error may quote what it read.
        let wrong = |_| invalid("AZURE_STORAGE_SAS_TOKEN or another credential of Azure is not usable");
        Ok(Arc::new(builder.build().map_err(wrong)?))
    }
}

fn identity(env: Env<'_>, endpoint: Option<&Url>) -> Result<Access> {
    use AzureConfigKey as Key;
    let names: [(Key, &[&str]); 6] = [
        (Key::ClientId, &["AZURE_CLIENT_ID"]),
        (Key::ClientSecret, &["AZURE_CLIENT_SECRET"]),
        (Key::AuthorityId, &["AZURE_TENANT_ID"]),
        (Key::FederatedTokenFile, &["AZURE_FEDERATED_TOKEN_FILE"]),
        (Key::AuthorityHost, &["AZURE_AUTHORITY_HOST"]),
        (Key::MsiEndpoint, &["IDENTITY_ENDPOINT", "MSI_ENDPOINT"]),
    ];
    let settings: Vec<_> =
        names.into_iter().filter_map(|(key, names)| Some((key, env.secret(names)?))).collect();
    // Azure's machines have an identity to give; a server of one's own does not know it.
    let azures = endpoint.is_none_or(|url| url.host_str().is_some_and(|host| host.contains(".core.")));
    if settings.is_empty() && !azures {
        return Err(invalid(
            "the store needs credentials: set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN (or the option anonymous)",
        ));
    }
    Ok(Access::Identity(settings))
}

impl Connection {
    /// `Name=value;Name=value`, as Azure's portal shows it. Names that are of no use here are left out.
    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        let (mut protocol, mut suffix) = (None, None);
        for (name, value) in text.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().to_owned();
            match name.trim() {
                "AccountName" => found.account = Some(value),
                "AccountKey" => found.key = Some(Secret(value)),
                "SharedAccessSignature" => found.sas = Some(Secret(value)),
                "BlobEndpoint" => found.endpoint = Some(value),
                "DefaultEndpointsProtocol" => protocol = Some(value),
                "EndpointSuffix" => suffix = Some(value),
                _ => {}
            }
        }
        if let (None, Some(account), Some(suffix)) = (&found.endpoint, &found.account, suffix) {
            let protocol = protocol.unwrap_or_else(|| "https".to_owned());
            found.endpoint = Some(format!("{protocol}://{account}.blob.{suffix}"));
        }
        found
    }
}
