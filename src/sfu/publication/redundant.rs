//! Sound for receivers that lose some of it and take it redundantly (RFC 2198): each packet brings the two before it once more.

use std::time::{Duration, Instant};

use super::super::forward::header::{self, Header};
use super::super::forward::red;
use super::super::forward::rewrite::Place;
use super::super::out::Out;
use super::super::sdp::tables;
use super::super::transport::Sending;
use super::encoding::Media;
use super::subscription::{Subscription, push};

/// How long sound is redundant after its receiver has said that something was lost: browsers report of sound every 5 s or so, and such
/// a report may be lost as well. Longer: less of what is lost now and then is heard; shorter: paths that are well again carry less.
const FOR: Duration = Duration::from_secs(20);
/// Earlier packets that one brings. More: longer losses are covered, for as many times the bytes.
const EARLIER: usize = 2;

impl Subscription {
    /// Its receiver has lost some.
    pub(super) fn has_lost(&mut self, now: Instant) {
        self.redundant_until = self.red.then(|| now + FOR);
    }

    /// Its receiver has lost some, or its path has lost anything, of which it is known at once.
    pub(super) fn is_redundant(&self, to: &Sending<'_>, now: Instant) -> bool {
        let loses = || to.bandwidth.as_ref().is_some_and(|bandwidth| bandwidth.has_lost(FOR, now));
        self.red && (self.redundant_until.is_some_and(|until| now < until) || loses())
    }
}

/// As [`super::subscription::send`], with what is in the history before the packet. Nothing when there is nothing to add.
pub(super) fn send(
    to: &mut Sending<'_>,
    ssrc: u32,
    media: &Media,
    index: u64,
    place: Place,
    numbered: Option<Instant>,
    out: &mut Out,
) -> Option<usize> {
    let packet = media.history.get(index)?;
    let own = Header::parse(packet)?;
    let mut earlier: [(u32, &[u8]); EARLIER] = [(0, &[]); EARLIER];
    // Without one of them those before it could not be counted.
    let mut known = 0;
    for by in 1..=EARLIER {
        let Some((packet, header)) =
            media.history.get(index.checked_sub(by as u64)?).and_then(|p| Some((p, Header::parse(p)?)))
        else {
            break;
        };
        earlier[EARLIER - by] = (own.timestamp.wrapping_sub(header.timestamp), &packet[header.payload]);
        known = by;
    }
    let codec = to.keys.payload_type(tables::OPUS)?;
    push(to, place, numbered, out, |buffer, start| {
        buffer.extend_from_slice(&packet[..own.payload.start]);
        let copy = &mut buffer[start..];
        header::renumber(copy, place.index as u16, place.timestamp_shift, ssrc);
        copy[1] = copy[1] & 0x80 | tables::RED;
        red::write(buffer, codec, &earlier[EARLIER - known..], &packet[own.payload.clone()])
    })
}
