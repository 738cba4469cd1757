//! RTP timestamps on the room's clock. Pure; all times are nanoseconds, the room's since the leg began. Sums saturate: what a
//! hostile sender says of its clock may be anything, and harms its own tracks alone.
//!
//! A sender report says what its sender's wall clock showed at an RTP timestamp, which aligns the tracks of one participant.
//! Wall clocks of different machines differ, so each participant's is aligned to the server's: what a report's arrival is
//! later than its NTP time is the difference of the clocks plus the way, and the least seen lately has the shortest way.
//! Before the first report the arrival of the frames stands in, in the same manner.

#[cfg(test)]
mod tests;

const SECOND: i64 = 1_000_000_000;

/// What was least within one or two of these is "lately". Higher: steadier; lower: follows clocks that drift.
const LATELY: i64 = 30 * SECOND;

/// A correction moves times by at most this part of the time that passed, 1 %: nobody hears or sees it.
const SLEW: i64 = 100;

/// Further off than this a clock was set, and is followed at once.
const STEP: i64 = SECOND / 2;

/// A frame that would have been under way for longer than this comes from an RTP clock that jumped back.
const LATE_MAX: i64 = 2 * SECOND;

/// Reports that disagree with the arrival of frames by more than this are not believed.
const REPORT_ERROR_MAX: i64 = SECOND;

/// The least value of the last while.
#[derive(Debug, Clone, Copy)]
struct Least {
    current: i64,
    before: i64,
    since: i64,
}

impl Least {
    fn new(value: i64, now: i64) -> Self {
        Self { current: value, before: value, since: now }
    }

    fn add(&mut self, value: i64, now: i64) {
        if now.saturating_sub(self.since) > LATELY {
            (self.before, self.current, self.since) = (self.current, value, now);
        }
        self.current = self.current.min(value);
    }

    fn get(&self) -> i64 {
        self.current.min(self.before)
    }
}

/// One participant's wall clock.
#[derive(Debug, Clone, Default)]
pub(super) struct WallClock {
    /// Room time minus NTP time.
    offset: Option<Least>,
}

impl WallClock {
    /// A sender report with this NTP time (32.32 fixed point) arrived.
    pub(super) fn report(&mut self, ntp: u64, arrival: i64) {
        let offset = arrival.saturating_sub(nanoseconds(ntp));
        match &mut self.offset {
            Some(least) if apart(least.get(), offset) < LATE_MAX => least.add(offset, arrival),
            // The first one, or the clock was set.
            Some(_) | None => self.offset = Some(Least::new(offset, arrival)),
        }
    }
}

/// NTP's 32.32 fixed point seconds since 1900; fits until 2036, when NTP itself wraps.
fn nanoseconds(ntp: u64) -> i64 {
    ((u128::from(ntp) * SECOND as u128) >> 32) as i64
}

fn apart(one: i64, other: i64) -> i64 {
    one.saturating_sub(other).saturating_abs()
}

/// One track's RTP clock.
#[derive(Debug)]
pub(super) struct RtpClock {
    /// Ticks a second.
    rate: i64,
    /// Newest timestamp, and the same counted on beyond 32 bits.
    newest: Option<(u32, i64)>,
    /// Arrival minus media time.
    arrivals: Option<Least>,
    /// Of the last sender report: RTP timestamp, NTP time.
    report: Option<(u32, u64)>,
    /// Room time minus media time, as it is applied, and the media time at which it was last moved.
    offset: Option<(i64, i64)>,
}

impl RtpClock {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate), newest: None, arrivals: None, report: None, offset: None }
    }

    pub(super) fn report(&mut self, ntp: u64, timestamp: u32) {
        self.report = Some((timestamp, ntp));
    }

    /// When the frame with this timestamp was captured: never later than its first packet arrived.
    pub(super) fn capture(&mut self, timestamp: u32, arrival: i64, wall: &WallClock) -> i64 {
        let media = self.media(timestamp);
        if self.newest.is_none_or(|(_, newest)| self.extend(timestamp) > newest) {
            self.newest = Some((timestamp, self.extend(timestamp)));
        }
        let late = arrival.saturating_sub(media);
        match &mut self.arrivals {
            Some(least) => least.add(late, arrival),
            None => self.arrivals = Some(Least::new(late, arrival)),
        }
        if self.offset.is_some_and(|(offset, _)| late.saturating_sub(offset) > LATE_MAX) {
            (self.arrivals, self.report, self.offset) = (Some(Least::new(late, arrival)), None, None);
            self.newest = Some((timestamp, self.extend(timestamp)));
        }
        let wanted = self.wanted(late, wall);
        let offset = match self.offset {
            Some((offset, moved)) if apart(wanted, offset) <= STEP => {
                let most = media.saturating_sub(moved).max(0) / SLEW;
                wanted.clamp(offset.saturating_sub(most), offset.saturating_add(most))
            }
            Some(_) | None => wanted,
        };
        self.offset = Some((offset, media));
        media.saturating_add(offset).clamp(0, arrival.max(0))
    }

    fn wanted(&self, late: i64, wall: &WallClock) -> i64 {
        let by_arrival = self.arrivals.map_or(late, |least| least.get());
        let (Some((timestamp, ntp)), Some(wall)) = (self.report, wall.offset) else { return by_arrival };
        let by_report = nanoseconds(ntp).saturating_add(wall.get()).saturating_sub(self.media(timestamp));
        if apart(by_report, by_arrival) > REPORT_ERROR_MAX { by_arrival } else { by_report }
    }

    fn extend(&self, timestamp: u32) -> i64 {
        self.newest.map_or(i64::from(timestamp), |(newest, extended)| {
            extended.saturating_add(i64::from(timestamp.wrapping_sub(newest) as i32))
        })
    }

    fn media(&self, timestamp: u32) -> i64 {
        // A hostile sender can count on for ever: 128 bits for the product, and at the end of what there is it stands still.
        let media = i128::from(self.extend(timestamp)) * i128::from(SECOND) / i128::from(self.rate);
        i64::try_from(media).unwrap_or(if media < 0 { i64::MIN } else { i64::MAX })
    }
}
