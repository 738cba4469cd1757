//! Who sends: a thread that keeps a rate whatever else goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::crowd::{Crowd, Manner};
use super::{Far, Frame};
use crate::stamp;

/// Bytes of a payload.
pub(crate) const PAYLOAD: usize = 1_200;
/// Number of each stream's first packet: sequence numbers wrap early in every run.
const FIRST: u64 = 65_000;
/// Time between key frames that nobody asked for.
const KEY_FRAMES: Duration = Duration::from_secs(1);
/// How long the thread may sleep before it looks whether there is something else to do.
const LOOK: Duration = Duration::from_millis(2);

/// What is sent a second, by each sender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) frames: u32,
    /// Of a frame.
    pub(crate) packets: u32,
}

impl Rate {
    pub(crate) const NOTHING: Self = Self { frames: 0, packets: 0 };
}

#[derive(Default)]
struct Order {
    frames: AtomicU32,
    packets: AtomicU32,
    sent: AtomicU64,
    stop: AtomicBool,
}

pub(crate) struct Stage {
    order: Arc<Order>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Stage {
    /// Takes those that send, one stream each.
    pub(crate) fn start(senders: Vec<Far>) -> anyhow::Result<Self> {
        let mut crowd = Crowd::new(Manner::Warm)?;
        senders.into_iter().try_for_each(|sender| crowd.push(sender))?;
        let order = Arc::new(Order::default());
        let run = {
            let order = order.clone();
            move || play(crowd, &order)
        };
        let thread = thread::Builder::new().name("stage".into()).spawn(run)?;
        Ok(Self { order, thread: Some(thread) })
    }

    pub(crate) fn set(&self, rate: Rate) {
        self.order.packets.store(rate.packets, Ordering::Relaxed);
        self.order.frames.store(rate.frames, Ordering::Relaxed);
    }

    /// Packets so far, of all senders.
    pub(crate) fn sent(&self) -> u64 {
        self.order.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.order.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it is stopped once")?;
        thread.join().ok().context("the senders' thread panicked")?
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.order.stop.store(true, Ordering::Relaxed);
    }
}

/// Frames of all senders are spread evenly over time; what could not leave in time leaves late.
fn play(mut crowd: Crowd, order: &Order) -> anyhow::Result<()> {
    let count = crowd.fars().len();
    let mut numbers = vec![FIRST; count];
    let mut keyed = vec![Instant::now(); count];
    let (mut turn, mut due, mut rate) = (0, Instant::now(), 0);
    while !order.stop.load(Ordering::Relaxed) {
        let (frames, packets) = (order.frames.load(Ordering::Relaxed), order.packets.load(Ordering::Relaxed) as usize);
        let now = Instant::now();
        if frames == 0 {
            rate = 0;
            crowd.step(LOOK)?;
            continue;
        }
        if std::mem::replace(&mut rate, frames) != frames {
            due = now;
        }
        if due > now {
            let rest = due - now;
            // Waiting for packets is as coarse as a millisecond.
            crowd.step(if rest > LOOK { rest - LOOK } else { Duration::ZERO })?;
            thread::sleep(due.saturating_duration_since(Instant::now()).min(LOOK));
            continue;
        }
        due += Duration::from_secs(1) / frames / count as u32;
        let (at, sender) = (turn % count, crowd.far_mut(turn % count));
        let key = sender.takes_key_wish() || now - keyed[at] >= KEY_FRAMES;
        if key {
            keyed[at] = now;
        }
        let timestamp = (stamp::now().as_millis() as u64 * 90) as u32;
        let frame = Frame { stream: at as u32, number: numbers[at], packets, payload: PAYLOAD, timestamp, key };
        sender.send(&frame)?;
        numbers[at] += packets as u64;
        turn += 1;
        order.sent.fetch_add(packets as u64, Ordering::Relaxed);
    }
    Ok(())
}
