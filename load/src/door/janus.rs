//! Janus: its video rooms, over its WebSocket API.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that may come in between.
const MOST_OTHERS: usize = 100_000;
const PLUGIN: &str = "janus.plugin.videoroom";

pub(crate) struct Janus {
    socket: WebSocket<TcpStream>,
    session: u64,
    transactions: u64,
    /// Who sends in each room.
    feeds: BTreeMap<usize, u64>,
}

impl Janus {
    pub(super) fn open(url: &str) -> anyhow::Result<Self> {
        let authority = url.strip_prefix("ws://").context("the url begins with ws://")?;
        let authority = authority.split('/').next().unwrap_or(authority);
        let address = authority.to_socket_addrs()?.next().context("the url has an address")?;
        let stream = TcpStream::connect(crate::this_machine(address)?)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "janus-protocol".parse()?);
        let (socket, _) = client(request, stream).ok().context("the WebSocket opens")?;
        let mut janus = Self { socket, session: 0, transactions: 0, feeds: BTreeMap::new() };
        let created = janus.ask(json!({ "janus": "create" }))?;
        janus.session = created["data"]["id"].as_u64().context("a session has an id")?;
        Ok(janus)
    }

    /// Makes the room if need be.
    pub(super) fn publish(&mut self, room: usize, offer: &str) -> anyhow::Result<String> {
        let handle = self.attach()?;
        // It may be there already.
        let (number, limits) = (room + 1, json!({ "publishers": 100, "bitrate": 0, "fir_freq": 0 }));
        let mut create = json!({ "request": "create", "room": number, "videocodec": "vp8", "audiocodec": "opus" });
        create.as_object_mut().context("it is one")?.extend(limits.as_object().context("it is one")?.clone());
        self.message(handle, create, None)?;
        let join = json!({ "request": "join", "ptype": "publisher", "room": number, "display": "load" });
        let (joined, _) = self.message(handle, join, None)?;
        let feed = joined["id"].as_u64().with_context(|| format!("no id in {joined}"))?;
        let publish = json!({ "request": "publish", "audio": false, "video": true });
        let (said, answer) = self.message(handle, publish, Some(json!({ "type": "offer", "sdp": offer })))?;
        self.feeds.insert(room, feed);
        answer.with_context(|| format!("no answer in {said}"))
    }

    /// The handle, and what the server offers.
    pub(super) fn watch(&mut self, room: usize) -> anyhow::Result<(u64, String)> {
        let handle = self.attach()?;
        let feed = self.feeds.get(&room).context("somebody sends in the room")?;
        let streams = json!([{ "feed": feed }]);
        let join = json!({ "request": "join", "ptype": "subscriber", "room": room + 1, "streams": streams });
        let (said, offer) = self.message(handle, join, None)?;
        Ok((handle, offer.with_context(|| format!("no offer in {said}"))?))
    }

    pub(super) fn start(&mut self, handle: u64, answer: &str) -> anyhow::Result<()> {
        let jsep = json!({ "type": "answer", "sdp": answer });
        let (said, _) = self.message(handle, json!({ "request": "start" }), Some(jsep))?;
        anyhow::ensure!(said["started"] == "ok", "not started: {said}");
        Ok(())
    }

    pub(super) fn close(mut self) -> anyhow::Result<()> {
        let session = self.session;
        self.ask(json!({ "janus": "destroy", "session_id": session })).map(drop)
    }

    fn attach(&mut self) -> anyhow::Result<u64> {
        let session = self.session;
        let attached = self.ask(json!({ "janus": "attach", "plugin": PLUGIN, "session_id": session }))?;
        attached["data"]["id"].as_u64().context("a handle has an id")
    }

    /// What the plugin says, and the description that came with it.
    fn message(&mut self, handle: u64, body: Value, jsep: Option<Value>) -> anyhow::Result<(Value, Option<String>)> {
        let session = self.session;
        let mut message = json!({ "janus": "message", "session_id": session, "handle_id": handle, "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        let mut said = self.ask(message)?;
        let sdp = said["jsep"]["sdp"].as_str().map(str::to_owned);
        Ok((said["plugindata"]["data"].take(), sdp))
    }

    /// The answer, after whatever comes before it.
    fn ask(&mut self, mut request: Value) -> anyhow::Result<Value> {
        self.transactions += 1;
        let transaction = self.transactions.to_string();
        request["transaction"] = transaction.clone().into();
        self.socket.send(Message::text(request.to_string()))?;
        for _ in 0..MOST_OTHERS {
            let Message::Text(text) = self.socket.read()? else { continue };
            let answer: Value = serde_json::from_str(&text)?;
            if answer["transaction"] != transaction.as_str() || answer["janus"] == "ack" {
                continue;
            }
            anyhow::ensure!(answer["janus"] != "error", "{}", answer["error"]);
            return Ok(answer);
        }
        anyhow::bail!("no answer to {request}")
    }
}
