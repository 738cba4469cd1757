//! Whose picture is shown. Pure: H.264 frames of everybody go in, those of one come out, each switch at a key frame.

use std::collections::BTreeMap;
use std::time::Duration;

use crescendo_cmaf::avc::{AccessUnit, ParameterSets, Sps};
use crescendo_leg_api::{Frame, Track, TrackKey};

#[cfg(test)]
mod tests;

/// A sender that was silent for this long is passed over for one that sends.
const SILENT: Duration = Duration::from_secs(3);

/// All video tracks, and the one that is shown.
///
/// Shown is the participant asked for, else the one who has sent H.264 for longest, a camera before a screen. It stays until
/// its track ends or falls silent, or until the participant asked for begins to send.
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
    asked_for: bool,
    screen: bool,
    sets: ParameterSets,
    sending: Sending,
    /// Frames were lost: the picture goes on with a key frame.
    broken: bool,
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
        let (screen, sets) = (track.screen, ParameterSets::default());
        self.tracks.insert(track.key, Candidate { asked_for, screen, sets, sending: Sending::Nothing, broken: false });
    }

    pub(crate) fn remove(&mut self, key: TrackKey) {
        self.tracks.remove(&key);
        if self.shown == Some(key) {
            self.shown = None;
        }
    }

    /// Frames of the track were lost, or something else was shown in between.
    pub(crate) fn gap(&mut self, key: TrackKey) {
        if let Some(candidate) = self.tracks.get_mut(&key) {
            candidate.broken = true;
        }
    }

    /// The picture that is shown stood in for itself: it goes on with a key frame.
    pub(crate) fn interrupt(&mut self) {
        if let Some(shown) = self.shown {
            self.gap(shown);
        }
    }

    /// Takes an H.264 frame; gives it back if it is to be shown.
    pub(crate) fn frame(&mut self, frame: &Frame) -> Option<Shown> {
        let candidate = self.tracks.get_mut(&frame.track)?;
        let unit = candidate.sets.access_unit(&frame.data);
        let sps = if unit.key { candidate.sets.parsed() } else { None };
        candidate.sending = match candidate.sending {
            // Without parameter sets nothing can be said yet; with some that cannot be read there is nothing to show.
            _ if unit.key && sps.is_none() && candidate.sets.complete() => Sending::Unusable,
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
        let candidate = self.tracks.get_mut(&frame.track)?;
        let goes_on = self.shown == Some(frame.track) && !candidate.broken;
        if !goes_on && sps.is_none() {
            return None;
        }
        candidate.broken = false;
        let sequence = sps.map(|sps| (sps, candidate.sets.clone()));
        if let Some(before) = self.shown.replace(frame.track)
            && before != frame.track
        {
            self.gap(before);
        }
        Some(Shown { unit, sequence })
    }

    /// The track that a key frame is needed of before its picture can be shown or go on.
    pub(crate) fn wants_key(&self, now: Duration) -> Option<TrackKey> {
        let wanted = self.wanted(now)?;
        let broken = self.tracks.get(&wanted).is_some_and(|candidate| candidate.broken);
        (self.shown != Some(wanted) || broken).then_some(wanted)
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
            .filter_map(|(key, candidate)| Some((candidate.rank(now)?, *key, candidate.asked_for)))
            .min();
        let shown = self.shown.and_then(|key| Some((key, self.tracks.get(&key)?)));
        match (best, shown) {
            (Some((_, key, asked_for)), Some((shown_key, shown))) => {
                let stays = shown.rank(now).is_some() && (shown.asked_for || !asked_for);
                Some(if stays { shown_key } else { key })
            }
            (Some((_, key, _)), None) => Some(key),
            (None, Some((key, _))) => Some(key),
            (None, None) => None,
        }
    }
}

impl Candidate {
    /// Smaller is better; None where there is nothing to show.
    fn rank(&self, now: Duration) -> Option<(bool, bool, u64)> {
        match self.sending {
            Sending::H264 { order, last } if now.saturating_sub(last) < SILENT => {
                Some((!self.asked_for, self.screen, order))
            }
            Sending::Nothing | Sending::H264 { .. } | Sending::Unusable => None,
        }
    }
}
