//! One who looks at what it gets, on a thread of its own: opens and checks every packet.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::far::Far;
use crate::stamp::{Checker, Found};

/// How long it waits for packets before it looks at timers.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Shared {
    packets: AtomicU64,
    timed: AtomicBool,
    storm: AtomicBool,
    stop: AtomicBool,
}

pub(super) struct Listener {
    shared: Arc<Shared>,
    thread: JoinHandle<anyhow::Result<Found>>,
}

impl Listener {
    pub(super) fn start(far: Far) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let run = {
            let shared = shared.clone();
            move || listen(far, &shared)
        };
        let thread = thread::Builder::new().name("listener".into()).spawn(run)?;
        Ok(Self { shared, thread })
    }

    pub(super) fn packets(&self) -> u64 {
        self.shared.packets.load(Ordering::Relaxed)
    }

    pub(super) fn time_it(&self, on: bool) {
        self.shared.timed.store(on, Ordering::Relaxed);
    }

    pub(super) fn storm(&self, on: bool) {
        self.shared.storm.store(on, Ordering::Relaxed);
    }

    pub(super) fn finish(self) -> anyhow::Result<Found> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("a listener panicked")?
    }
}

fn listen(mut far: Far, shared: &Shared) -> anyhow::Result<Found> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1));
    let fd = far.socket().as_raw_fd();
    poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
    let (mut checker, mut asked) = (Checker::default(), 0);
    while !shared.stop.load(Ordering::Relaxed) {
        let timed = shared.timed.load(Ordering::Relaxed);
        while far.read(|packet, at| {
            checker.take(&packet.payload, packet.header.sequence_number, timed.then_some(at));
        })? {}
        shared.packets.store(checker.packets(), Ordering::Relaxed);
        if shared.storm.load(Ordering::Relaxed) {
            far.ask_for_key_frame()?;
            asked += 1;
        }
        let now = Instant::now();
        if far.due <= now {
            far.turn(now, |_, _| {})?;
        }
        match poll.poll(&mut events, Some(LOOK)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Found { tag_bytes: far.tag_bytes, asked, ..checker.finish() })
}
