//! Packets that were sent in one go count as one: how much later than the ones before did they arrive than they were sent?
//! (draft-ietf-rmcat-gcc-02 section 5.2)

use std::time::Duration;

use super::Rate;

/// Packets sent within this time make a group, in µs.
const GROUP_US: i64 = 5_000;
/// Packets that arrive this close to each other after a queue let them go are a burst, and count to the group, in µs.
const BURST_US: i64 = 5_000;
/// A burst has an end, in µs.
const MAX_BURST_US: i64 = 100_000;

/// Packets that were sent together and arrive spread over this much more wait for each other at a bottleneck, in µs. Lower: a path
/// that has become thin is noticed sooner; higher: fewer stalls of the air are taken for one.
const STRETCHED_US: i64 = 40_000;

#[derive(Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
    /// The longest time between two arrivals.
    gap: i64,
    /// Of all but the first.
    bytes: u64,
}

/// From one group to the next, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) sent_us: i64,
    pub(super) arrived_us: i64,
    /// When the group had arrived, on the far end's clock.
    pub(super) at_us: i64,
}

impl Groups {
    /// Takes packets in the order in which they were sent; what is out of order says nothing. Gives a delta when a group is full.
    pub(super) fn push(&mut self, sent: i64, arrived: i64, bytes: u16) -> Option<Delta> {
        let begun = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrived: arrived,
            last_arrived: arrived,
            gap: 0,
            bytes: 0,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(begun);
            return None;
        };
        if sent < current.first_sent {
            return None;
        }
        if current.takes(sent, arrived) {
            current.gap = current.gap.max(arrived - current.last_arrived);
            current.bytes += u64::from(bytes);
            current.last_sent = current.last_sent.max(sent);
            current.last_arrived = current.last_arrived.max(arrived);
            return None;
        }
        let (full, previous) = (*current, self.previous);
        (self.previous, self.current) = (Some(full), Some(begun));
        let previous = previous?;
        Some(Delta {
            sent_us: full.last_sent - previous.last_sent,
            arrived_us: full.last_arrived - previous.last_arrived,
            at_us: full.last_arrived,
        })
    }
}

impl Groups {
    /// The packets of the last group came so far apart that the next one need not be waited for: the rate at which they got through,
    /// which is what the path takes. One long gap alone is a stall.
    pub(super) fn stretched(&self) -> Option<Rate> {
        let group = self.current?;
        let (sent, arrived) = (group.last_sent - group.first_sent, group.last_arrived - group.first_arrived);
        let is_stretched = arrived - sent - group.gap > STRETCHED_US;
        is_stretched.then(|| Rate::of(group.bytes, Duration::from_micros(arrived as u64)))
    }
}

impl Group {
    fn takes(&self, sent: i64, arrived: i64) -> bool {
        let (later_sent, later_arrived) = (sent - self.last_sent, arrived - self.last_arrived);
        let is_burst =
            later_arrived - later_sent < 0 && later_arrived <= BURST_US && arrived - self.first_arrived < MAX_BURST_US;
        sent - self.first_sent <= GROUP_US || is_burst
    }
}
