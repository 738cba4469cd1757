//! Where files go that are to outlive this machine: a directory, or a bucket of S3, Google Cloud Storage or Azure.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

/// An address of a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("it is no URL: {0}")]
    Url(#[from] url::ParseError),
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

/// A store, and what all names in it begin with.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// Its objects can say what they are and how long they may be kept.
    pub(super) describes: bool,
}

impl Bucket {
    /// None where the address is empty. Credentials and the like come from the environment, under the names that each provider's
    /// own tools have for them.
    pub(super) fn open(address: &str) -> Result<Option<Self>, AddressError> {
        if address.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(address)?;
        let named = ["AWS_", "GOOGLE_", "AZURE_"];
        let environment =
            std::env::vars_os().filter_map(|(key, value)| key.into_string().ok().zip(value.into_string().ok()));
        let options = environment.filter(|(key, _)| named.iter().any(|prefix| key.starts_with(prefix)));
        let (store, prefix) = object_store::parse_url_opts(&url, options)?;
        Ok(Some(Self { store: store.into(), prefix, describes: url.scheme() != "file" }))
    }
}
