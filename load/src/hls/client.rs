//! HTTP/1.1 on many connections by one thread: as little of a client as there can be, so that it is not what is measured.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// What is read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Nothing takes this long, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Crowd {
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Of the answer that is coming: its head, while that is not complete.
    head: Vec<u8>,
    /// Bytes of the body that are missing; none where nothing is asked for or the head is not there.
    missing: Option<usize>,
}

impl Crowd {
    pub(crate) fn connect(server: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            // One after the other, so that no backlog overflows.
            let stream = std::net::TcpStream::connect(server)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            connections.push(Connection { stream, head: Vec::new(), missing: None });
        }
        Ok(Self { poll, connections, buffer: vec![0; READ_BYTES] })
    }

    /// Each connection asks for `path` once.
    pub(crate) fn ask_all(&mut self, path: &str) -> anyhow::Result<()> {
        let request = request(path);
        self.connections.iter_mut().try_for_each(|connection| connection.ask(&request))
    }

    /// Waits for the answer on each connection and calls `answered` at each one's last byte.
    pub(crate) fn await_all(&mut self, mut answered: impl FnMut()) -> anyhow::Result<()> {
        let (mut left, began) = (self.connections.len(), Instant::now());
        let mut events = Events::with_capacity(1_024);
        while left > 0 {
            ensure!(began.elapsed() < PATIENCE, "{left} answers are missing");
            self.poll.poll(&mut events, Some(Duration::from_secs(1)))?;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if connection.read(&mut self.buffer)?.is_some() {
                    answered();
                    left -= 1;
                }
            }
        }
        Ok(())
    }

    /// Asks again on each connection as soon as it has its answer, for `time`; gives how many answers and bytes of bodies came.
    pub(crate) fn ask_on(&mut self, path: &str, time: Duration) -> anyhow::Result<(u64, u64)> {
        let request = request(path);
        self.connections.iter_mut().try_for_each(|connection| connection.ask(&request))?;
        let (mut left, end) = (self.connections.len(), Instant::now() + time);
        let (mut answers, mut bytes) = (0, 0);
        let mut events = Events::with_capacity(1_024);
        while left > 0 {
            ensure!(Instant::now() < end + PATIENCE, "{left} answers are missing");
            self.poll.poll(&mut events, Some(Duration::from_secs(1)))?;
            let over = Instant::now() > end;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if let Some(length) = connection.read(&mut self.buffer)? {
                    (answers, bytes) = (answers + 1, bytes + length as u64);
                    if over { left -= 1 } else { connection.ask(&request)? }
                }
            }
        }
        Ok((answers, bytes))
    }
}

impl Connection {
    fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.missing = None;
        self.head.clear();
        // A request is far smaller than an empty socket buffer.
        self.stream.write_all(request).context("a request is not taken")
    }

    /// Reads what is there; the length of the body when the answer is complete.
    fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<Option<usize>> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => anyhow::bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let missing = match &mut self.missing {
                Some(missing) => {
                    *missing = missing.checked_sub(read).context("more came than was said")?;
                    *missing
                }
                None => {
                    self.head.extend_from_slice(&buffer[..read]);
                    let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let length = content_length(&self.head[..end])?;
                    let missing = (end + 4 + length).checked_sub(self.head.len()).context("more came than was said")?;
                    self.head.truncate(end);
                    self.missing = Some(missing);
                    missing
                }
            };
            if missing == 0 {
                return content_length(&self.head).map(Some);
            }
        }
    }
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    Ok(line.context("no Content-Length")??)
}

/// One answer's body, on a connection of its own.
pub(crate) fn fetch(server: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = std::net::TcpStream::connect(server)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no head")?;
    content_length(&answer[..end])?;
    Ok(answer.split_off(end + 4))
}
