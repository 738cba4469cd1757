//! The server's own listeners and its own WebSockets, with nothing behind them that knows a protocol: what comes is said back. So a
//! test suite for servers that echo (Autobahn's) tries what signaling stands on. The limit of a message is higher than that of
//! signaling, as the suite sends 16 MiB.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use crescendo::config::Config;
use crescendo::listen::{Beyond, Listeners};
use crescendo::websocket::{Message, Upgrade, WebSocket};
use futures_util::{SinkExt, StreamExt};

const MESSAGE_MAX: usize = 32 << 20;

/// Serves on a free port, which the first line of stdout names, until stdin ends.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut config = Config::default();
    config.http.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listeners = runtime.block_on(Listeners::bind(&config))?;
    println!("{}", serde_json::json!({ "http": listeners.http()[0] }));
    let site = Router::new().route("/", get(open));
    runtime.spawn(async move { listeners.serve(&config, site, Beyond::default(), std::future::pending()).await });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

async fn open(upgrade: Upgrade) -> Response {
    upgrade.open(MESSAGE_MAX, echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.next().await {
        let said = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            // The library answers these, a close when it is read on.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => continue,
        };
        if said.is_err() {
            return;
        }
    }
}
