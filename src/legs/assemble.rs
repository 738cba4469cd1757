//! RTP payloads to frames. Packets come in order; what is missing was said before.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use crescendo_leg_api::Codec;
use rtc_rtp::codec::vp9::Vp9Packet;
use rtc_rtp::packetizer::Depacketizer as _;

use super::rtp::Packet;

mod av1;
mod h264;
#[cfg(test)]
mod tests;
mod vp8;

/// Largest frame. A key frame of 8K video has 2 MiB.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// A frame, its RTP timestamp and when its first packet came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assembled {
    pub(super) timestamp: u32,
    pub(super) arrival: Instant,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

/// A payload broke the rules of its format, or a frame grew too large. What was begun is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Gathers the packets of one frame: those with the same timestamp, up to the marker (RFC 3550 section 5.1).
#[derive(Debug)]
pub(super) struct Assembler {
    codec: Codec,
    frame: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    timestamp: u32,
    arrival: Instant,
    data: BytesMut,
    key: bool,
    /// It has its first packet, and nothing of it is missing so far.
    whole: bool,
    /// H.264: it has a slice.
    slices: bool,
    /// H.264, AV1: where in `data` the unit begins whose end has not come.
    unit: Option<usize>,
}

impl Assembler {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, frame: None }
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Packets are missing here: the frame that was begun cannot be finished.
    pub(super) fn gap(&mut self) {
        if let Some(frame) = &mut self.frame {
            frame.whole = false;
        }
    }

    /// Takes a packet and hands over the frames that are complete: usually none or one, two where a marker was missing.
    pub(super) fn push(
        &mut self,
        arrival: Instant,
        packet: &Packet,
        mut complete: impl FnMut(Assembled),
    ) -> Result<(), Malformed> {
        if packet.payload.is_empty() {
            return Ok(()); // Padding alone, sent to probe the path.
        }
        if self.frame.as_ref().is_some_and(|frame| frame.timestamp != packet.timestamp)
            && let Some(done) = self.frame.take().and_then(Partial::done)
        {
            complete(done);
        }
        let codec = self.codec;
        let frame = self.frame.get_or_insert_with(|| Partial {
            timestamp: packet.timestamp,
            arrival,
            data: BytesMut::new(),
            key: false,
            whole: true,
            slices: false,
            unit: None,
        });
        let result = frame.add(codec, &packet.payload);
        let too_large = frame.data.len() > FRAME_BYTES_MAX;
        if result.is_err() || too_large {
            frame.whole = false;
            frame.data = BytesMut::new();
            frame.unit = None;
        }
        if (packet.marker || codec.is_audio())
            && let Some(done) = self.frame.take().and_then(Partial::done)
        {
            complete(done);
        }
        if too_large { Err(Malformed) } else { result }
    }
}

impl Partial {
    fn add(&mut self, codec: Codec, payload: &Bytes) -> Result<(), Malformed> {
        if !self.whole {
            return Ok(());
        }
        let begins = self.data.is_empty();
        match codec {
            // RFC 7587 section 4.2: one packet each.
            Codec::Opus => {
                self.key = true;
                self.data.put_slice(payload);
            }
            Codec::H264 => h264::add(self, payload)?,
            Codec::Vp8 => vp8::add(self, payload)?,
            Codec::Vp9 => {
                // Fresh for each packet: what one says must not outlast it.
                let mut header = Vp9Packet::default();
                let data = header.depacketize(payload).map_err(|_| Malformed)?;
                if begins {
                    self.whole = header.b;
                    self.key = !header.p;
                }
                self.data.put_slice(&data);
            }
            Codec::Av1 => av1::add(self, payload)?,
        }
        Ok(())
    }

    fn done(self) -> Option<Assembled> {
        let Self { timestamp, arrival, data, key, whole, unit, slices: _ } = self;
        let complete = whole && unit.is_none() && !data.is_empty();
        complete.then(|| Assembled { timestamp, arrival, key, data: data.freeze() })
    }
}
