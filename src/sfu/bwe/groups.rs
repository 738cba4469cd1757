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
/// And as many bytes at least. Higher: larger pictures are needed to see it; lower: a few small packets that the air held up are taken
/// for what the path takes.
const STRETCHED_BYTES: u64 = 2_000;

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
    /// The longest time between two arrivals, and the bytes of the packet that ended it.
    gap: i64,
    gap_bytes: u64,
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
            gap_bytes: 0,
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
            let gap = arrived - current.last_arrived;
            if gap > current.gap {
                (current.gap, current.gap_bytes) = (gap, bytes.into());
            }
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
    /// which is what the path takes. The longest gap may be a stall, and says nothing; nor does the packet that ended it.
    pub(super) fn stretched(&self) -> Option<Rate> {
        let group = self.current?;
        let (sent, arrived) =
            (group.last_sent - group.first_sent, group.last_arrived - group.first_arrived - group.gap);
        let bytes = group.bytes - group.gap_bytes;
        let is_stretched = arrived - sent > STRETCHED_US && bytes >= STRETCHED_BYTES;
        is_stretched.then(|| Rate::of(bytes, Duration::from_micros(arrived as u64)))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of packets that were sent together and arrive at these times, in ms.
    fn stretched(bytes: u16, arrivals: &[i64]) -> Option<f64> {
        let mut groups = Groups::default();
        for at in arrivals {
            groups.push(0, at * 1_000, bytes);
        }
        groups.stretched().map(Rate::kbps)
    }

    #[test]
    fn packets_that_wait_for_each_other_say_what_the_path_takes_whatever_stall_came_between() {
        assert_eq!(stretched(1_200, &[0, 32, 64, 96]), Some(300.0));
        assert_eq!(stretched(1_200, &[0, 32, 64, 364, 396]), Some(300.0), "a stall is no thin path");
        assert_eq!(stretched(1_200, &[0, 300, 301, 302, 303]), None, "and nothing but a stall says nothing");
        assert_eq!(stretched(1_200, &[0, 8, 16, 24, 32, 40]), None, "it is not much");
        assert_eq!(stretched(100, &[0, 32, 64, 96, 128]), None, "so little says nothing");
    }
}
