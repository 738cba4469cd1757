//! Many far ends on one thread.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::Far;

/// Sockets that are looked at after one wait.
const EVENTS: usize = 256;
/// How often everybody's timers are looked at. More often: retransmissions leave sooner, for more work.
const TICK: Duration = Duration::from_millis(5);

/// What becomes of those that have got their first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The kernel drops their media; ICE, DTLS and RTCP go on.
    Cold,
    Warm,
}

pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    manner: Manner,
    fars: Vec<Far>,
    /// Those that may have more to read.
    left: Vec<usize>,
    ticked: Instant,
}

impl Crowd {
    pub(crate) fn new(manner: Manner) -> anyhow::Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(EVENTS));
        Ok(Self { poll, events, manner, fars: Vec::new(), left: Vec::new(), ticked: Instant::now() })
    }

    pub(crate) fn push(&mut self, far: Far) -> anyhow::Result<()> {
        let token = Token(self.fars.len());
        let fd = far.socket().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        // What came before it was registered brings no event.
        self.left.push(token.0);
        self.fars.push(far);
        Ok(())
    }

    pub(crate) fn fars(&self) -> &[Far] {
        &self.fars
    }

    pub(crate) fn far_mut(&mut self, at: usize) -> &mut Far {
        &mut self.fars[at]
    }

    /// Takes out those at these places, which are in ascending order.
    pub(crate) fn take(&mut self, places: &[usize]) -> anyhow::Result<Vec<Far>> {
        let mut taken = Vec::new();
        for place in places.iter().rev() {
            taken.push(self.fars.remove(*place));
        }
        taken.reverse();
        // Places have moved, and tokens are places.
        for far in &taken {
            self.poll.registry().deregister(&mut SourceFd(&far.socket().as_raw_fd()))?;
        }
        for (place, far) in self.fars.iter().enumerate() {
            let fd = far.socket().as_raw_fd();
            self.poll.registry().reregister(&mut SourceFd(&fd), Token(place), Interest::READABLE)?;
        }
        self.left = (0..self.fars.len()).collect();
        Ok(taken)
    }

    /// Waits for packets, at most so long, and does what is to be done.
    pub(crate) fn step(&mut self, most: Duration) -> anyhow::Result<()> {
        let most = if self.left.is_empty() { most.min(TICK) } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(most)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut ready = std::mem::take(&mut self.left);
        ready.extend(self.events.iter().map(|event| event.token().0));
        for at in ready {
            let far = &mut self.fars[at];
            let was_there = far.joined.first.is_some();
            if far.read(|_, _| {})? {
                self.left.push(at);
            }
            if self.manner == Manner::Cold && !was_there && far.joined.first.is_some() {
                far.turn_cold()?;
            }
        }
        let now = Instant::now();
        if now - self.ticked >= TICK {
            self.ticked = now;
            for far in self.fars.iter_mut().filter(|far| far.due <= now) {
                far.turn(now, |_, _| {})?;
            }
        }
        Ok(())
    }

    /// Steps until `done`; fails after `patience`.
    pub(crate) fn until(&mut self, patience: Duration, done: impl Fn(&[Far]) -> bool) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !done(&self.fars) {
            anyhow::ensure!(begun.elapsed() < patience, "it did not come about in {patience:?}");
            anyhow::ensure!(self.fars.iter().all(Far::is_alive), "a far end was cut off");
            self.step(TICK)?;
        }
        Ok(())
    }
}

/// Datagrams that the kernel has dropped since they were bound, by port: for those that are cold, their media.
pub(crate) fn dropped() -> anyhow::Result<BTreeMap<u16, u64>> {
    let mut all = BTreeMap::new();
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        let Ok(text) = std::fs::read_to_string(table) else { continue };
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, local, .., drops] = words[..] else { continue };
            let port = local.rsplit(':').next().context("an address has a port")?;
            *all.entry(u16::from_str_radix(port, 16)?).or_default() += drops.parse::<u64>()?;
        }
    }
    Ok(all)
}
