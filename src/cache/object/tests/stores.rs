//! The suite on every kind of store. Servers are named by the environment; a test whose server is not says so in one
//! line and passes.

use super::super::*;
use super::*;

/// Azurite's account, which is the same everywhere and no secret (learn.microsoft.com, "Use the Azurite emulator").
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Another place for each run, so that runs on one server do not meet.
fn place() -> String {
    let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(10).collect();
    format!("conformance/{}-{noise}", std::process::id())
}

/// The suite on the server whose address this variable holds, with `path` behind it.
fn check_server(variable: &str, path: &str, scheme: &str, env: &[(&str, &str)]) {
    let Ok(endpoint) = std::env::var(variable) else {
        println!("skipped: {variable} names no server (CONTRIBUTING.md tells how to start all of them)");
        return;
    };
    let store = format!("{scheme}://unsharp/{}", place());
    suite::check(&|| {
        let options = StoreOptions {
            store: Some(store.clone()),
            endpoint: Some(format!("{endpoint}{path}")),
            ..StoreOptions::default()
        };
        open(options, env)
    });
}

#[test]
fn memory_does_what_every_store_does() {
    let store = format!("memory:{}", place().replace('/', "-"));
    suite::check(&|| open(StoreOptions { store: Some(store.clone()), ..StoreOptions::default() }, &[]));
}

#[test]
fn a_folder_does_what_every_store_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("file://{}/with a space/and%23hash", folder.path().display());
    suite::check(&|| open(StoreOptions { store: Some(store.clone()), ..StoreOptions::default() }, &[]));
    assert!(folder.path().join("with a space/and#hash").is_dir());
}

const S3_KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "testtest")];

#[test]
fn s3_on_moto_does_what_every_store_does() {
    check_server("UNSHARP_TEST_S3_MOTO", "", "s3", &S3_KEYS);
}

/// rclone ignores conditional writes.
#[test]
fn s3_on_rclone_does_what_every_store_does() {
    check_server("UNSHARP_TEST_S3_RCLONE", "", "s3", &S3_KEYS);
}

#[test]
fn azure_on_azurite_does_what_every_store_does() {
    let env = [("AZURE_STORAGE_ACCOUNT_NAME", AZURITE_ACCOUNT), ("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY)];
    check_server("UNSHARP_TEST_AZURE", &format!("/{AZURITE_ACCOUNT}"), "az", &env);
}

/// A stub of our own, no real server: it shows that we speak to Google's interface, not that Google answers.
#[test]
fn gcs_on_the_stub_does_what_every_store_does() {
    check_server("UNSHARP_TEST_GCS", "", "gs", &[]);
}
