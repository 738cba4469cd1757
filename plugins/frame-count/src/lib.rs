//! An example of a leg (docs/extending.md): it counts the frames of each track, and writes what it counted to a file of JSON, every
//! second and at its end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crescendo_leg_api::{Frame, Layer, Leg, State, Track, TrackKey};
use serde_json::json;

#[cfg(test)]
mod tests;

/// Higher: fewer writes; lower: less is lost with the server.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Tracks that are counted; those of more come and go uncounted. Each takes some 100 bytes.
const TRACKS_MAX: usize = 10_000;

/// Counts from its start to its end, of tracks that are gone too.
#[derive(Debug)]
pub struct FrameCount {
    file: PathBuf,
    tracks: BTreeMap<TrackKey, Counted>,
    written: Option<Duration>,
    failure: Option<String>,
}

#[derive(Debug)]
struct Counted {
    track: Track,
    frames: u64,
    key_frames: u64,
    gaps: u64,
    bytes: u64,
}

impl FrameCount {
    /// Writes to `file`, whose directory is made where it is missing.
    pub fn new(file: PathBuf) -> Self {
        Self { file, tracks: BTreeMap::new(), written: None, failure: None }
    }

    fn write(&mut self) {
        let tracks = self.tracks.values().map(|Counted { track, frames, key_frames, gaps, bytes }| {
            let Track { participant, name, screen, audio, key: _ } = track;
            json!({
                "participant": participant, "name": name, "screen": screen, "audio": audio,
                "frames": frames, "keyFrames": key_frames, "gaps": gaps, "bytes": bytes,
            })
        });
        let text = json!({ "tracks": tracks.collect::<Vec<_>>() }).to_string();
        let written = self.file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&self.file, text));
        self.failure = written.err().map(|error| format!("{} cannot be written: {error}", self.file.display()));
    }
}

impl Leg for FrameCount {
    fn track_added(&mut self, track: Track) {
        if self.tracks.len() < TRACKS_MAX {
            let counted = Counted { track, frames: 0, key_frames: 0, gaps: 0, bytes: 0 };
            // A track that goes on with another stream is added again.
            self.tracks.entry(counted.track.key).or_insert(counted);
        }
    }

    fn track_removed(&mut self, _key: TrackKey) {}

    fn gap(&mut self, key: TrackKey, _layer: Layer) {
        if let Some(counted) = self.tracks.get_mut(&key) {
            counted.gaps += 1;
        }
    }

    fn frame(&mut self, frame: Frame) {
        if let Some(counted) = self.tracks.get_mut(&frame.track) {
            counted.frames += 1;
            counted.key_frames += u64::from(frame.key);
            counted.bytes += frame.data.len() as u64;
        }
    }

    fn tick(&mut self, now: Duration) {
        if self.written.is_none_or(|written| now >= written + WRITE_EVERY) {
            self.written = Some(now);
            self.write();
        }
    }

    fn wants_key(&mut self) -> Vec<TrackKey> {
        Vec::new()
    }

    fn state(&self) -> State {
        match &self.failure {
            Some(why) => State::Failed(why.clone()),
            None if self.tracks.values().any(|counted| counted.frames > 0) => State::Running,
            None => State::Waiting("nobody sends anything".into()),
        }
    }

    fn finish(&mut self) {
        self.write();
    }
}
