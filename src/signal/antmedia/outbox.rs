//! What waits to be written to one socket: so many messages, and so many bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::websocket::Message;

/// Bytes that may wait. More than a full room's descriptions and metadata; a socket with more does not read and is closed.
/// Higher: slower clients stay, for memory.
const WAITING_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Outbox {
    messages: mpsc::Sender<Message>,
    waiting: Arc<AtomicUsize>,
}

/// The end that is written from.
#[derive(Debug)]
pub(super) struct Queue {
    messages: mpsc::Receiver<Message>,
    waiting: Arc<AtomicUsize>,
    /// Bytes of the message that was taken last.
    taken: usize,
}

pub(super) fn outbox(messages: usize) -> (Outbox, Queue) {
    let (sender, receiver) = mpsc::channel(messages);
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox { messages: sender, waiting: Arc::clone(&waiting) };
    (outbox, Queue { messages: receiver, waiting, taken: 0 })
}

impl Outbox {
    /// False when as much waits as may.
    pub(super) fn push(&self, message: Message) -> bool {
        let length = length(&message);
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        before + length <= WAITING_BYTES && self.messages.try_send(message).is_ok()
    }
}

impl Queue {
    /// The next message; the one before has been written by then.
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.waiting.fetch_sub(std::mem::take(&mut self.taken), Ordering::Relaxed);
        let message = self.messages.recv().await?;
        self.taken = length(&message);
        Some(message)
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) | Message::Frame(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_makes_room_and_more_than_may_wait_is_refused() {
        let (outbox, mut queue) = outbox(64);
        let quarter = || Message::text("x".repeat(WAITING_BYTES / 4));
        assert!((0..4).all(|_| outbox.push(quarter())));
        queue.next().await.unwrap();
        queue.next().await.unwrap();
        assert!(outbox.push(quarter()), "the first is written");
        assert!(!outbox.push(quarter()), "the second is being written");
    }
}
