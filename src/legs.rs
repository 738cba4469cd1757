//! The host of legs: what a tap brings of a room becomes frames on one clock, for a [`api::Leg`] on a thread of its own.
//!
//! ```text
//! sfu::tap ─ queue ─ Order (sequence) ─ Assembler (frames) ─ RtpClock (capture time) ─ Leg::frame
//! ```
//!
//! Nothing of a leg reaches the call: its queue drops when it is slow, and if it panics, it alone is gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crescendo_leg_api as api;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::config;
use crate::sfu::PublicationId;
use crate::sfu::tap::{self, Layers, Tap, TapId, Tapped};

mod assemble;
mod clock;
mod host;
mod order;
mod rtp;
mod shift;
#[cfg(test)]
mod tests;

use host::Host;

/// Changes of tracks that may wait for a leg: more than a room has tracks.
const CONTROLS_MAX: usize = 4_096;

/// Packets handled at a time, between looks at the clock.
const BATCH: usize = 64;

/// What a leg says to whoever started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegEvent {
    /// Said whenever it changes.
    State(api::State),
    /// Ask the sender of this publication for a key frame. Comes again until there is one.
    WantsKey(PublicationId),
}

#[derive(Debug)]
enum Control {
    Add { publication: PublicationId, track: api::Track },
    Remove { publication: PublicationId },
    Stop,
}

/// How well a leg has kept up since it was started.
#[derive(Debug, Default)]
pub struct Health {
    dropped_frames: AtomicU64,
    late_parts: AtomicU64,
}

impl Health {
    /// Frames that did not reach its output: lost on the way, malformed, or too many.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped_frames.load(Ordering::Relaxed)
    }

    /// Pieces of its output that were late.
    pub fn late_parts(&self) -> u64 {
        self.late_parts.load(Ordering::Relaxed)
    }
}

/// A running leg. Dropping it stops the leg too.
#[derive(Debug)]
pub struct LegHost {
    tap: Tap,
    health: Arc<Health>,
    controls: mpsc::Sender<Control>,
    ending: Ending,
}

/// What is left of a leg that was told to stop: its thread, where there is one.
#[derive(Debug)]
pub struct Ending(Option<JoinHandle<()>>);

impl Ending {
    /// Returns when the leg's thread has ended.
    pub fn join(self) -> thread::Result<()> {
        self.0.map_or(Ok(()), JoinHandle::join)
    }
}

/// Starts `leg` on a thread called `name`. The room's clock begins now.
///
/// While `events` is full nothing is lost: the newest state is said later, and wishes for key frames come again.
/// Where the system has no more threads, the leg has failed and `events` says so.
pub fn spawn(leg: Box<dyn api::Leg>, name: String, config: &config::Legs, events: mpsc::Sender<LegEvent>) -> LegHost {
    spawn_on(thread::Builder::new().name(name), leg, config, events)
}

fn spawn_on(
    thread: thread::Builder,
    leg: Box<dyn api::Leg>,
    config: &config::Legs,
    events: mpsc::Sender<LegEvent>,
) -> LegHost {
    let failed = events.clone();
    let (mut tap, packets, dropped) = tap::channel(TapId(0), config.queue_packets);
    tap.layers = match leg.layers() {
        api::Layers::Largest => Layers::Largest,
        api::Layers::Every => Layers::Every,
    };
    let (controls, orders) = mpsc::channel(CONTROLS_MAX);
    let mut host = Host::new(leg, config, events.clone(), dropped, Instant::now());
    let health = host.health();
    let run = move || {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("a runtime without I/O needs nothing").block_on(run(&mut host, packets, orders));
        }));
        if ran.is_err() {
            // The thread ends here, so it may wait for the event to be taken.
            let _ = events.blocking_send(LegEvent::State(api::State::Failed("the leg panicked".into())));
        }
    };
    let thread = thread.spawn(run).inspect_err(|error| {
        tracing::error!(%error, "a leg has no thread");
        let state = api::State::Failed("the system has no thread left".into());
        if failed.try_send(LegEvent::State(state)).is_err() {
            tracing::error!("nobody hears that the leg has failed");
        }
    });
    LegHost { tap, health, controls, ending: Ending(thread.ok()) }
}

impl LegHost {
    /// Where a shard puts packets for this leg. All its tracks share one queue; `id` is what the shard knows it by.
    pub fn tap(&self, id: TapId) -> Tap {
        let mut tap = self.tap.clone();
        tap.id = id;
        tap
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// From now on packets of `publication` are frames of `track`. Packets that come earlier are dropped.
    pub fn add(&self, publication: PublicationId, track: api::Track) {
        self.control(Control::Add { publication, track });
    }

    pub fn remove(&self, publication: PublicationId) {
        self.control(Control::Remove { publication });
    }

    /// Tells the leg to finish what it began. Returns at once; the thread has ended when what comes back is joined, which
    /// may take a second and so belongs on a blocking thread.
    pub fn stop(self) -> Ending {
        self.control(Control::Stop);
        self.ending
    }

    fn control(&self, control: Control) {
        match self.controls.try_send(control) {
            Ok(()) => {}
            // The leg is gone.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(control)) => {
                tracing::error!(?control, "a leg has not listened for too long");
            }
        }
    }
}

async fn run(host: &mut Host, mut packets: mpsc::Receiver<Tapped>, mut controls: mpsc::Receiver<Control>) {
    let mut ticks = tokio::time::interval(api::TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        // In random order, so that neither a flood of packets nor a slow leg keeps the others from their turn.
        let mut control = tokio::select! {
            control = controls.recv() => Ok(control.unwrap_or(Control::Stop)),
            _ = packets.recv_many(&mut batch, BATCH) => controls.try_recv(),
            _ = ticks.tick() => {
                host.tick(Instant::now());
                controls.try_recv()
            }
        };
        // A track that was added before its packets were sent is known when they are taken.
        while let Ok(next) = control {
            match next {
                Control::Add { publication, track } => host.add(publication, track),
                Control::Remove { publication } => host.remove(publication),
                Control::Stop => return host.finish(Instant::now()),
            }
            control = controls.try_recv();
        }
        for tapped in batch.drain(..) {
            host.take(tapped);
        }
    }
}
