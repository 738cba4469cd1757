//! The running legs of one room.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::config::SyncPolicy;
use crate::legs::{self, LegEvent, LegHost};
use crate::room::LegState;
use crate::room::ids::{LegId, RoomName};
use crate::sfu::tap::TapId;
use crate::sfu::{PublicationId, tap::Tap};
use crescendo_leg_api::{Leg, State, Track, TrackKey};
use crescendo_record::{Starter, Sync};

use super::Shared;
use super::limit::Place;

/// Events that may wait for the room.
const EVENTS: usize = 256;

pub(super) struct Legs {
    running: BTreeMap<LegId, Running>,
    events_in: mpsc::Sender<(LegId, LegEvent)>,
    pub(super) events: mpsc::Receiver<(LegId, LegEvent)>,
}

struct Running {
    host: LegHost,
    tap: TapId,
    over: Over,
    _place: Place,
}

/// What is to be done about a leg's output when the leg has ended.
type Over = Box<dyn FnOnce() + Send>;

impl Legs {
    pub(super) fn new() -> Self {
        let (events_in, events) = mpsc::channel(EVENTS);
        Self { running: BTreeMap::new(), events_in, events }
    }

    /// Starts the HLS leg of `room`; `of` names whose picture it shows.
    pub(super) fn start_hls(&mut self, shared: &Shared, room: &RoomName, leg: LegId, of: Option<String>, place: Place) {
        let (plugin, store) = crescendo_hls::HlsLeg::new(hls_options(&shared.config.hls, room, of));
        shared.hls.insert(room.clone(), store.clone());
        let (directory, room) = (shared.hls.clone(), room.clone());
        let linger = Duration::from_millis(shared.config.hls.linger_ms.into());
        let over = Box::new(move || directory.remove_after(room, store, linger));
        self.run(shared, leg, Box::new(plugin), format!("hls-{leg}"), over, place);
    }

    /// Starts the recording of `room`.
    pub(super) fn start_record(
        &mut self,
        shared: &Shared,
        room: &RoomName,
        leg: LegId,
        by: Option<Starter>,
        place: Place,
    ) {
        let plugin = crescendo_record::RecordLeg::new(record_options(&shared.config.record, room, leg, by));
        self.run(shared, leg, Box::new(plugin), format!("record-{leg}"), Box::new(|| ()), place);
    }

    fn run(&mut self, shared: &Shared, leg: LegId, plugin: Box<dyn Leg>, name: String, over: Over, place: Place) {
        let (to, mut from) = mpsc::channel(EVENTS);
        let host = legs::spawn(plugin, name, &shared.config.legs, to);
        let events = self.events_in.clone();
        tokio::spawn(async move {
            while let Some(event) = from.recv().await {
                if events.send((leg, event)).await.is_err() {
                    return;
                }
            }
        });
        self.running.insert(leg, Running { host, tap: shared.sfu.next_tap_id(), over, _place: place });
    }

    /// Tells the leg of a track and gives the tap through which its packets are to come.
    pub(super) fn add(&self, leg: LegId, publication: PublicationId, track: Track) -> Option<Tap> {
        let running = self.running.get(&leg)?;
        running.host.add(publication, track);
        Some(running.host.tap(running.tap))
    }

    pub(super) fn remove(&self, leg: LegId, publication: PublicationId) -> Option<TapId> {
        let running = self.running.get(&leg)?;
        running.host.remove(publication);
        Some(running.tap)
    }

    /// The leg finishes on a thread of its own; its output lingers.
    pub(super) fn stop(&mut self, leg: LegId) {
        if let Some(running) = self.running.remove(&leg) {
            (running.over)();
            tokio::task::spawn_blocking(move || running.host.stop().join());
        }
    }
}

/// The key by which a leg knows a publication.
pub(super) fn key(publication: PublicationId) -> TrackKey {
    TrackKey(publication.0)
}

pub(super) fn state(of: State) -> LegState {
    match of {
        State::Starting => LegState::Starting,
        State::Running => LegState::Running,
        State::Waiting(why) => LegState::Waiting(why),
        State::Failed(why) => LegState::Failed(why),
    }
}

fn hls_options(config: &crate::config::Hls, room: &RoomName, of: Option<String>) -> crescendo_hls::Options {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let directory = (!config.directory.as_os_str().is_empty()).then(|| config.directory.join(room.as_str()));
    crescendo_hls::Options {
        part: ms(config.part_ms),
        segment: ms(config.segment_ms),
        segments: config.segments,
        audio_kbps: config.audio_kbps,
        directory,
        of,
        started: SystemTime::now(),
    }
}

fn record_options(
    config: &crate::config::Record,
    room: &RoomName,
    leg: LegId,
    started_by: Option<Starter>,
) -> crescendo_record::Options {
    crescendo_record::Options {
        directory: config.directory.clone(),
        template: config.files.parse().expect("the configuration was checked"),
        room: room.to_string(),
        leg: leg.to_string(),
        started_by,
        started: SystemTime::now(),
        fragment: Duration::from_millis(config.fragment_ms.into()),
        key_frames: Duration::from_millis(config.key_frame_ms.into()),
        sync: match config.sync {
            SyncPolicy::Fragment => Sync::Fragment,
            SyncPolicy::Finish => Sync::Finish,
        },
        queue_bytes: config.queue_mib << 20,
    }
}
