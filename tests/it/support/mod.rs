//! The real binary and plain sockets to it.

pub(crate) mod answering;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Nothing that a test waits for takes this long, unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed with the value.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    /// Further addresses, as URLs.
    pub(crate) more: Vec<String>,
    pub(crate) media: Vec<SocketAddr>,
    pub(crate) turn: Vec<SocketAddr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// On free loopback ports, with `set` laid over the defaults.
    pub(crate) async fn start(set: &[&str]) -> Self {
        Self::start_in(&[], set).await
    }

    /// With `environment` added to that of the test.
    pub(crate) async fn start_in(environment: &[(&str, &str)], set: &[&str]) -> Self {
        let fixed = [
            "http.listen=127.0.0.1:0",
            "sfu.listen=127.0.0.1:0",
            "sfu.pin=false",
            "turn.listen=127.0.0.1:0",
            "turn.pin=false",
            "hls.directory=",
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_crescendo"));
        command.arg("serve").envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        for assignment in fixed.iter().chain(set) {
            command.args(["--set", assignment]);
        }
        let mut child = command.spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let first_line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| line)
        });
        let line = timeout(PATIENCE, first_line).await.expect("in time").expect("no panic").expect("readable");
        let said: Value = serde_json::from_str(&line).expect("the first line is JSON");
        let address = |value: &Value| value.as_str().expect("text").parse().expect("an address");
        Self {
            child,
            http: address(&said["http"]),
            https: Some(&said["https"]).filter(|https| !https.is_null()).map(address),
            more: said["more"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|url| url.as_str().expect("text").into())
                .collect(),
            media: said["media"].as_array().expect("a list").iter().map(address).collect(),
            turn: said["turn"].as_array().expect("a list").iter().map(address).collect(),
        }
    }

    pub(crate) async fn socket(&self) -> Socket {
        let url = format!("ws://{}/signal", self.http);
        let (stream, _) = tokio_tungstenite::connect_async(url).await.expect("the socket opens");
        Socket { stream }
    }

    /// A socket that has joined, and its welcome.
    pub(crate) async fn join(&self, room: &str, name: &str) -> (Socket, Value) {
        let mut socket = self.socket().await;
        socket.send(join(room, name)).await;
        let welcome = socket.until("welcome").await;
        (socket, welcome)
    }

    /// Status and body of one request. `body` makes it a JSON request.
    pub(crate) async fn request(&self, method: &str, path: &str, body: Option<&str>, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).await.expect("the server listens");
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let host = if headers.contains("host:") { String::new() } else { format!("host: {}\r\n", self.http) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {}\r\n{kind}{headers}\r\n{body}",
            body.len(),
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path, None, "").await
    }

    /// The value of a metric with its labels, as it is written in `/metrics`; 0 before it was first counted.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (_, metrics) = self.get("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }

    /// Waits until a metric has at least this value.
    pub(crate) async fn counts(&self, name: &str, least: f64) {
        let counted = async {
            while self.metric(name).await < least {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("{name} stayed below {least}"));
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("the server runs");
    }

    /// The exit code, once the server has ended.
    pub(crate) async fn exit(&mut self) -> Option<i32> {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("our child") {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the server ends")
    }
}

pub(crate) fn join(room: &str, name: &str) -> Value {
    json!({ "type": "join", "version": 1, "room": room, "name": name, "tracks": [{ "source": "microphone" }],
            "decodes": ["VP8", "H264"] })
}

pub(crate) struct Socket<S = MaybeTlsStream<TcpStream>> {
    pub(crate) stream: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        // A server that closes first is seen by the next read.
        let _ = self.stream.send(Message::text(text)).await;
    }

    /// The next message; None when the server has closed the socket.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("a message in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads on to a message of this type.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("closed before a `{kind}` came"));
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads on to an error and gives its code.
    pub(crate) async fn error(&mut self) -> String {
        self.until("error").await["code"].as_str().expect("a code").to_owned()
    }

    /// Everything up to the end of the socket.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}
