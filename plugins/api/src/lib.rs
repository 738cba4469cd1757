//! The boundary between Crescendo and a leg: encoded frames in, nothing about RTP.
//!
//! A leg is a server-side consumer of a room that is not a person: a broadcast, a recording. Its host in the server
//! depacketises, puts frames in order, places them on the room's clock and runs the leg on a thread of its own, so a leg
//! may block for a while: its queue then drops, and the call goes on.

use std::time::Duration;

use bytes::Bytes;

/// One track of one participant, for as long as the leg runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    Opus,
    H264,
    Vp8,
    Vp9,
    Av1,
}

impl Codec {
    pub fn is_audio(self) -> bool {
        matches!(self, Codec::Opus)
    }
}

/// What a leg learns of a track before its first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    pub key: TrackKey,
    /// Identifier of the participant in the room, `p7`.
    pub participant: String,
    /// What the participant is called; from a user, so never a path and never HTML.
    pub name: String,
    /// A screen share, not a camera or microphone.
    pub screen: bool,
    pub audio: bool,
}

/// One encoding of a picture that its sender makes in several sizes (simulcast, RFC 8853), the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Low,
    Medium,
    High,
}

impl Layer {
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];
    /// Sound, and a picture that comes in one size.
    pub const WHOLE: Self = Self::High;
}

/// What a leg is given of a picture that comes in several layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// The largest that comes, as [`Layer::WHOLE`]. Another one takes its place from a key frame on, after the track was removed
    /// and added again.
    Largest,
    /// All of them, on one clock: frames of the same picture have capture times that differ by a millisecond or two. Of a sender
    /// without RTCP sender reports only the first one to come.
    Every,
}

/// One encoded access unit or audio packet.
#[derive(Debug, Clone)]
pub struct Frame {
    pub track: TrackKey,
    pub layer: Layer,
    pub codec: Codec,
    /// When it was captured, on the room's clock, which starts at 0 with the leg and is the same for all tracks (from RTCP
    /// sender reports, or from arrival before the first report).
    pub capture: Duration,
    /// It can be decoded without an earlier frame. True for every audio packet.
    pub key: bool,
    /// Opus: one packet. H.264: the access unit's NAL units, each behind its length in 4 bytes (big endian). VP8, VP9: the
    /// frame. AV1: a temporal unit of OBUs with sizes.
    pub data: Bytes,
}

/// What a leg says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No output yet.
    Starting,
    /// It has output.
    Running,
    /// It has no input it can use; the text says what is missing.
    Waiting(String),
    /// It cannot go on.
    Failed(String),
}

/// A consumer of a room's frames. All calls come from one thread, `now` being the room's clock.
pub trait Leg: Send {
    /// What it wants of pictures; asked once.
    fn layers(&self) -> Layers {
        Layers::Largest
    }
    fn track_added(&mut self, track: Track);
    fn track_removed(&mut self, key: TrackKey);
    /// The host lost frames of this track (queue full, packet loss not repaired): a picture's layer goes on with a key frame.
    fn gap(&mut self, key: TrackKey, layer: Layer);
    fn frame(&mut self, frame: Frame);
    /// Called every [`TICK`], frames or not: cut, publish, drain.
    fn tick(&mut self, now: Duration);
    /// Tracks that the leg wants a key frame of, in all their layers; asked after each tick. The host asks the sender and asks
    /// again until they come.
    fn wants_key(&mut self) -> Vec<TrackKey>;
    fn state(&self) -> State;
    /// Frames or fragments that the leg itself had to drop since this was asked last. Asked after each tick.
    fn dropped(&mut self) -> u64 {
        0
    }
    /// Pieces of its output that were ready much later than they should have been, since this was asked last. Asked after each
    /// tick.
    fn late(&mut self) -> u64 {
        0
    }
    /// No more frames. Finish what was begun.
    fn finish(&mut self);
}

/// How often [`Leg::tick`] is called, unless the machine or the leg itself is slower.
pub const TICK: Duration = Duration::from_millis(20);
