//! What is measured: how many rooms, who sends, who receives, and how much.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes of an RTP payload; with header, extensions and tag some 1,240 on the wire.
pub(crate) const PAYLOAD: usize = 1_200;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) name: Name,
    pub(crate) rooms: usize,
    /// Of a room.
    pub(crate) senders: usize,
    pub(crate) receivers: Receivers,
    pub(crate) frames_per_second: u32,
    /// Of a frame; they are sent back to back.
    pub(crate) packets: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Name {
    OneTo50,
    OneTo500,
    TwentyByTwenty,
    RoomsOfFour,
    OneTo1000,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Receivers {
    /// So many that only watch.
    Watchers(usize),
    /// The senders themselves, each getting all others.
    Senders,
}

pub(crate) const ALL: [Scenario; 5] = [
    Scenario {
        name: Name::OneTo50,
        rooms: 1,
        senders: 1,
        receivers: Receivers::Watchers(50),
        frames_per_second: 60,
        packets: 10,
    },
    Scenario {
        name: Name::OneTo500,
        rooms: 1,
        senders: 1,
        receivers: Receivers::Watchers(500),
        frames_per_second: 30,
        packets: 10,
    },
    Scenario {
        name: Name::TwentyByTwenty,
        rooms: 1,
        senders: 20,
        receivers: Receivers::Senders,
        frames_per_second: 30,
        packets: 5,
    },
    Scenario {
        name: Name::RoomsOfFour,
        rooms: 200,
        senders: 4,
        receivers: Receivers::Senders,
        frames_per_second: 15,
        packets: 4,
    },
    Scenario {
        name: Name::OneTo1000,
        rooms: 1,
        senders: 1,
        receivers: Receivers::Watchers(1_000),
        frames_per_second: 15,
        packets: 10,
    },
];

impl Name {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Name::OneTo50 => "1 to 50",
            Name::OneTo500 => "1 to 500",
            Name::TwentyByTwenty => "20 by 20",
            Name::RoomsOfFour => "200 rooms of 4",
            Name::OneTo1000 => "1 to 1000",
        }
    }
}

impl Scenario {
    /// Receiving transports of a room.
    pub(crate) fn receivers(&self) -> usize {
        match self.receivers {
            Receivers::Watchers(watchers) => watchers,
            Receivers::Senders => self.senders,
        }
    }

    /// Does this receiver of a room get this sender of it?
    pub(crate) fn gets(&self, receiver: usize, sender: usize) -> bool {
        match self.receivers {
            Receivers::Watchers(_) => true,
            Receivers::Senders => receiver != sender,
        }
    }

    /// Time between two frames of a sender.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.frames_per_second
    }

    /// What the server should forward, in packets a second.
    pub(crate) fn offered(&self) -> f64 {
        let streams: usize =
            (0..self.receivers()).map(|receiver| (0..self.senders).filter(|s| self.gets(receiver, *s)).count()).sum();
        (streams * self.rooms * self.packets) as f64 * f64::from(self.frames_per_second)
    }
}

/// One transport of the server, as the other end needs to know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    pub(crate) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Sends { ssrc: u32 },
    Receives,
}

/// What the server has done so far.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// CPU time of all its threads.
    pub(crate) cpu_ns: u64,
    pub(crate) packets: u64,
    /// Datagrams and trains of datagrams.
    pub(crate) trains: u64,
    /// System calls that send.
    pub(crate) calls: u64,
    pub(crate) resident_kb: u64,
}
