//! A small HTTP server of a test's own.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A request that came.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) line: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Status, further header lines and body.
pub(crate) type Answer = (u16, String, Vec<u8>);

/// Answers every request with what `answer` says to it, and passes it on.
pub(crate) fn answering(
    listener: TcpListener,
    mut answer: impl FnMut(&Asked) -> Answer + Send + 'static,
) -> mpsc::UnboundedReceiver<Asked> {
    let (to, from) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut line, mut lines) = (String::new(), Vec::new());
            while stream.read_line(&mut line).await.is_ok_and(|count| count > 2) {
                lines.push(std::mem::take(&mut line));
            }
            let Some((first, rest)) = lines.split_first() else { continue };
            let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            let header =
                |line: &String| line.trim_end().split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()));
            let headers: BTreeMap<_, _> = rest.iter().filter_map(header).collect();
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            if stream.read_exact(&mut body).await.is_err() {
                continue;
            }
            let asked = Asked { line, headers, body };
            let (status, more, body) = answer(&asked);
            let _ = to.send(asked);
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
    });
    from
}
