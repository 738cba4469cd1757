//! Key frames: recognising the packet that one starts with, and asking senders for one without pestering them.

use std::time::{Duration, Instant};

use super::picture;
use crate::sfu::{Codec, VideoCodec};

/// Is this payload the start of a frame that can be decoded with nothing before it? Every Opus packet is.
pub fn is_start(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => true,
        Codec::Video(VideoCodec::Vp8) => vp8(payload).unwrap_or(false),
        Codec::Video(VideoCodec::Vp9) => vp9(payload).unwrap_or(false),
        Codec::Video(VideoCodec::H264) => h264(payload).unwrap_or(false),
        Codec::Video(VideoCodec::Av1) => av1(payload),
    }
}

/// RFC 7741 section 4.2 and 4.3: the first partition starts here (S, PID 0) and P of its header is 0.
fn vp8(payload: &[u8]) -> Option<bool> {
    let starts = payload.first()? & 0x17 == 0x10;
    Some(starts && payload.get(picture::vp8_rest(payload)?)? & 0x01 == 0)
}

/// RFC 9628 section 4.2: not predicted (P 0), start of a frame (B 1), lowest spatial layer.
fn vp9(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    if first & 0x48 != 0x08 {
        return Some(false);
    }
    if first & 0x20 == 0 {
        return Some(true);
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        at += if *payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    Some(*payload.get(at)? >> 1 & 0x07 == 0)
}

/// RFC 6184 section 5: an SPS or the start of an IDR slice, alone, in a STAP-A or at the start of an FU-A.
fn h264(payload: &[u8]) -> Option<bool> {
    let starts = |nal: u8| matches!(nal & 0x1f, 5 | 7);
    match *payload.first()? & 0x1f {
        24 => {
            let mut rest = payload.get(1..)?;
            while let [high, low, nal, ..] = rest {
                if starts(*nal) {
                    return Some(true);
                }
                rest = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..)?;
            }
            Some(false)
        }
        28 => payload.get(1).map(|fu| fu & 0x80 != 0 && starts(*fu)),
        _ => Some(starts(payload[0])),
    }
}

/// AV1 RTP payload format, section 4.4: N marks the first packet of a coded video sequence; Z would continue another packet.
fn av1(payload: &[u8]) -> bool {
    payload.first().is_some_and(|header| header & 0x88 == 0x08)
}

/// Requests for key frames of one publication: whoever wants one, the sender is asked once, not more often than it listens
/// (libwebrtc ignores requests within 300 ms of the last), and again until a key frame has come.
#[derive(Debug, Default)]
pub struct Requests {
    wanted: bool,
    last: Option<Instant>,
}

impl Requests {
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame has come.
    pub fn satisfied(&mut self) {
        self.wanted = false;
    }

    /// True when the sender is to be asked now.
    pub fn due(&mut self, now: Instant, interval: Duration) -> bool {
        let rested = self.last.is_none_or(|last| now.saturating_duration_since(last) >= interval);
        if self.wanted && rested {
            self.last = Some(now);
        }
        self.wanted && rested
    }
}

/// Wishes of one receiver that are granted at once: it starts, loses something and starts again. Higher: quicker for who really
/// loses much; lower: fewer key frames, which everybody pays for, to be had by who only wants to harm.
const WISHES: u32 = 4;
/// How often it gets a further one. A key frame is several times as large as other frames, so that one every
/// `sfu.pli_interval_ms` takes the picture of everybody else down.
const WISH_INTERVAL: Duration = Duration::from_secs(1);

/// Bounds the key frames that one receiver may wish for. What it is refused it asks for again, if it means it.
#[derive(Debug)]
pub struct Wishes {
    left: u32,
    /// When `left` last grew, or began to be less than all.
    counted: Option<Instant>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { left: WISHES, counted: None }
    }
}

impl Wishes {
    /// True when the wish counts.
    pub fn grant(&mut self, now: Instant) -> bool {
        let counted = *self.counted.get_or_insert(now);
        let passed = now.saturating_duration_since(counted).as_secs() / WISH_INTERVAL.as_secs();
        if passed > 0 {
            self.left = u32::try_from(passed).unwrap_or(WISHES).saturating_add(self.left).min(WISHES);
            self.counted = Some(now);
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}
