//! What goes to and from each participant, as the API shows it: counted here where it comes by way of the server, told by its
//! receiver where it comes over a mesh link.

use std::time::Instant;

use serde::Serialize;
use utoipa::ToSchema;

use super::task::Task;
use crate::room::ids::{LinkId, ParticipantId};
use crate::sfu::Counts;
use crate::signal::message::Id;

/// What has gone to and from a participant. Rates are for the reader to make, of two views.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrafficView {
    #[schema(value_type = String, example = "p1")]
    pub participant: Id<ParticipantId>,
    /// From it to the server, since that transport was opened. Absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<CountsView>,
    /// From the server to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<CountsView>,
    /// To it over mesh links, where its client tells.
    pub links: Vec<LinkTrafficView>,
}

/// Media, in RTP packets.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct CountsView {
    pub bytes: u64,
    pub packets: u64,
    /// Did not come at first; a retransmission may have brought it since.
    pub lost: u64,
}

/// What has come to a participant over a mesh link since it was set up.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkTrafficView {
    /// From whom.
    #[schema(value_type = String, example = "p1")]
    pub from: Id<ParticipantId>,
    #[serde(flatten)]
    pub counts: CountsView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u32>,
    /// How long ago it was so.
    pub age_ms: u64,
}

/// What a client has told of a mesh link last.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkTraffic {
    link: LinkId,
    counts: Counts,
    rtt_ms: Option<u32>,
    at: Instant,
}

impl From<Counts> for CountsView {
    fn from(Counts { bytes, packets, lost }: Counts) -> Self {
        Self { bytes, packets, lost }
    }
}

impl Task {
    /// A client tells what has come to it over its link to `peer`. Of a link that is gone it is late.
    pub(super) fn traffic_told(
        &mut self,
        from: ParticipantId,
        peer: ParticipantId,
        link: LinkId,
        counts: Counts,
        rtt_ms: Option<u32>,
    ) {
        if self.room.link(from, peer) != Some(link) {
            return;
        }
        let Some(member) = self.members.get_mut(&from) else { return };
        // As many as it has links at most.
        member.links.retain(|peer, told| self.room.link(from, *peer) == Some(told.link));
        member.links.insert(peer, LinkTraffic { link, counts, rtt_ms, at: Instant::now() });
    }

    /// Of everybody, in the order in which they came.
    pub(super) fn traffic(&self) -> Vec<TrafficView> {
        let now = Instant::now();
        let members = self.members.iter().map(|(&participant, member)| {
            let links =
                member.links.iter().filter(|(peer, told)| self.room.link(participant, **peer) == Some(told.link));
            let link = |(peer, told): (&ParticipantId, &LinkTraffic)| LinkTrafficView {
                from: Id(*peer),
                counts: told.counts.into(),
                rtt_ms: told.rtt_ms,
                age_ms: u64::try_from(now.saturating_duration_since(told.at).as_millis()).unwrap_or(u64::MAX),
            };
            TrafficView {
                participant: Id(participant),
                up: member.up.as_ref().map(|up| up.traffic.read().into()),
                down: member.down.as_ref().map(|down| down.traffic.read().into()),
                links: links.map(link).collect(),
            }
        });
        members.collect()
    }
}
