//! What the server carries: whose transports are open, who sends up, who is subscribed to what, what is tapped.

use std::collections::BTreeSet;
use std::time::Instant;

use super::ids::{ParticipantId, TrackId};
use super::path::Way;
use super::{Carrier, Event, Output, Pair, Path, Reach, Room};

/// What a receiver needs of a sender by way of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Wanted,
    /// Its sender has lost its transport for now: an m-line that it has is not given up for that.
    Kept,
    None,
}

impl Room {
    /// Who needs its transports, up and down. From `warm_at` participants on everybody who can has both.
    fn wanted_transports(&self) -> (BTreeSet<ParticipantId>, BTreeSet<ParticipantId>) {
        let mut ups: BTreeSet<_> = self.tapped();
        let mut downs = BTreeSet::new();
        let is_warm = self.participants.len() >= self.settings.warm_at;
        for (&id, participant) in &self.participants {
            let (up, down) = match participant.reach {
                Reach::Mesh { warm } => (warm && is_warm, warm && is_warm),
                Reach::Server { sends, receives } => (sends, receives),
                Reach::Hidden => (false, true),
            };
            ups.extend(up.then_some(id));
            downs.extend(down.then_some(id));
        }
        for (pair, way) in &self.ways {
            if way.path.uses(Carrier::Sfu) || way.aims_for(self.target.carrier) == Carrier::Sfu {
                ups.insert(pair.sender);
                downs.insert(pair.receiver);
            }
        }
        (ups, downs)
    }

    /// Whose tracks a leg wants.
    fn tapped(&self) -> BTreeSet<ParticipantId> {
        let tapped = |(owner, _, source)| self.legs.values().any(|leg| leg.wants(owner, source)).then_some(owner);
        self.tracks().filter_map(tapped).collect()
    }

    /// Whose media somebody wants by way of the server.
    fn senders(&self) -> BTreeSet<ParticipantId> {
        let over_sfu = self.ways.iter().filter(|(_, way)| way.path.uses(Carrier::Sfu));
        over_sfu.map(|(pair, _)| pair.sender).chain(self.tapped()).collect()
    }

    pub(super) fn open_transports(&mut self, now: Instant, out: &mut Vec<Output>) {
        let (ups, downs) = self.wanted_transports();
        for (&id, participant) in &mut self.participants {
            participant.open(now, id, ups.contains(&id), downs.contains(&id), out);
        }
    }

    pub(super) fn close_transports(&mut self, out: &mut Vec<Output>) {
        let (ups, downs) = self.wanted_transports();
        for (&id, participant) in &mut self.participants {
            participant.close(id, ups.contains(&id), downs.contains(&id), out);
        }
    }

    /// Taps, senders and subscriptions that are missing.
    pub(super) fn carry_more(&mut self, out: &mut Vec<Output>) {
        let tracks: Vec<_> = self.tracks().collect();
        for (&id, leg) in &mut self.legs {
            for &(owner, track, source) in &tracks {
                if leg.wants(owner, source) && leg.taps.insert(track) {
                    out.push(Output::Tap { leg: id, track });
                }
            }
        }
        self.send_up(true, out);
        self.each_subscription(|pair, track, need, subscribed| {
            if need == Need::Wanted && subscribed.insert(track) {
                out.push(Output::Subscribe { receiver: pair.receiver, track });
            }
        });
    }

    /// Senders and subscriptions that nobody needs.
    pub(super) fn carry_less(&mut self, out: &mut Vec<Output>) {
        self.each_subscription(|pair, track, need, subscribed| {
            if need == Need::None && subscribed.remove(&track) {
                out.push(Output::Unsubscribe { receiver: pair.receiver, track });
            }
        });
        self.send_up(false, out);
    }

    /// Calls `f` with each pair, each track of its sender, whether the receiver needs it by way of the server, and what the
    /// receiver is subscribed to.
    fn each_subscription(&mut self, mut f: impl FnMut(Pair, TrackId, Need, &mut BTreeSet<TrackId>)) {
        for (&pair, way) in &self.ways {
            let published = self.participants.get(&pair.sender).map(|sender| sender.tracks.keys().copied());
            let published: Vec<TrackId> = published.into_iter().flatten().collect();
            let need = self.need(pair, way);
            let receiver = self.participants.get_mut(&pair.receiver);
            let Some(subscribed) = receiver.and_then(|receiver| receiver.down.load_mut()) else { continue };
            for track in published {
                f(pair, track, need, subscribed);
            }
        }
    }

    /// Who has nothing yet and waits for its own transport alone is subscribed ahead: what it is to get is in the first offer, and
    /// comes in the moment when the transport is up.
    fn need(&self, pair: Pair, way: &Way) -> Need {
        let sends = || self.participants.get(&pair.sender).is_some_and(|sender| sender.up.is_connected());
        let is_foreseen = matches!(way.path, Path::Nothing { .. }) && way.aims_for(self.target.carrier) == Carrier::Sfu;
        if way.path.uses(Carrier::Sfu) || is_foreseen && sends() {
            Need::Wanted
        } else if is_foreseen {
            Need::Kept
        } else {
            Need::None
        }
    }

    /// Tells those who are to start (or to stop) sending up and do not do so yet. Only a transport that is up is told:
    /// what was said before its offer has reached the client would be lost.
    fn send_up(&mut self, active: bool, out: &mut Vec<Output>) {
        let senders = self.senders();
        let mut told = Vec::new();
        for (&id, participant) in &mut self.participants {
            let is_up = participant.up.is_connected();
            match participant.up.load_mut() {
                Some(sends) if is_up && *sends != active && senders.contains(&id) == active => {
                    *sends = active;
                    told.push(id);
                }
                Some(_) | None => {}
            }
        }
        for id in told {
            self.tell(id, Event::SendUp { active }, out);
        }
    }
}
