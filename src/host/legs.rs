//! The running legs of one room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::SyncPolicy;
use crate::legs::{self, LegEvent, LegHost};
use crate::room::ids::{LegId, RoomName};
use crate::room::{self, LegPlan, LegState};
use crate::sfu::tap::TapId;
use crate::sfu::{PublicationId, tap::Tap};
use crescendo_compose::{Budget, Composition, Layout, Size, Studio};
use crescendo_leg_api::{Leg, State, Track, TrackKey};
use crescendo_record::{Container, Listed, RecordLeg, Starter, Sync};

use super::events::Happening;
use super::limit::Place;
use super::recordings::library;
use super::shared::Shared;
use super::{HealthView, other};

/// Events that may wait for the room.
const EVENTS: usize = 256;

pub(super) struct Legs {
    running: BTreeMap<LegId, Running>,
    events_in: mpsc::Sender<(LegId, LegEvent)>,
    pub(super) events: mpsc::Receiver<(LegId, LegEvent)>,
}

struct Running {
    host: LegHost,
    since: SystemTime,
    tap: TapId,
    ends: Ends,
    _place: Place,
}

/// Legs that finish what they began. The server is not over before they are.
#[derive(Debug, Default)]
pub(super) struct Endings(Mutex<JoinSet<()>>);

impl Endings {
    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `end` on a thread that may block.
    fn spawn(&self, end: impl FnOnce() + Send + 'static) {
        let mut endings = self.lock();
        while endings.try_join_next().is_some() {}
        endings.spawn_blocking(end);
    }

    /// Waits for all that have begun.
    pub(super) async fn over(&self) {
        let mut endings = std::mem::take(&mut *self.lock());
        while endings.join_next().await.is_some() {}
    }
}

/// What is to be done about a leg's output when the leg is told to end, and when it has.
struct Ends {
    stopped: Box<dyn FnOnce() + Send>,
    /// On a thread that may block.
    finished: Box<dyn FnOnce() + Send>,
}

impl Legs {
    pub(super) fn new() -> Self {
        let (events_in, events) = mpsc::channel(EVENTS);
        Self { running: BTreeMap::new(), events_in, events }
    }

    /// Starts the HLS leg of `room`.
    pub(super) fn start_hls(&mut self, shared: &Shared, room: &RoomName, leg: LegId, plan: LegPlan, place: Place) {
        let composition = composition(&shared.config.composite, plan.layout);
        let options = hls_options(&shared.config.hls, room, plan, composition, shared.transcodes.clone());
        let (plugin, store) = crescendo_hls::HlsLeg::new(options);
        shared.hls.insert(room.clone(), store.clone());
        let (directory, room) = (shared.hls.clone(), room.clone());
        let linger = Duration::from_millis(shared.config.hls.linger_ms.into());
        let over = Box::new(move || directory.remove_after(room, store, linger));
        let ends = Ends { stopped: over, finished: Box::new(|| ()) };
        self.run(shared, leg, Box::new(plugin), format!("hls-{leg}"), ends, place);
    }

    /// Starts the recording of `room`.
    pub(super) fn start_record(
        &mut self,
        shared: &Shared,
        room: &RoomName,
        leg: LegId,
        plan: LegPlan,
        by: Option<Starter>,
        place: Place,
    ) {
        let finished = recording_ready(shared, room, leg);
        let options = record_options(&shared.config.record, room, leg, by, plan.format);
        let plugin = match plan.layout {
            room::Layout::Single => RecordLeg::new(options),
            room::Layout::Grid | room::Layout::Speaker => {
                let how = composition(&shared.config.composite, plan.layout);
                let first = plan.of.map(|participant| participant.to_string());
                let (kbps, budget) = (shared.config.hls.audio_kbps, shared.transcodes.clone());
                RecordLeg::together(options, Studio::new(how, first, kbps, budget))
            }
        };
        let ends = Ends { stopped: Box::new(|| ()), finished };
        self.run(shared, leg, Box::new(plugin), format!("record-{leg}"), ends, place);
    }

    /// Starts what the server was built with besides; where that is nothing, it is not asked for.
    pub(super) fn start_other(&mut self, shared: &Shared, room: &RoomName, leg: LegId, place: Place) {
        if let Some(plugin) = other::leg(&shared.config.legs, room, leg) {
            let ends = Ends { stopped: Box::new(|| ()), finished: Box::new(|| ()) };
            self.run(shared, leg, plugin, format!("other-{leg}"), ends, place);
        }
    }

    fn run(&mut self, shared: &Shared, leg: LegId, plugin: Box<dyn Leg>, name: String, ends: Ends, place: Place) {
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
        self.running.insert(
            leg,
            Running { host, since: SystemTime::now(), tap: shared.sfu.next_tap_id(), ends, _place: place },
        );
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

    pub(super) fn health(&self, leg: LegId) -> Option<HealthView> {
        let health = self.running.get(&leg)?.host.health();
        Some(HealthView { dropped_frames: health.dropped_frames(), late_parts: health.late_parts() })
    }

    /// When it was started: RFC 3339, UTC. None when it runs no more.
    pub(super) fn since(&self, leg: LegId) -> Option<String> {
        Some(humantime::format_rfc3339_seconds(self.running.get(&leg)?.since).to_string())
    }

    /// The leg finishes on a thread of its own; its output lingers.
    pub(super) fn stop(&mut self, shared: &Shared, leg: LegId) {
        if let Some(running) = self.running.remove(&leg) {
            (running.ends.stopped)();
            shared.endings.spawn(move || {
                // What is wrong with a leg that has panicked was said where it did.
                let _ = running.host.stop().join();
                (running.ends.finished)();
            });
        }
    }
}

/// Tells of the recording of a leg that is written.
fn recording_ready(shared: &Shared, room: &RoomName, leg: LegId) -> Box<dyn FnOnce() + Send> {
    let (library, events) = (library(&shared.config.record), shared.events.clone());
    let (room, leg) = (room.clone(), leg.to_string());
    let begun = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    Box::new(move || {
        let recordings = library.map(|library| library.list(Some(room.as_str()))).unwrap_or_default();
        // Legs of an earlier room of this name had the same names.
        let is_it = |listed: &&Listed| listed.recording.leg == leg && listed.recording.started >= begun;
        if let Some(listed) = recordings.iter().find(is_it) {
            events.tell(&room, Happening::RecordingReady { recording: listed.id.to_string() });
        }
    })
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

fn hls_options(
    config: &crate::config::Hls,
    room: &RoomName,
    plan: LegPlan,
    composition: Composition,
    transcodes: Arc<Budget>,
) -> crescendo_hls::Options {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let directory = config.is_stored().then(|| config.directory.join(room.as_str()));
    crescendo_hls::Options {
        part: ms(config.part_ms),
        segment: ms(config.segment_ms),
        segments: config.segments,
        window: Duration::from_secs(config.window_s.into()),
        audio_kbps: config.audio_kbps,
        transcodes,
        transcode_kbps: config.transcode_kbps,
        ladder: plan.ladder.heights().map(usize::from).collect(),
        directory,
        of: plan.of.map(|participant| participant.to_string()),
        composition,
        started: SystemTime::now(),
    }
}

fn composition(config: &crate::config::Composite, layout: room::Layout) -> Composition {
    Composition {
        layout: match layout {
            room::Layout::Single => Layout::Single,
            room::Layout::Grid => Layout::Grid,
            room::Layout::Speaker => Layout::Speaker,
        },
        size: Size { width: config.width, height: config.height },
        fps: config.fps,
        kbps: config.kbps,
        tiles: config.tiles,
        ladder: Vec::new(),
    }
}

fn record_options(
    config: &crate::config::Record,
    room: &RoomName,
    leg: LegId,
    started_by: Option<Starter>,
    format: room::Format,
) -> crescendo_record::Options {
    crescendo_record::Options {
        container: match format {
            room::Format::Mp4 => Container::Mp4,
            room::Format::WebM => Container::WebM,
        },
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
