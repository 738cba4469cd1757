//! A participant who floods.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long the server may take to say what it thinks of one connection.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Options {
    /// The signaling socket, such as ws://127.0.0.1:8080/socket.
    #[arg(long)]
    url: String,
    #[arg(long)]
    room: String,
    /// Connections, one after the other. Each goes on until the server closes it or the messages are used up.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    connections: u32,
    /// Messages of one connection.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    messages: u32,
    /// Seconds after which everything stops.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
}

/// What the server said, over all connections.
#[derive(Default)]
struct Heard {
    errors: BTreeMap<String, u64>,
    closed: u64,
}

type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn flood(options: Options, mut random: Rng) -> anyhow::Result<Value> {
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let mut heard = Heard::default();
    let mut sent = 0u64;
    for connection in 0..options.connections {
        if Instant::now() >= until {
            break;
        }
        let mut socket = connect(&options.url).await?;
        // Every other one joins first, so that the junk comes from inside the room as well.
        if connection % 2 == 0 {
            let join = json!({
                "type": "join", "version": 1, "room": options.room, "name": "flood", "tracks": [], "decodes": ["VP8"],
            });
            socket.send(Message::text(join.to_string())).await.context("joining")?;
        }
        sent += one_connection(&mut socket, &options, until, &mut random, &mut heard).await;
    }
    // A frame beyond the limit, on a connection of its own: the server closes it.
    let mut socket = connect(&options.url).await?;
    let oversize = Message::text("x".repeat(1 << 20));
    let taken = socket.send(oversize).await.is_ok();
    listen(&mut socket, PATIENCE, &mut heard).await;
    Ok(json!({ "messages": sent, "oversizeWritten": taken, "errors": heard.errors, "closed": heard.closed }))
}

async fn connect(url: &str) -> anyhow::Result<Socket> {
    let authority = url.strip_prefix("ws://").context("the url begins with ws://")?;
    let authority = authority.split('/').next().unwrap_or(authority);
    let address = lookup_host(authority).await?.next().context("the url has an address")?;
    let stream = TcpStream::connect(crate::loopback(address)?).await?;
    let (socket, _) = timeout(PATIENCE, client_async(url, stream)).await.context("connecting")??;
    Ok(socket)
}

/// Sends until the server has had enough; gives the number of messages written.
async fn one_connection(
    socket: &mut Socket,
    options: &Options,
    until: Instant,
    random: &mut Rng,
    heard: &mut Heard,
) -> u64 {
    for sent in 0..options.messages {
        if Instant::now() >= until || socket.send(junk(random)).await.is_err() {
            listen(socket, PATIENCE, heard).await;
            return u64::from(sent);
        }
        // Reads now and then: a peer that never reads is dropped for that alone.
        if sent % 50 == 49 && !listen(socket, Duration::from_millis(1), heard).await {
            return u64::from(sent + 1);
        }
    }
    listen(socket, PATIENCE, heard).await;
    u64::from(options.messages)
}

/// Counts what comes until nothing did for `quiet`. False once the server has closed the connection.
async fn listen(socket: &mut Socket, quiet: Duration, heard: &mut Heard) -> bool {
    loop {
        match timeout(quiet, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                if message["type"] == "error" {
                    let code = message["code"].as_str().unwrap_or("none").to_owned();
                    *heard.errors.entry(code).or_default() += 1;
                }
            }
            Ok(Some(Ok(Message::Close(_)))) | Ok(Some(Err(_))) | Ok(None) => {
                heard.closed += 1;
                return false;
            }
            Ok(Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
            Err(_) => return true,
        }
    }
}

/// One message of every wrong kind, in turn by chance.
fn junk(random: &mut Rng) -> Message {
    const BROKEN: [&str; 16] = [
        "",
        "{",
        "null",
        "[]",
        "\u{0}",
        r#"{"type":"nonsense"}"#,
        r#"{"type":"join"}"#,
        r#"{"type":"join","version":99,"room":"x","name":"x","tracks":[],"decodes":[]}"#,
        r#"{"type":"join","version":1,"room":"../etc/passwd","name":"x","tracks":[],"decodes":[]}"#,
        r#"{"type":"publish","request":1,"source":"nose"}"#,
        r#"{"type":"unpublish","track":"t4294967296"}"#,
        r#"{"type":"answer","transport":"up","generation":1,"sdp":"v=0\r\nm=video 9 \r\na=fingerprint:"}"#,
        r#"{"type":"link-description","peer":"p1","link":1,"description":{"type":"offer","sdp":"garbage"},"tracks":[]}"#,
        r#"{"type":"link-candidate","peer":"p1","link":1,"candidate":{"candidate":"candidate:junk"}}"#,
        r#"{"type":"shown","peer":"p1","carrier":"sfu","epoch":4294967295}"#,
        r#"{"type":"stop-leg","request":1,"leg":"l999"}"#,
    ];
    match random.u8(..10) {
        0 => Message::binary(noise(random, 2_000)),
        1 => Message::text(noise(random, 1_000).iter().map(|byte| char::from(*byte)).collect::<String>()),
        2 => Message::text("[".repeat(random.usize(1..60_000))),
        3 => Message::text(format!(r#"{{"type":"message","data":"{}"}}"#, "x".repeat(random.usize(1..60_000)))),
        _ => Message::text(BROKEN[random.usize(..BROKEN.len())]),
    }
}

fn noise(random: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.usize(1..most)];
    random.fill(&mut bytes);
    bytes
}
