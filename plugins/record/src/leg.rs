//! The leg itself: frames go to whoever they are of, files come out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crescendo_cmaf::Error;
use crescendo_compose::{COMPOSED, MIXED, Studio};
use crescendo_leg_api::{Frame, Layer, Layers, Leg, State, Track, TrackKey};

use crate::container::Container;
use crate::disk::{Disk, Machine};
use crate::millis;
use crate::name::Template;
use crate::sidecar::{Person, Source, Starter};
use crate::subject::{Desk, Job, Subject};
use crate::writer::{Sync, Writer};

#[cfg(test)]
mod tests;

/// Frames are not missed before this.
const MISSED_AFTER: Duration = Duration::from_secs(3);

/// Why a picture is not in a WebM.
const NOT_WEBM: &str =
    "H.264 is not for WebM: its picture is left out; record as mp4, or have the room prefer VP8, VP9 or AV1";

/// Participants that the sidecar names. More come and go only in a recording that nobody ends.
const PEOPLE_MAX: usize = 10_000;

/// Whose file it is that everybody is in.
const ALL: &str = "all";

/// How a [`RecordLeg`] writes, and where.
#[derive(Debug, Clone)]
pub struct Options {
    pub container: Container,
    pub directory: PathBuf,
    pub template: Template,
    pub room: String,
    /// Identifier of the leg in the room, `l1`.
    pub leg: String,
    pub started_by: Option<Starter>,
    /// Wall clock at the room clock's 0.
    pub started: SystemTime,
    /// Length of a fragment: what is lost at most where the server is killed.
    pub fragment: Duration,
    /// A key frame at least this often, where one can seek to.
    pub key_frames: Duration,
    pub sync: Sync,
    /// Bytes that may wait for the disk.
    pub queue_bytes: usize,
}

/// A recording: one file for each participant's camera and microphone, one for its screen, all with what was sent; or one of
/// everybody together.
#[derive(Debug)]
pub struct RecordLeg {
    container: Container,
    fragment: Duration,
    key_frames: Duration,
    writer: Writer,
    now: Duration,
    tracks: BTreeMap<TrackKey, (String, Source)>,
    subjects: BTreeMap<(String, Source), Subject>,
    /// Where everybody is put together.
    studio: Option<Studio>,
    people: Vec<Person>,
    desk: Desk,
    dropped: u64,
}

impl RecordLeg {
    pub fn new(options: Options) -> Self {
        Self::on(options, Box::new(Machine))
    }

    pub(crate) fn on(options: Options, disk: Box<dyn Disk>) -> Self {
        Self {
            container: options.container,
            fragment: options.fragment,
            key_frames: options.key_frames,
            writer: Writer::start(options, disk),
            now: Duration::ZERO,
            tracks: BTreeMap::new(),
            subjects: BTreeMap::new(),
            studio: None,
            people: Vec::new(),
            desk: Desk::default(),
            dropped: 0,
        }
    }

    /// One file of everybody in place of one of each: what `studio` makes.
    pub fn together(options: Options, studio: Studio) -> Self {
        let mut leg = Self::new(options);
        let whose = (ALL.to_owned(), Source::Composite);
        let mut subject = Subject::new(leg.container, whose.0.clone(), whose.1);
        for (key, audio) in [(COMPOSED, false), (MIXED, true)] {
            subject.add(key, audio);
            leg.tracks.insert(key, whose.clone());
        }
        leg.subjects.insert(whose, subject);
        leg.studio = Some(studio);
        leg
    }

    /// Nothing waits for the disk.
    pub fn is_written(&self) -> bool {
        self.writer.queued() == 0
    }

    /// Does with the subject of a track what `act` says.
    fn with(&mut self, key: TrackKey, act: impl FnOnce(&mut Subject, &mut Desk, Duration) -> Result<(), Error>) {
        let Some(whose) = self.tracks.get(&key) else { return };
        let Some(subject) = self.subjects.get_mut(whose) else { return };
        if let Err(error) = act(subject, &mut self.desk, self.now) {
            self.writer.fail(error.to_string());
        }
        self.hand_over();
    }

    /// Frames of everybody together.
    fn put_together(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            self.with(frame.track, |subject, desk, now| subject.frame(frame, now, desk));
        }
    }

    fn hand_over(&mut self) {
        for job in std::mem::take(&mut self.desk.jobs) {
            let (file, opens) = match &job {
                Job::Open { file, .. } => (*file, true),
                Job::Write { file, .. } | Job::Close { file } => (*file, false),
            };
            if self.writer.do_job(job) {
                continue;
            }
            self.dropped += 1;
            for subject in self.subjects.values_mut() {
                if opens { subject.not_opened(file) } else { subject.refused(file) }
            }
        }
    }

    fn joined(&mut self, track: &Track) {
        if let Some(person) = self.people.iter_mut().find(|person| person.id == track.participant) {
            (person.left_ms, person.name) = (None, track.name.clone());
        } else if self.people.len() < PEOPLE_MAX {
            let (id, name) = (track.participant.clone(), track.name.clone());
            self.people.push(Person { id, name, joined_ms: millis(self.now), left_ms: None });
        }
        self.writer.people(self.people.clone());
    }

    fn left(&mut self, participant: &str) {
        if self.tracks.values().any(|(whose, _)| whose == participant) {
            return;
        }
        if let Some(person) = self.people.iter_mut().find(|person| person.id == participant) {
            person.left_ms = Some(millis(self.now));
        }
        self.writer.people(self.people.clone());
    }
}

impl Leg for RecordLeg {
    fn layers(&self) -> Layers {
        if self.studio.is_some() { Layers::Every } else { Layers::Largest }
    }

    fn track_added(&mut self, track: Track) {
        let source = if track.screen { Source::Screen } else { Source::Camera };
        self.joined(&track);
        if let Some(studio) = &mut self.studio {
            studio.add(&track);
            self.tracks.insert(track.key, (track.participant, source));
            return;
        }
        let whose = (track.participant, source);
        let container = self.container;
        let begin = || Subject::new(container, whose.0.clone(), source);
        let subject = self.subjects.entry(whose.clone()).or_insert_with(begin);
        subject.add(track.key, track.audio);
        self.tracks.insert(track.key, whose);
    }

    fn track_removed(&mut self, key: TrackKey) {
        let Some(whose) = self.tracks.remove(&key) else { return };
        if let Some(studio) = &mut self.studio {
            studio.remove(key);
        }
        if let Some(subject) = self.subjects.get_mut(&whose) {
            subject.remove(key, self.now);
        }
        self.left(&whose.0);
    }

    fn gap(&mut self, key: TrackKey, layer: Layer) {
        if let Some(studio) = &mut self.studio {
            return studio.gap(key, layer);
        }
        self.with(key, |subject, _, _| {
            // Sound heals itself.
            if subject.video == Some(key) {
                subject.interrupt();
            }
            Ok(())
        });
    }

    fn frame(&mut self, frame: Frame) {
        if let Some(studio) = &mut self.studio {
            return studio.frame(frame);
        }
        self.with(frame.track, |subject, desk, now| subject.frame(frame, now, desk));
    }

    fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        match self.studio.as_mut().map(|studio| studio.tick(now)) {
            Some(Ok(frames)) => self.put_together(frames),
            Some(Err(error)) => self.writer.fail(error.to_string()),
            None => {}
        }
        let (desk, fragment, writer) = (&mut self.desk, self.fragment, &self.writer);
        self.subjects.retain(|_, subject| {
            subject.tick(now, fragment, desk).unwrap_or_else(|error| {
                writer.fail(error.to_string());
                true
            })
        });
        self.hand_over();
        self.writer.tick(self.now);
    }

    fn wants_key(&mut self) -> Vec<TrackKey> {
        let wants = |subject: &&Subject| subject.wants_key(self.now, self.key_frames);
        let wanted = self.subjects.values().filter(wants).filter_map(|subject| subject.video).collect();
        let Some(studio) = &mut self.studio else { return wanted };
        if !wanted.is_empty() {
            studio.force_key();
        }
        studio.wants_key()
    }

    fn state(&self) -> State {
        if let Some(reason) = self.writer.failure() {
            return State::Failed(reason);
        }
        // Its sound may well be in a file by then.
        if let Some(why) = self.studio.as_ref().and_then(Studio::refusal) {
            State::Waiting(why.to_owned())
        } else if self.subjects.values().any(Subject::is_refused) {
            State::Waiting(NOT_WEBM.to_owned())
        } else if self.subjects.values().any(Subject::has_file) {
            State::Running
        } else if self.now < MISSED_AFTER {
            State::Starting
        } else {
            State::Waiting("nobody sends anything to record".into())
        }
    }

    fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped) + self.studio.as_mut().map_or(0, Studio::dropped)
    }

    fn finish(&mut self) {
        let last = self.studio.as_mut().map(Studio::finish);
        self.put_together(last.unwrap_or_default());
        for subject in self.subjects.values_mut() {
            if let Err(error) = subject.finish(self.now, &mut self.desk) {
                self.writer.fail(error.to_string());
            }
        }
        self.hand_over();
        for person in self.people.iter_mut().filter(|person| person.left_ms.is_none()) {
            person.left_ms = Some(millis(self.now));
        }
        self.writer.people(self.people.clone());
        self.writer.end();
    }
}
