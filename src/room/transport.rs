//! A participant's transport to the server, in one direction.

use std::time::{Duration, Instant};

/// A server transport of a participant, named from the participant's side: `Up` sends to the server, `Down` receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportReport {
    /// ICE and DTLS are up and the fingerprint was checked.
    Connected,
    /// It could not be set up, or what was up is dead.
    Failed,
}

/// Pause before a failed transport is opened again; it doubles with each failure in a row up to [`RETRY_MAX`].
/// Longer: fewer futile handshakes; shorter: a hiccup is over sooner.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest such pause. Longer: less load from clients that never get through; shorter: they notice a mended path sooner.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// One server transport as the room sees it. `Load` is what it was told to carry: that ends with the transport.
#[derive(Debug)]
pub(super) enum Transport<Load> {
    Closed,
    /// The media plane has it. `failures` in a row came before.
    Opening {
        failures: u32,
        load: Load,
    },
    /// ICE and DTLS are up: it is proven.
    Connected {
        load: Load,
    },
    /// The media plane has forgotten it.
    Failed {
        failures: u32,
        retry_at: Instant,
    },
}

impl<Load: Default> Transport<Load> {
    pub(super) fn is_open(&self) -> bool {
        self.load().is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self, Transport::Connected { .. })
    }

    pub(super) fn load(&self) -> Option<&Load> {
        match self {
            Transport::Opening { load, .. } | Transport::Connected { load } => Some(load),
            Transport::Closed | Transport::Failed { .. } => None,
        }
    }

    pub(super) fn load_mut(&mut self) -> Option<&mut Load> {
        match self {
            Transport::Opening { load, .. } | Transport::Connected { load } => Some(load),
            Transport::Closed | Transport::Failed { .. } => None,
        }
    }

    /// When it is to be opened again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self {
            Transport::Failed { retry_at, .. } => Some(*retry_at),
            Transport::Closed | Transport::Opening { .. } | Transport::Connected { .. } => None,
        }
    }

    /// Opens it where it is closed, or has failed long enough ago. True when the media plane has to open it.
    pub(super) fn open(&mut self, now: Instant) -> bool {
        let failures = match self {
            Transport::Closed => 0,
            Transport::Failed { failures, retry_at } if *retry_at <= now => *failures,
            Transport::Failed { .. } | Transport::Opening { .. } | Transport::Connected { .. } => return false,
        };
        *self = Transport::Opening { failures, load: Load::default() };
        true
    }

    /// True when the media plane has to close it.
    pub(super) fn close(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Transport::Closed;
        was_open
    }

    /// Takes in a report. True when the media plane has to close it. A report about one that is not open is late.
    pub(super) fn report(&mut self, now: Instant, report: TransportReport) -> bool {
        match (report, &mut *self) {
            (TransportReport::Connected, Transport::Opening { load, .. }) => {
                *self = Transport::Connected { load: std::mem::take(load) };
                false
            }
            (TransportReport::Failed, Transport::Opening { failures, .. }) => {
                *self = Self::failed(now, *failures);
                true
            }
            (TransportReport::Failed, Transport::Connected { .. }) => {
                *self = Self::failed(now, 0);
                true
            }
            (TransportReport::Connected, Transport::Connected { .. })
            | (_, Transport::Closed | Transport::Failed { .. }) => false,
        }
    }

    fn failed(now: Instant, before: u32) -> Self {
        let pause = RETRY_MAX.min(RETRY_FIRST * 2_u32.saturating_pow(before));
        Transport::Failed { failures: before.saturating_add(1), retry_at: now + pause }
    }
}
