//! One server with its people: those who send, the many who only come and stay, the few who look at what they get.

use std::time::{Duration, Instant};

use anyhow::Context;

use self::listener::Listener;
use crate::door::{Door, Place};
use crate::far::crowd::{self, Crowd, Manner};
use crate::far::stage::{Rate, Stage};
use crate::far::{Far, Identity};
use crate::figures::percentile;
use crate::stamp::Found;

mod listener;

/// How long one may take to come in.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is sent while people come: they are in when they have got something.
const WELCOME: Rate = Rate { frames: 20, packets: 1 };
/// How long what is on its way may take.
const SETTLE: Duration = Duration::from_millis(60);

/// Who is there. A room has one who sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rooms: usize,
    /// Of a room.
    pub(crate) watchers: usize,
    /// Of all watchers, those that look at what they get.
    pub(crate) hot: usize,
}

impl Plan {
    pub(crate) fn people(&self) -> usize {
        self.rooms * self.watchers
    }
}

/// Time from asking, over all watchers, sorted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Joins {
    connected: Vec<Duration>,
    first: Vec<Duration>,
}

impl Joins {
    /// p50 and p99 until ICE and DTLS were up.
    pub(crate) fn connected(&self) -> [Duration; 2] {
        [0.5, 0.99].map(|share| percentile(&self.connected, share))
    }

    /// p50 and p99 until the first packet came.
    pub(crate) fn first(&self) -> [Duration; 2] {
        [0.5, 0.99].map(|share| percentile(&self.first, share))
    }
}

/// What a stretch of playing has brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Played {
    /// Packets that should have come to somebody.
    pub(crate) offered: u64,
    /// Packets that have.
    pub(crate) delivered: u64,
}

pub(crate) struct Party {
    plan: Plan,
    door: Door,
    stage: Stage,
    cold: Crowd,
    hot: Vec<Listener>,
    pub(crate) joins: Joins,
}

impl Party {
    /// Brings everybody in, one after the other; `sent` is called when those who send are there and nobody else is.
    pub(crate) fn gather(
        identity: &Identity,
        place: &Place,
        plan: Plan,
        sent: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut door = Door::open(place)?;
        let mut senders = Crowd::new(Manner::Warm)?;
        for room in 0..plan.rooms {
            let mut far = Far::new(identity)?;
            door.publish(room, &mut far)?;
            senders.push(far)?;
        }
        senders.until(PATIENCE, |fars| fars.iter().all(|far| far.joined.connected.is_some())).context("senders")?;
        let all: Vec<usize> = (0..plan.rooms).collect();
        let stage = Stage::start(senders.take(&all)?)?;
        stage.set(WELCOME);
        sent()?;

        let mut cold = Crowd::new(Manner::Cold)?;
        // Who looks is spread over all, so that no place in the server's order is theirs alone.
        let mut hot = Crowd::new(Manner::Warm)?;
        let step = (plan.people() / plan.hot.max(1)).max(1);
        for at in 0..plan.people() {
            let mut far = Far::new(identity)?;
            door.watch(at % plan.rooms, &mut far).with_context(|| format!("watcher {at}"))?;
            let is_hot = at % step == step / 2 && at / step < plan.hot;
            let crowd = if is_hot { &mut hot } else { &mut cold };
            crowd.push(far)?;
            let last = crowd.fars().len() - 1;
            crowd
                .until(PATIENCE, |fars| fars[last].joined.connected.is_some())
                .with_context(|| format!("watcher {at}"))?;
        }
        for crowd in [&mut hot, &mut cold] {
            crowd.until(PATIENCE, |fars| fars.iter().all(|far| far.joined.first.is_some())).context("first packets")?;
        }
        let mut joins = Joins::default();
        for far in hot.fars().iter().chain(cold.fars()) {
            joins.connected.extend(far.joined.connected);
            joins.first.extend(far.joined.first);
        }
        joins.connected.sort_unstable();
        joins.first.sort_unstable();
        stage.set(Rate::NOTHING);
        let all: Vec<usize> = (0..hot.fars().len()).collect();
        let hot = hot.take(&all)?.into_iter().map(Listener::start).collect::<anyhow::Result<_>>()?;
        let mut party = Self { plan, door, stage, cold, hot, joins };
        party.pass(SETTLE)?;
        Ok(party)
    }

    /// Those who only stay do what keeps them there.
    pub(crate) fn step(&mut self) -> anyhow::Result<()> {
        self.cold.step(Duration::from_millis(2))
    }

    fn pass(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step()?;
        }
        Ok(())
    }

    /// Sends at this rate for `time`; `idle` is called all the while.
    pub(crate) fn play(
        &mut self,
        rate: Rate,
        time: Duration,
        mut idle: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Played> {
        let (sent, came) = (self.stage.sent(), self.delivered()?);
        self.stage.set(rate);
        self.hot.iter().for_each(|listener| listener.time_it(true));
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step()?;
            idle()?;
        }
        self.stage.set(Rate::NOTHING);
        self.pass(SETTLE)?;
        self.hot.iter().for_each(|listener| listener.time_it(false));
        let offered = (self.stage.sent() - sent) * self.plan.watchers as u64;
        Ok(Played { offered, delivered: self.delivered()? - came })
    }

    /// All that came to somebody so far.
    fn delivered(&self) -> anyhow::Result<u64> {
        let dropped = crowd::dropped()?;
        let cold: u64 = self.cold.fars().iter().filter_map(|far| dropped.get(&far.port())).sum();
        Ok(cold + self.hot.iter().map(Listener::packets).sum::<u64>())
    }

    /// So many of those who look ask for a key frame every few milliseconds.
    pub(crate) fn storm(&self, on: bool) {
        self.hot.iter().for_each(|listener| listener.storm(on));
    }

    /// So many of those who only stay are gone without a word.
    pub(crate) fn vanish(&mut self, count: usize) -> anyhow::Result<()> {
        let count = count.min(self.cold.fars().len());
        self.cold.take(&(0..count).collect::<Vec<_>>()).map(drop)
    }

    /// Everybody leaves; what those have found who looked.
    pub(crate) fn end(self) -> anyhow::Result<Found> {
        let mut found = Found::default();
        for listener in self.hot {
            found.add(listener.finish()?);
        }
        found.delays.sort_unstable();
        self.stage.stop()?;
        self.door.close()?;
        Ok(found)
    }
}
