//! ICE over TCP (RFC 6544), for networks that let no UDP out. The client connects, each packet goes with its length before it
//! (RFC 4571), and from there on a shard knows a stream as it knows an address: [`Route::stream`](super::udp::Route).
//!
//! One task a connection reads and writes. It hands what comes to the shard that its first check names, and waits while that
//! one has no room, so that a flood waits in its sender's window. What a shard sends never waits: beyond `sfu.tcp_queue_bytes` it
//! is lost, as any packet may be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::handle::Waker;
use super::transport::ice;

/// Longest packet. RFC 4571 has room for 65,535; what comes from a network that carries calls is shorter than this.
const MAX_PACKET: usize = 2_048;
/// Bytes of the length before each packet.
const LENGTH: usize = 2;
/// Read at once. Larger: fewer system calls; smaller: a connection that only sits there costs less.
const READ: usize = 16 * 1024;
/// What may wait for a shard, of all connections together; then their senders wait.
const ARRIVALS: usize = 1_024;

/// One connection of the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(pub(crate) u64);

/// What connections tell a shard.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is there, and this is the way back. Its packets follow.
    Opened {
        stream: StreamId,
        outlet: Outlet,
    },
    Packet {
        stream: StreamId,
        from: SocketAddr,
        packet: BytesMut,
    },
    Ended {
        stream: StreamId,
    },
}

/// The way from connections to a shard.
#[derive(Debug, Clone)]
pub(crate) struct Inlet {
    arrivals: mpsc::Sender<Arrival>,
    rung: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

/// A shard's end of it.
#[derive(Debug)]
pub(crate) struct Arrivals {
    inbox: mpsc::Receiver<Arrival>,
    rung: Arc<AtomicBool>,
}

pub(crate) fn inlet(waker: Arc<Waker>) -> (Inlet, Arrivals) {
    let (arrivals, inbox) = mpsc::channel(ARRIVALS);
    let rung = Arc::new(AtomicBool::new(false));
    (Inlet { arrivals, rung: rung.clone(), waker }, Arrivals { inbox, rung })
}

impl Inlet {
    /// Waits for room. The thread is woken once for all that come before it looks.
    async fn send(&self, arrival: Arrival) -> Result<(), End> {
        self.arrivals.send(arrival).await.map_err(|_| End::Over)?;
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
        Ok(())
    }
}

impl Arrivals {
    /// From now on who sends wakes the thread again. To be called before what is there is taken.
    pub(crate) fn listen(&self) {
        self.rung.store(false, Ordering::Release);
    }

    pub(crate) fn take(&mut self) -> Option<Arrival> {
        self.inbox.try_recv().ok()
    }
}

/// The way back to a client. Dropped: its connection ends.
#[derive(Debug)]
pub(crate) struct Outlet {
    chunks: mpsc::UnboundedSender<Bytes>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

/// Why packets do not go to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `sfu.tcp_queue_bytes` wait for it.
    Full,
    /// It is gone.
    Ended,
}

impl Outlet {
    /// Sends packets that lie one behind the other, each `segment` bytes long but the last, which may be shorter.
    pub(crate) fn send(&self, packets: &[u8], segment: usize) -> Result<(), Refused> {
        if self.waiting.load(Ordering::Relaxed) + packets.len() > self.most {
            return Err(Refused::Full);
        }
        let chunk = framed(packets, segment);
        self.waiting.fetch_add(chunk.len(), Ordering::Relaxed);
        self.chunks.send(chunk).map_err(|_| Refused::Ended)
    }
}

fn framed(packets: &[u8], segment: usize) -> Bytes {
    let count = packets.len().div_ceil(segment.max(1));
    let mut framed = Vec::with_capacity(packets.len() + count * LENGTH);
    for packet in packets.chunks(segment.max(1)) {
        // No datagram is longer than this can say.
        framed.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        framed.extend_from_slice(packet);
    }
    framed.into()
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum End {
    #[error("the client closed it")]
    Closed,
    #[error("it brought what is no packet, or none that names a transport of this server")]
    Broken,
    #[error("no check with a valid password came in time")]
    Late,
    #[error("its transport is closed")]
    Over,
    #[error("it failed: {0}")]
    Io(io::ErrorKind),
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            End::Closed => "closed",
            End::Broken => "broken",
            End::Late => "late",
            End::Over => "over",
            End::Io(_) => "failed",
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        End::Io(error.kind())
    }
}

/// What a connection goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the first check that is authentic.
    pub(super) handshake: Duration,
    /// What may wait for a client that does not read.
    pub(super) queue_bytes: usize,
}

/// Serves a connection to its end. `shard` finds the one that a number in a user name stands for.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(
    stream: S,
    from: SocketAddr,
    id: StreamId,
    limits: Limits,
    shard: impl Fn(usize) -> Option<Inlet>,
) -> End {
    let (mut reader, writer) = tokio::io::split(stream);
    let mut inbox = BytesMut::new();
    let first = match timeout(limits.handshake, packet(&mut reader, &mut inbox)).await {
        Ok(Ok(first)) => first,
        Ok(Err(end)) => return end,
        Err(_) => return End::Late,
    };
    let named = ice::parse(&first).and_then(|check| shard(ice::shard(&check.ufrag)?));
    let Some(inlet) = named else { return End::Broken };
    let (chunks, outbox) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outlet = Outlet { chunks, waiting: waiting.clone(), most: limits.queue_bytes };
    if inlet.send(Arrival::Opened { stream: id, outlet }).await.is_err() {
        return End::Over;
    }
    let end = tokio::select! {
        Err(end) = read(&mut reader, first, &mut inbox, from, id, &inlet) => end,
        Err(end) = write(writer, outbox, &waiting, limits.handshake) => end,
    };
    let _ = inlet.send(Arrival::Ended { stream: id }).await;
    end
}

/// One packet; what was read beyond it is left in `inbox`.
async fn packet<R: AsyncRead + Unpin>(reader: &mut R, inbox: &mut BytesMut) -> Result<BytesMut, End> {
    loop {
        if let Some(packet) = whole(inbox)? {
            return Ok(packet);
        }
        inbox.reserve(READ);
        if reader.read_buf(inbox).await? == 0 {
            return Err(End::Closed);
        }
    }
}

/// The next packet of `inbox`, if all of it is there. Empty ones are passed over.
fn whole(inbox: &mut BytesMut) -> Result<Option<BytesMut>, End> {
    while let Some(&[high, low]) = inbox.first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_PACKET {
            return Err(End::Broken);
        }
        if inbox.len() < LENGTH + length {
            return Ok(None);
        }
        inbox.advance(LENGTH);
        if length > 0 {
            return Ok(Some(inbox.split_to(length)));
        }
    }
    Ok(None)
}

async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    first: BytesMut,
    inbox: &mut BytesMut,
    from: SocketAddr,
    stream: StreamId,
    inlet: &Inlet,
) -> Result<std::convert::Infallible, End> {
    let mut next = first;
    loop {
        inlet.send(Arrival::Packet { stream, from, packet: next }).await?;
        next = packet(reader, inbox).await?;
    }
}

/// A shard answers authentic checks alone: until it has, the time runs.
async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut outbox: mpsc::UnboundedReceiver<Bytes>,
    waiting: &AtomicUsize,
    handshake: Duration,
) -> Result<std::convert::Infallible, End> {
    let mut next = timeout(handshake, outbox.recv()).await.map_err(|_| End::Late)?;
    while let Some(chunk) = next {
        writer.write_all(&chunk).await?;
        waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
        next = outbox.recv().await;
    }
    Err(End::Over)
}

#[cfg(test)]
mod tests;
