//! Amazon S3, `MinIO`, and whatever else speaks S3.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use url::Url;

use super::quick_retry;
use crate::cache::object::config::{Env, Secret, StoreOptions, endpoint, flag, invalid};
use crate::cache::object::http::Http;
use crate::error::Result;

const REGION: &str = "us-east-1";
/// `MinIO`'s own.
const MINIO_PORT: u16 = 9_000;

#[derive(Debug, Clone)]
pub(in crate::cache::object) struct S3 {
    pub(in crate::cache::object) bucket: String,
    pub(super) region: String,
    /// With the bucket in it when the bucket's name is part of the host's.
    pub(super) endpoint: Option<Url>,
    pub(super) path_style: bool,
    pub(super) access: Access,
}

/// How requests are signed.
#[derive(Debug, Clone)]
pub(super) enum Access {
    Keys {
        id: String,
        secret: Secret,
        token: Option<Secret>,
    },
    /// What the platform gives to its workloads: a web identity (EKS), a container's role (ECS, EKS), or the machine's
    /// role. Asked for with the first request, not at the start.
    Chain(Vec<(AmazonS3ConfigKey, String)>),
    Anonymous,
}

impl S3 {
    pub(in crate::cache::object) fn resolve(
        bucket: String,
        options: &StoreOptions,
        env: Env<'_>,
    ) -> Result<Self> {
        let endpoint = find_endpoint(options, env)?;
        let minio = env.first(&["STORAGE_PROVIDER"]).is_some_and(|name| name.eq_ignore_ascii_case("minio"));
        if minio && endpoint.is_none() && options.store.is_none() && env.first(&["UNSHARP_STORE"]).is_none() {
            return Err(invalid(
                "STORAGE_PROVIDER is minio: set S3_ENDPOINT, or MINIO_ENDPOINT and MINIO_PORT",
            ));
        }
        let path_style = options.path_style.unwrap_or(endpoint.is_some() || bucket.contains('.'));
        let region = options.region.clone();
        let region =
            region.or_else(|| env.first(&["CACHE_BUCKET_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"]));
        let access = Access::resolve(options, env, endpoint.as_ref())?;
        Ok(Self { bucket, region: region.unwrap_or_else(|| REGION.to_owned()), endpoint, path_style, access })
    }

    pub(super) fn open(&self, http: Http) -> Result<Arc<dyn ObjectStore>> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_allow_http(true)
            // One object at a time is removed; the plain request is understood by more servers than the bulk one.
            .with_disable_bulk_delete(true)
            .with_retry(quick_retry())
            .with_http_connector(http);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(self.address(endpoint)?.as_str().trim_end_matches('/'));
        }
        builder = match &self.access {
            Access::Keys { id, secret, token } => {
                let keyed = builder.with_access_key_id(id).with_secret_access_key(&secret.0);
                match token {
                    Some(token) => keyed.with_token(&token.0),
                    None => keyed,
                }
            }
            Access::Chain(settings) => {
                settings.iter().fold(builder, |builder, (key, value)| builder.with_config(*key, value))
            }
            Access::Anonymous => builder.with_skip_signature(true),
        };
        let store = builder.build().map_err(|_| invalid("store: the settings of S3 do not fit together"))?;
        Ok(Arc::new(store))
    }

    /// The crate takes an endpoint for virtual hosts with the bucket in it already.
    fn address(&self, endpoint: &Url) -> Result<Url> {
        let mut url = endpoint.clone();
        if !self.path_style {
            let host = format!("{}.{}", self.bucket, endpoint.host_str().unwrap_or_default());
            url.set_host(Some(&host)).map_err(|_| invalid("pathStyle: set it to true for this endpoint"))?;
        }
        Ok(url)
    }
}

fn find_endpoint(options: &StoreOptions, env: Env<'_>) -> Result<Option<Url>> {
    if let Some(value) = &options.endpoint {
        return endpoint("endpoint", value).map(Some);
    }
    if let Some((name, value)) = env.first_named(&["S3_ENDPOINT"]) {
        return endpoint(name, &value).map(Some);
    }
    if let Some((name, value)) = env.first_named(&["MINIO_ENDPOINT"]) {
        return minio_endpoint(name, &value, env).map(Some);
    }
    let aws = env.first_named(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
    aws.map(|(name, value)| endpoint(name, &value)).transpose()
}

/// A host, to which port and TLS stand in names of their own; an address as a whole is understood as well.
fn minio_endpoint(name: &str, value: &str, env: Env<'_>) -> Result<Url> {
    let port = env.first(&["MINIO_PORT"]).map(|port| {
        port.parse::<u16>()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| invalid("MINIO_PORT: set it to a port, 1 to 65535"))
    });
    let port = port.transpose()?;
    let tls = env.first(&["MINIO_USE_SSL"]).map(|value| flag("MINIO_USE_SSL", &value)).transpose()?;
    if value.contains("://") {
        let mut url = endpoint(name, value)?;
        if url.port().is_none() && port.is_some() {
            url.set_port(port).map_err(|()| invalid("MINIO_PORT: the endpoint takes no port"))?;
        }
        return Ok(url);
    }
    let scheme = if tls == Some(true) { "https" } else { "http" };
    let mut url = endpoint(name, &format!("{scheme}://{value}"))?;
    if url.port().is_none() {
        url.set_port(port.or(Some(MINIO_PORT)))
            .map_err(|()| invalid("MINIO_PORT: the endpoint takes no port"))?;
    }
    Ok(url)
}

impl Access {
    fn resolve(options: &StoreOptions, env: Env<'_>, endpoint: Option<&Url>) -> Result<Self> {
        let anonymous = match options.anonymous {
            Some(anonymous) => anonymous,
            None => env.flag("AWS_SKIP_SIGNATURE")?.unwrap_or(false),
        };
        if anonymous {
            return Ok(Self::Anonymous);
        }
        for (id_name, secret_name, token_name) in [
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", Some("AWS_SESSION_TOKEN")),
            ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", None),
        ] {
            match (env.first(&[id_name]), env.secret(&[secret_name])) {
                (Some(id), Some(secret)) => {
                    return Ok(Self::Keys {
                        id,
                        secret,
                        token: token_name.and_then(|name| env.secret(&[name])),
                    });
                }
                (Some(_), None) => {
                    return Err(invalid(format!("{id_name} is set: set {secret_name} as well")));
                }
                (None, Some(_)) => {
                    return Err(invalid(format!("{secret_name} is set: set {id_name} as well")));
                }
                (None, None) => {}
            }
        }
        let chain = chain(env);
        // Amazon's machines have a role to give; a server of one's own does not know it.
        let amazons =
            endpoint.is_none_or(|url| url.host_str().is_some_and(|host| host.contains(".amazonaws.com")));
        if !amazons && chain.is_empty() {
            return Err(invalid(
                "the store needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or MINIO_ACCESS_KEY and MINIO_SECRET_KEY (or the option anonymous)",
            ));
        }
        Ok(Self::Chain(chain))
    }
}

/// What Amazon's services put into the environment of a workload.
fn chain(env: Env<'_>) -> Vec<(AmazonS3ConfigKey, String)> {
    use AmazonS3ConfigKey as Key;
    let names = [
        (Key::WebIdentityTokenFile, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        (Key::RoleArn, "AWS_ROLE_ARN"),
        (Key::RoleSessionName, "AWS_ROLE_SESSION_NAME"),
        (Key::StsEndpoint, "AWS_ENDPOINT_URL_STS"),
        (Key::ContainerCredentialsRelativeUri, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        (Key::ContainerCredentialsFullUri, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        (Key::ContainerAuthorizationTokenFile, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        (Key::MetadataEndpoint, "AWS_METADATA_ENDPOINT"),
    ];
    names.into_iter().filter_map(|(key, name)| Some((key, env.first(&[name])?))).collect()
}
