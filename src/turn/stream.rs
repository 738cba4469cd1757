//! A client that comes over TCP or TLS: one task, which owns the stream and the relayed port. Both go together.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest};
use tokio::time::{Sleep, sleep_until};

use super::allocation::{Allocation, Transport};
use super::data::{self, Frame};
use super::meters::Dropped;
use super::server::{Now, Opening, Server, Step};
use super::socket::{Batch, Ports, Socket, Train};

/// Read at once from a client that has no allocation, and from one that has. Larger: fewer system calls; smaller: a stream that
/// only sits there costs less.
const READ_STRANGER: usize = 2 * 1024;
const READ_CLIENT: usize = 32 * 1024;

thread_local! {
    // Used between two awaits only: every stream of a thread can share them.
    static SCRATCH: RefCell<(Batch, Train)> = RefCell::default();
}

/// What is written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// As much as goes.
    Any,
    /// A message, which has a record of its own then, inside TLS: coturn's client takes what one `SSL_read` gives, which is a record,
    /// for one message.
    Messages,
}

/// What is not yet written.
#[derive(Debug)]
struct Outbox {
    bytes: BytesMut,
    pieces: Pieces,
    /// Bytes of the piece that is being written.
    left: usize,
}

impl Outbox {
    fn new(pieces: Pieces) -> Self {
        Self { bytes: BytesMut::new(), pieces, left: 0 }
    }

    /// What is to be written next.
    fn piece(&mut self) -> &[u8] {
        if self.left == 0 {
            self.left = match self.pieces {
                Pieces::Any => self.bytes.len(),
                Pieces::Messages => match data::frame(&self.bytes) {
                    Frame::Whole { with_padding, .. } => with_padding,
                    Frame::Part | Frame::Broken => self.bytes.len(),
                },
            };
        }
        &self.bytes[..self.left]
    }

    /// So much of it is.
    fn written(&mut self, count: usize) {
        self.bytes.advance(count);
        self.left -= count;
    }
}

/// What a stream is served by.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// How long a stream may be there without an allocation.
    pub(super) stranger: Duration,
    /// How long a client may read nothing of what waits for it.
    pub(super) idle: Duration,
    /// What may wait for a client that does not read; what comes beyond is dropped.
    pub(super) buffer_bytes: usize,
}

#[derive(Debug)]
struct Relay {
    allocation: Allocation,
    socket: AsyncFd<SharedSocket>,
}

/// For [`AsyncFd`], which wants to own it.
#[derive(Debug)]
struct SharedSocket(Arc<Socket>);

impl std::os::fd::AsRawFd for SharedSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

/// Watched for reading alone: every datagram that leaves would otherwise wake the task.
// Deprecated because a descriptor might be closed while it is watched; this one is owned by what is registered.
#[allow(deprecated)]
fn watch(socket: Arc<Socket>) -> Option<AsyncFd<SharedSocket>> {
    AsyncFd::with_interest(SharedSocket(socket), Interest::READABLE).ok()
}

/// Why a stream is over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum End {
    #[error("the client closed it")]
    Closed,
    #[error("it brought what is neither STUN nor ChannelData")]
    Broken,
    #[error("it had no allocation in time")]
    Idle,
    #[error("the client did not read")]
    Stalled,
    #[error("the allocation ran out")]
    RanOut,
    #[error("it failed: {0}")]
    Io(io::ErrorKind),
}

/// One client's state; the stream itself is beside it.
struct Connection<'a> {
    server: &'a Server,
    ports: &'a Ports,
    settings: &'a Settings,
    peer: SocketAddr,
    relay: Option<Relay>,
    /// Read, and not yet a whole message.
    inbox: BytesMut,
    outbox: Outbox,
    /// Written, and perhaps waiting in a TLS session.
    unflushed: bool,
    opened: Instant,
    /// When the client last took something of what waits for it, or nothing waited.
    moved: Instant,
}

enum Woken {
    Read(io::Result<usize>),
    Written(io::Result<()>),
    Relayed,
    Due,
}

/// Serves the stream to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    ports: &Ports,
    settings: &Settings,
    stream: S,
    pieces: Pieces,
    peer: SocketAddr,
) -> End {
    let now = Instant::now();
    let mut connection = Connection {
        server,
        ports,
        settings,
        peer,
        relay: None,
        inbox: BytesMut::new(),
        outbox: Outbox::new(pieces),
        unflushed: false,
        opened: now,
        moved: now,
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut timer = std::pin::pin!(sleep_until(connection.due().0.into()));
    loop {
        connection.inbox.reserve(if connection.relay.is_some() { READ_CLIENT } else { READ_STRANGER });
        let Connection { inbox, outbox, unflushed, relay, moved, .. } = &mut connection;
        let waiting = !outbox.bytes.is_empty() || *unflushed;
        let woken = tokio::select! {
            biased;
            written = poll_fn(|cx| write(Pin::new(&mut writer), cx, outbox, unflushed, moved)), if waiting => {
                Woken::Written(written)
            }
            read = reader.read_buf(inbox) => Woken::Read(read),
            () = relayed(relay.as_ref()), if relay.is_some() => Woken::Relayed,
            () = &mut timer => Woken::Due,
        };
        let ended = match woken {
            Woken::Written(Ok(())) => None,
            Woken::Read(Ok(0)) => Some(End::Closed),
            Woken::Read(Ok(_)) => connection.messages().err(),
            Woken::Read(Err(error)) | Woken::Written(Err(error)) => Some(End::Io(error.kind())),
            Woken::Relayed => {
                connection.read_peers();
                None
            }
            Woken::Due => connection.overdue(&mut timer),
        };
        if let Some(end) = ended {
            return end;
        }
    }
}

/// Writes as much as goes, then flushes. What was written is gone from `outbox` whenever this is interrupted.
fn write<W: AsyncWrite>(
    mut writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    outbox: &mut Outbox,
    unflushed: &mut bool,
    moved: &mut Instant,
) -> Poll<io::Result<()>> {
    while !outbox.bytes.is_empty() {
        let written = ready!(writer.as_mut().poll_write(cx, outbox.piece()))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outbox.written(written);
        *unflushed = true;
        *moved = Instant::now();
    }
    ready!(writer.poll_flush(cx))?;
    *unflushed = false;
    Poll::Ready(Ok(()))
}

/// Something has come to the relayed address.
async fn relayed(relay: Option<&Relay>) {
    match relay {
        // That it could not be waited for is seen by whoever reads.
        Some(relay) => drop(relay.socket.readable().await),
        None => std::future::pending().await,
    }
}

impl Connection<'_> {
    /// When something has to be looked at that no packet brings, and what it would be.
    fn due(&self) -> (Instant, End) {
        let ends = match &self.relay {
            Some(relay) => (relay.allocation.until, End::RanOut),
            None => (self.opened + self.settings.stranger, End::Idle),
        };
        if self.outbox.bytes.is_empty() {
            return ends;
        }
        let stalls = (self.moved + self.settings.idle, End::Stalled);
        if stalls.0 < ends.0 { stalls } else { ends }
    }

    /// The timer has run out: it is the end, or the timer is set anew. It is set no further ahead than `idle`, so that nothing
    /// else has to move it.
    fn overdue(&self, timer: &mut Pin<&mut Sleep>) -> Option<End> {
        let now = Instant::now();
        match self.due() {
            (due, end) if due <= now => Some(end),
            (due, _) => {
                timer.as_mut().reset(due.min(now + self.settings.idle).into());
                None
            }
        }
    }

    /// Handles every whole message of the inbox.
    fn messages(&mut self) -> Result<(), End> {
        let mut inbox = std::mem::take(&mut self.inbox);
        let now = Now::read();
        let handled = SCRATCH.with_borrow_mut(|(_, train)| {
            let handled = loop {
                match data::frame(&inbox) {
                    Frame::Part if self.relay.is_none() && inbox.len() >= READ_STRANGER => break Err(End::Broken),
                    Frame::Part => break Ok(()),
                    Frame::Broken => break Err(End::Broken),
                    Frame::Whole { message, with_padding } => {
                        self.message(now, &inbox[..message], train);
                        inbox.advance(with_padding);
                    }
                }
            };
            train.flush(&self.server.meters);
            handled
        });
        self.inbox = inbox;
        handled
    }

    fn message(&mut self, now: Now, message: &[u8], train: &mut Train) {
        let allocation = self.relay.as_mut().map(|relay| &mut relay.allocation);
        match self.server.handle(now, self.peer, allocation, message) {
            Step::Nothing => {}
            Step::Relay { to, payload } => {
                if let Some(relay) = &self.relay {
                    let socket = &relay.socket.get_ref().0;
                    train.push(socket, to, None, &[&message[payload]], &self.server.meters);
                }
            }
            Step::Answer(answer) => self.put(&[&answer]),
            Step::Open(opening) => self.open(now.at, *opening),
            Step::Close(answer) => {
                self.put(&[&answer]);
                self.relay = None;
                self.opened = now.at;
            }
        }
    }

    fn open(&mut self, now: Instant, opening: Opening) {
        let bound = self.ports.bind(opening.ipv6, opening.even_port);
        let watched = bound.and_then(|(socket, address)| Some((watch(socket)?, address)));
        let address = watched.as_ref().map(|(_, address)| *address);
        let (allocation, answer) = self.server.opened(now, opening, Transport::Stream, address);
        self.put(&[&answer]);
        if let (Some(allocation), Some((socket, _))) = (allocation, watched) {
            self.relay = Some(Relay { allocation, socket });
        }
    }

    /// One batch of what peers sent.
    fn read_peers(&mut self) {
        let Some(relay) = self.relay.take() else { return };
        let now = Instant::now();
        SCRATCH.with_borrow_mut(|(batch, _)| {
            // A socket that gave less than a batch is empty, which saves asking it again.
            let _ = relay.socket.try_io(Interest::READABLE, |SharedSocket(socket)| match socket.receive(batch) {
                Ok(true) => Ok(()),
                Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
                Err(error) => Err(error),
            });
            for (peer, _, payload) in batch.iter() {
                if let Some(wrapping) = self.server.wrap(now, &relay.allocation, peer, payload.len()) {
                    self.put(&[wrapping.before(), payload, wrapping.after()]);
                }
            }
        });
        self.relay = Some(relay);
    }

    /// Puts a message into the outbox, if there is room.
    fn put(&mut self, parts: &[&[u8]]) {
        if self.outbox.bytes.is_empty() {
            self.moved = Instant::now();
        }
        if self.outbox.bytes.len() >= self.settings.buffer_bytes {
            return self.server.meters.dropped(Dropped::SlowClient);
        }
        parts.iter().for_each(|part| self.outbox.bytes.extend_from_slice(part));
    }
}
