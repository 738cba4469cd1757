//! What waits for one socket: so many messages, and so many bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::outgoing::Outgoing;
use crate::config;

/// Of what may wait, the share that messages may take which can be lost: they leave room for those that cannot.
const UNRELIABLE_SHARE: usize = 2;

/// The way to a socket. One that does not keep up is closed by whoever finds it full.
#[derive(Debug, Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    bytes: Arc<Bytes>,
}

/// The end that is written from.
#[derive(Debug)]
pub struct Inbox {
    queue: mpsc::Receiver<Outgoing>,
    bytes: Arc<Bytes>,
    /// Of the message that was taken last.
    taken: usize,
}

#[derive(Debug)]
struct Bytes {
    most: usize,
    waiting: AtomicUsize,
}

/// An outbox that does not keep its inbox open.
#[derive(Debug, Clone)]
pub(super) struct WeakOutbox {
    queue: mpsc::WeakSender<Outgoing>,
    bytes: Arc<Bytes>,
}

/// As much waits as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

pub fn outbox(config: &config::Signal) -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel(config.outbox_messages);
    let bytes = Arc::new(Bytes { most: config.outbox_bytes, waiting: AtomicUsize::new(0) });
    (Outbox { queue: sender, bytes: bytes.clone() }, Inbox { queue: receiver, bytes, taken: 0 })
}

impl Outbox {
    /// Nobody who listens any more has room for everything.
    pub fn push(&self, outgoing: Outgoing) -> Result<(), Full> {
        self.push_within(outgoing, self.bytes.most)
    }

    /// What may get lost.
    pub fn push_unreliable(&self, outgoing: Outgoing) -> Result<(), Full> {
        match self.queue.capacity() * UNRELIABLE_SHARE < self.queue.max_capacity() {
            true => Err(Full),
            false => self.push_within(outgoing, self.bytes.most / UNRELIABLE_SHARE),
        }
    }

    fn push_within(&self, outgoing: Outgoing, most: usize) -> Result<(), Full> {
        let length = outgoing.bytes();
        let before = self.bytes.waiting.fetch_add(length, Ordering::Relaxed);
        let sent = match before.saturating_add(length) > most {
            true => Err(Full),
            false => match self.queue.try_send(outgoing) {
                Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            },
        };
        if sent.is_err() {
            self.bytes.waiting.fetch_sub(length, Ordering::Relaxed);
        }
        sent
    }

    pub(super) fn downgrade(&self) -> WeakOutbox {
        WeakOutbox { queue: self.queue.downgrade(), bytes: self.bytes.clone() }
    }
}

impl WeakOutbox {
    pub(super) fn upgrade(&self) -> Option<Outbox> {
        Some(Outbox { queue: self.queue.upgrade()?, bytes: self.bytes.clone() })
    }
}

impl Inbox {
    /// The next message; the one before has been written by then. None when there is no outbox any more.
    pub async fn next(&mut self) -> Option<Outgoing> {
        self.bytes.waiting.fetch_sub(std::mem::take(&mut self.taken), Ordering::Relaxed);
        let outgoing = self.queue.recv().await?;
        self.taken = outgoing.bytes();
        Some(outgoing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::ServerMessage;
    use super::*;

    fn message(bytes: usize) -> Outgoing {
        let empty = |data: &str| ServerMessage::Message {
            number: None,
            from: super::super::message::Id(crate::room::ids::ParticipantId(1)),
            data: data.into(),
            binary: false,
        };
        let envelope = Outgoing::from(empty("")).bytes();
        Outgoing::from(empty(&"x".repeat(bytes - envelope)))
    }

    fn small() -> (Outbox, Inbox) {
        outbox(&config::Signal { outbox_bytes: 1_000, outbox_messages: 64, ..config::Signal::default() })
    }

    #[tokio::test]
    async fn so_many_bytes_wait_and_what_is_written_makes_room() {
        let (outbox, mut inbox) = small();
        assert_eq!([400, 400, 400].map(|bytes| outbox.push(message(bytes))), [Ok(()), Ok(()), Err(Full)]);
        inbox.next().await;
        assert_eq!(outbox.push(message(400)), Err(Full), "the first is being written");
        inbox.next().await;
        assert_eq!(outbox.push(message(400)), Ok(()));
    }

    #[test]
    fn what_may_get_lost_leaves_half_the_room() {
        let (outbox, _inbox) = small();
        assert_eq!(outbox.push_unreliable(message(400)), Ok(()));
        assert_eq!(outbox.push_unreliable(message(400)), Err(Full));
        assert_eq!(outbox.push(message(400)), Ok(()));
        let (outbox, _inbox) = small();
        let taken = (0..64).filter(|_| outbox.push_unreliable(message(100)).is_ok()).count();
        assert_eq!(taken, 5);
        let (outbox, _inbox) = small();
        let taken = (0..64).filter(|_| outbox.push(Outgoing::Notice(super::super::outgoing::Notice::Media)).is_ok());
        assert_eq!(taken.count(), 64);
        assert_eq!(outbox.push_unreliable(message(100)), Err(Full));
    }
}
