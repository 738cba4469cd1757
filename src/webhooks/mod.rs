//! Webhooks: what happens is sent to back ends, signed as Standard Webhooks has it (standardwebhooks.com, specification 1.0.0).
//!
//! Each receiver has a task, a queue on disk and connections of its own, so that one that is dead delays nobody else. [`lanes`]
//! decides whose turn it is, [`store`] is the queue's files, [`format`] what a message says, [`send`] one delivery, [`sign`] its
//! signature. The addresses that broadcasts of Ant Media's apps name share a task and a queue.

mod format;
mod lanes;
mod receiver;
mod send;
mod sign;
mod store;

use std::io;
use std::path::PathBuf;

use tokio::task::JoinSet;
use tracing::info;

use self::receiver::{Receiver, To};
use self::send::Sender;
use self::store::Store;
use crate::config;
use crate::fetch::{Address, NoWay};
use crate::host::events::Events;

#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    #[error("`webhooks.urls` or `webhooks.roots`: {0}")]
    NoWay(#[from] NoWay),
    #[error("`webhooks.secret` is not whsec_ and 24 to 64 bytes in base64")]
    Secret,
    #[error("`webhooks.directory`: {path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
}

/// The directory of what goes to addresses that broadcasts name; no hash of an address has this name.
const OF_BROADCASTS: &str = "broadcasts";

/// Whether every receiver could be sent to, but for what only sending can tell.
///
/// # Errors
/// What is configured cannot be used.
pub fn check(config: &config::Webhooks) -> Result<(), WebhooksError> {
    ways(config).map(drop)
}

/// Whom it goes to, how, and the name of the directory in which it waits.
fn ways(config: &config::Webhooks) -> Result<Vec<(To, Sender, String)>, WebhooksError> {
    let mut ways = Vec::new();
    for config::Receiver { url, format } in &config.urls {
        let address = Address::parse(url)?;
        let sender = Sender::new(config, *format, address.is_tls())?;
        ways.push((To::One(address), sender, sign::name_of(url)));
    }
    if let Some(format) = config.broadcast_hooks.format() {
        ways.push((To::Each, Sender::new(config, format, true)?, OF_BROADCASTS.to_owned()));
    }
    Ok(ways)
}

/// The deliveries of this server.
#[derive(Debug)]
pub struct Webhooks {
    receivers: JoinSet<()>,
}

impl Webhooks {
    /// Goes on with what an earlier run has left, and sends all that happens from now on.
    ///
    /// # Errors
    /// What is configured cannot be used.
    pub async fn start(config: &config::Webhooks, events: &Events) -> Result<Self, WebhooksError> {
        let mut receivers = JoinSet::new();
        for (to, sender, directory) in ways(config)? {
            let reader = events.read();
            let directory = config.directory.join(directory);
            let failed = |source| WebhooksError::Directory { path: directory.clone(), source };
            let at = directory.clone();
            let opened = tokio::task::spawn_blocking(move || Store::open(at)).await;
            let (store, left) = opened.map_err(io::Error::other).and_then(|opened| opened).map_err(failed)?;
            info!(receiver = to.name(), waiting = left.len(), "webhooks");
            let receiver = Receiver::new(config, to, sender, store, left);
            receivers.spawn(receiver.run(reader));
        }
        Ok(Self { receivers })
    }

    /// Waits until all that was told is on disk. The events have to be closed before.
    pub async fn finish(mut self) {
        while self.receivers.join_next().await.is_some() {}
    }
}
