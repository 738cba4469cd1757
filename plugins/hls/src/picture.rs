//! Whose picture is shown. Pure: H.264 frames of everybody go in, those of one come out, each switch at a key frame.

use std::collections::BTreeMap;
use std::time::Duration;

use crescendo_cmaf::avc::{AccessUnit, ParameterSets, Sps};
use crescendo_leg_api::{Frame, Layer, Track, TrackKey};

use crescendo_compose::LAYER_SILENT;

#[cfg(test)]
mod tests;

/// A sender that was silent for this long is passed over for one that sends.
pub(crate) const SILENT: Duration = Duration::from_secs(3);

/// All video tracks, and the one that is shown.
///
/// Shown is the participant asked for, else who has the floor, else the one who has sent H.264 for longest, a camera before a screen.
/// It stays until its track ends or falls silent, or until somebody who comes before it in that order sends.
#[derive(Debug)]
pub(crate) struct Pictures {
    of: Option<String>,
    tracks: BTreeMap<TrackKey, Candidate>,
    shown: Option<TrackKey>,
    /// Counts first H.264 frames.
    senders: u64,
}

#[derive(Debug)]
struct Candidate {
    participant: String,
    asked_for: bool,
    /// It is the camera of who has the floor.
    speaks: bool,
    screen: bool,
    layers: [Encoding; Layer::ALL.len()],
    sending: Sending,
}

/// One layer of a track.
#[derive(Debug, Clone, Default)]
struct Encoding {
    sets: ParameterSets,
    last: Option<Duration>,
    /// It began with a key frame, and no frames were lost since.
    goes_on: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// No H.264 yet.
    Nothing,
    H264 {
        order: u64,
        last: Duration,
    },
    /// H.264 of a kind that players do not show.
    Unusable,
}

/// An access unit of the picture that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) layer: Layer,
    /// Another track was shown before.
    pub(crate) switched: bool,
    pub(crate) unit: AccessUnit,
    /// With a key frame: what it is, and the parameter sets that say so.
    pub(crate) sequence: Option<(Sps, ParameterSets)>,
}

impl Pictures {
    /// `of`: identifier of the participant asked for.
    pub(crate) fn new(of: Option<String>) -> Self {
        Self { of, tracks: BTreeMap::new(), shown: None, senders: 0 }
    }

    pub(crate) fn add(&mut self, track: &Track) {
        let asked_for = self.of.as_deref() == Some(track.participant.as_str());
        let candidate = Candidate {
            participant: track.participant.clone(),
            asked_for,
            speaks: false,
            screen: track.screen,
            layers: Default::default(),
            sending: Sending::Nothing,
        };
        self.tracks.insert(track.key, candidate);
    }

    pub(crate) fn remove(&mut self, key: TrackKey) {
        self.tracks.remove(&key);
        if self.shown == Some(key) {
            self.shown = None;
        }
    }

    /// `speaker`: identifier of the participant who has the floor.
    pub(crate) fn follow(&mut self, speaker: &str) {
        for candidate in self.tracks.values_mut() {
            candidate.speaks = !candidate.screen && candidate.participant == speaker;
        }
    }

    /// Frames of the track's layer were lost.
    pub(crate) fn gap(&mut self, key: TrackKey, layer: Layer) {
        if let Some(candidate) = self.tracks.get_mut(&key) {
            candidate.layers[layer as usize].goes_on = false;
        }
    }

    /// Takes an H.264 frame; gives it back if it is to be shown.
    pub(crate) fn frame(&mut self, frame: &Frame) -> Option<Shown> {
        let candidate = self.tracks.get_mut(&frame.track)?;
        let encoding = &mut candidate.layers[frame.layer as usize];
        encoding.last = Some(frame.capture);
        let unit = encoding.sets.access_unit(&frame.data);
        let sps = if unit.key { encoding.sets.parsed() } else { None };
        candidate.sending = match candidate.sending {
            // Without parameter sets nothing can be said yet; with some that cannot be read there is nothing to show.
            _ if unit.key && sps.is_none() && encoding.sets.complete() => Sending::Unusable,
            Sending::Unusable if !unit.key => Sending::Unusable,
            Sending::H264 { order, .. } => Sending::H264 { order, last: frame.capture },
            Sending::Nothing | Sending::Unusable => {
                self.senders += 1;
                Sending::H264 { order: self.senders, last: frame.capture }
            }
        };
        if self.wanted(frame.capture) != Some(frame.track) {
            // What was shown goes on until the wanted one brings a key frame.
            if self.shown != Some(frame.track) {
                return None;
            }
        }
        let switched = self.shown != Some(frame.track);
        let encoding = &mut self.tracks.get_mut(&frame.track)?.layers[frame.layer as usize];
        if (switched || !encoding.goes_on) && sps.is_none() {
            return None;
        }
        encoding.goes_on = true;
        let sequence = sps.map(|sps| (sps, encoding.sets.clone()));
        if let Some(before) = self.shown.replace(frame.track).filter(|_| switched) {
            Layer::ALL.into_iter().for_each(|layer| self.gap(before, layer));
        }
        Some(Shown { layer: frame.layer, switched, unit, sequence })
    }

    /// The track that a key frame is needed of before its picture can be shown or go on.
    pub(crate) fn wants_key(&self, now: Duration) -> Option<TrackKey> {
        let wanted = self.wanted(now)?;
        if self.shown != Some(wanted) {
            return Some(wanted);
        }
        let layers = &self.tracks.get(&wanted)?.layers;
        let comes = |layer: &&Encoding| layer.last.is_some_and(|last| now.saturating_sub(last) < LAYER_SILENT);
        let alive = layers.iter().any(|layer| comes(&layer));
        // Of a picture that stands still, whatever there was.
        let broken = |layer: &Encoding| !layer.goes_on && layer.last.is_some() && (!alive || comes(&layer));
        layers.iter().any(broken).then_some(wanted)
    }

    pub(crate) fn shown(&self) -> Option<TrackKey> {
        self.shown
    }

    /// Somebody sends H.264 that can be shown.
    pub(crate) fn sent(&self, now: Duration) -> bool {
        self.tracks.values().any(|candidate| candidate.rank(now).is_some())
    }

    fn wanted(&self, now: Duration) -> Option<TrackKey> {
        let best = self
            .tracks
            .iter()
            .filter_map(|(key, candidate)| Some((candidate.rank(now)?, *key, candidate.claim())))
            .min();
        let shown = self.shown.and_then(|key| Some((key, self.tracks.get(&key)?)));
        match (best, shown) {
            (Some((_, key, claim)), Some((shown_key, shown))) => {
                let stays = shown.rank(now).is_some() && shown.claim() >= claim;
                Some(if stays { shown_key } else { key })
            }
            (Some((_, key, _)), None) => Some(key),
            (None, Some((key, _))) => Some(key),
            (None, None) => None,
        }
    }
}

impl Candidate {
    /// What makes it take the place of another: the larger one is shown.
    fn claim(&self) -> (bool, bool) {
        (self.asked_for, self.speaks)
    }

    /// Smaller is better; None where there is nothing to show.
    fn rank(&self, now: Duration) -> Option<(bool, bool, bool, u64)> {
        match self.sending {
            Sending::H264 { order, last } if now.saturating_sub(last) < SILENT => {
                Some((!self.asked_for, !self.speaks, self.screen, order))
            }
            Sending::Nothing | Sending::H264 { .. } | Sending::Unusable => None,
        }
    }
}
