//! Senders whose pictures players do not take as they are, and the one of them who is transcoded: where the participant asked for is
//! one, or where nobody sends H.264. For a ladder that is to be made, those are all senders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crescendo_compose::{Budget, LAYER_SILENT};
use crescendo_leg_api::{Codec, Frame, Layer, Track, TrackKey};

use crate::picture::SILENT;
use crate::transcode::{How, Transcoder};

/// After this time it is tried again to transcode, where that was refused.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Foreign {
    of: Option<String>,
    budget: Arc<Budget>,
    how: How,
    tracks: BTreeMap<TrackKey, Candidate>,
    current: Option<Current>,
    refused: Option<(Duration, String)>,
    /// When the last H.264 came that was not ours.
    native: Option<Duration>,
    /// Counts first frames.
    senders: u64,
}

#[derive(Debug)]
struct Candidate {
    participant: String,
    asked_for: bool,
    /// It is the camera of who has the floor.
    speaks: bool,
    screen: bool,
    /// Once it has sent: when it began to, compared with others, and what came last of each layer.
    order: u64,
    codec: Option<Codec>,
    layers: [Option<Duration>; Layer::ALL.len()],
}

#[derive(Debug)]
struct Current {
    track: TrackKey,
    layer: Layer,
    transcoder: Transcoder,
}

impl Foreign {
    /// `of`: identifier of the participant asked for.
    pub(crate) fn new(of: Option<String>, how: How, budget: Arc<Budget>) -> Self {
        let (tracks, current, refused, native) = (BTreeMap::new(), None, None, None);
        Self { of, budget, how, tracks, current, refused, native, senders: 0 }
    }

    pub(crate) fn add(&mut self, track: &Track) {
        let asked_for = self.of.as_deref() == Some(track.participant.as_str());
        let candidate = Candidate {
            participant: track.participant.clone(),
            asked_for,
            speaks: false,
            screen: track.screen,
            order: 0,
            codec: None,
            layers: Default::default(),
        };
        self.tracks.insert(track.key, candidate);
    }

    /// `speaker`: identifier of the participant who has the floor.
    pub(crate) fn follow(&mut self, speaker: &str) {
        for candidate in self.tracks.values_mut() {
            candidate.speaks = !candidate.screen && candidate.participant == speaker;
        }
    }

    pub(crate) fn remove(&mut self, key: TrackKey) {
        self.tracks.remove(&key);
        self.stop_unless(|current| current.track != key);
    }

    pub(crate) fn gap(&mut self, key: TrackKey, layer: Layer) {
        if let Some(current) = self.current.as_mut().filter(|current| (current.track, current.layer) == (key, layer)) {
            current.transcoder.gap();
        }
    }

    /// H.264 came from a sender.
    pub(crate) fn native(&mut self, track: TrackKey, capture: Duration) {
        self.native = Some(capture);
        if let Some(candidate) = self.tracks.get_mut(&track) {
            candidate.codec = None;
        }
    }

    /// Senders of H.264 are transcoded too.
    pub(crate) fn takes_all(&self) -> bool {
        !self.how.heights.is_empty()
    }

    /// Takes a frame of VP8, VP9 or AV1, or where a ladder is to be made of H.264.
    pub(crate) fn frame(&mut self, frame: &Frame) {
        let Some(candidate) = self.tracks.get_mut(&frame.track) else { return };
        if candidate.codec.replace(frame.codec).is_none() {
            self.senders += 1;
            candidate.order = self.senders;
        }
        candidate.layers[frame.layer as usize] = Some(frame.capture);
        let largest = candidate.largest(frame.capture);
        let wanted = self.wanted(frame.capture) == Some(frame.track);
        self.stop_unless(|current| current.track != frame.track || (wanted && current.transcoder.codec == frame.codec));
        if !wanted || (largest != Some(frame.layer) && self.current.is_none()) {
            return;
        }
        self.stop_unless(|current| current.track == frame.track);
        if self.current.is_none() && frame.key {
            self.start(frame);
        }
        let Some(current) = &mut self.current else { return };
        if largest == Some(frame.layer) && frame.key {
            current.layer = frame.layer;
        }
        if current.layer == frame.layer {
            current.transcoder.push(frame.capture, frame.key, &frame.data);
        }
    }

    /// The pictures that are ready, as frames of H.264.
    pub(crate) fn ready(&mut self, now: Duration) -> Vec<Frame> {
        let wanted = self.wanted(now);
        self.stop_unless(|current| Some(current.track) == wanted);
        let Some(Current { track, transcoder, .. }) = &mut self.current else { return Vec::new() };
        let (track, codec) = (*track, Codec::H264);
        let frames = transcoder.pull(now).into_iter();
        frames
            .map(|picture| Frame {
                track,
                layer: picture.layer,
                codec,
                capture: picture.capture,
                key: picture.key,
                data: picture.data,
            })
            .collect()
    }

    /// The track that is transcoded.
    pub(crate) fn transcoded(&self) -> Option<TrackKey> {
        self.current.as_ref().map(|current| current.track)
    }

    /// The sender that a key frame is needed of, before anything can be decoded or for a larger picture.
    pub(crate) fn wants_key(&self, now: Duration) -> Option<TrackKey> {
        let wanted = self.wanted(now)?;
        let Some(current) = &self.current else { return Some(wanted).filter(|_| self.may_try(now)) };
        let largest = self.tracks.get(&wanted).and_then(|candidate| candidate.largest(now));
        let is_largest = largest.is_none_or(|largest| largest == current.layer);
        (current.transcoder.needs_key() || !is_largest).then_some(wanted)
    }

    /// The next picture is to be a key frame.
    pub(crate) fn force_key(&mut self, now: Duration) {
        if let Some(current) = &mut self.current {
            current.transcoder.force_key(now);
        }
    }

    /// Why somebody who would be shown is not.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, why)| why.as_str())
    }

    fn start(&mut self, frame: &Frame) {
        if !self.may_try(frame.capture) {
            return;
        }
        match Transcoder::open(frame.codec, self.how.clone(), &self.budget) {
            Ok(transcoder) => {
                self.refused = None;
                self.current = Some(Current { track: frame.track, layer: frame.layer, transcoder });
            }
            Err(error) => {
                tracing::warn!(%error, "a picture is not transcoded");
                self.refused = Some((frame.capture, error.to_string()));
            }
        }
    }

    fn may_try(&self, now: Duration) -> bool {
        self.refused.as_ref().is_none_or(|(at, _)| now.saturating_sub(*at) >= AGAIN_AFTER)
    }

    fn stop_unless(&mut self, goes_on: impl FnOnce(&Current) -> bool) {
        self.current = self.current.take().filter(goes_on);
    }

    fn wanted(&self, now: Duration) -> Option<TrackKey> {
        let recent = |last: Duration| now.saturating_sub(last) < SILENT;
        let sends = |candidate: &&Candidate| {
            candidate.codec.is_some() && candidate.layers.iter().flatten().any(|last| recent(*last))
        };
        let candidates = || self.tracks.iter().filter(|(_, candidate)| sends(candidate));
        let (best, candidate) = candidates().min_by_key(|(_, candidate)| candidate.rank())?;
        if self.native.is_some_and(recent) && !candidate.asked_for {
            return None;
        }
        let current = candidates().find(|(track, _)| self.transcoded() == Some(**track));
        let stays = current.filter(|(_, current)| current.claim() >= candidate.claim());
        Some(stays.map_or(*best, |(track, _)| *track))
    }
}

impl Candidate {
    /// What makes it take the place of another: the larger one is shown.
    fn claim(&self) -> (bool, bool) {
        (self.asked_for, self.speaks)
    }

    /// Smaller is better.
    fn rank(&self) -> (bool, bool, bool, u64) {
        (!self.asked_for, !self.speaks, self.screen, self.order)
    }

    fn largest(&self, now: Duration) -> Option<Layer> {
        let comes = |last: Duration| now.saturating_sub(last) < LAYER_SILENT;
        Layer::ALL.into_iter().rfind(|layer| self.layers[*layer as usize].is_some_and(comes))
    }
}
