//! The down transport's description: a growing list of m-lines, each for one publication in its life.
//!
//! Some are offered before anybody needs them, so that most newcomers cost no new offer. An m-line that is no longer needed is
//! closed in the next offer, and its place is taken by a new one, with a new mid and SSRC, in a later one (RFC 8829 section
//! 5.2.2): what is late for the old one can never be taken for the new one. The first m-line, that of data channels, is never
//! closed, because it holds the transport that all others share (RFC 9143 section 7.3.3).

use super::answer::{self, Answer, Section};
use super::write::{Line, Offer};
use super::{Local, SdpError, tables};
use crate::room::{Kind, Source, VideoCodec};
use crate::sfu::{IceCredential, PublicationId, Remote, Send};

/// Most m-lines of an offer; more publications find no place. Browsers get slow before that.
const MAX_SLOTS: usize = answer::MAX_SECTIONS - 1;
/// Mid of the m-line of data channels.
const DATA: &str = "a";

#[derive(Debug)]
pub struct Down {
    local: Local,
    codecs: Vec<VideoCodec>,
    reserve: usize,
    /// Redundant sound is offered.
    red: bool,
    version: u64,
    /// ICE has begun anew, and no offer says so.
    restarted: bool,
    /// Counts mids.
    made: u32,
    /// The m-lines after the first, in order.
    slots: Vec<Slot>,
    negotiation: Negotiation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negotiation {
    /// Nothing has been offered.
    New,
    /// An offer has not been answered. It had this many slots.
    Outstanding {
        slots: usize,
    },
    Stable,
}

#[derive(Debug)]
struct Slot {
    mid: String,
    ssrc: u32,
    rtx: u32,
    /// The client takes retransmissions on an SSRC of their own.
    takes_rtx: bool,
    /// It tells when packets with transport-wide numbers come.
    tells_arrivals: bool,
    /// It takes redundant sound.
    takes_red: bool,
    kind: Kind,
    /// What it holds is a screen.
    screen: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In no offer yet.
    Planned { holds: Option<PublicationId> },
    /// In the outstanding offer for the first time.
    Offered { holds: Option<PublicationId> },
    /// Accepted by the client.
    Ready { holds: Option<PublicationId> },
    /// Over; the client has to be told.
    Dropped,
    /// Over, as the outstanding offer says.
    Closing,
    /// Over, and the client knows: the place can be used again.
    Closed,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assigned {
    /// It has an m-line that the client knows: forward at once.
    Ready(Send),
    /// The client has to be told of an m-line; the [`Send`] comes with an answer.
    NeedsOffer,
    /// The transport has as many m-lines as it may have.
    Full,
}

impl Slot {
    fn holds(&self) -> Option<PublicationId> {
        match self.stage {
            Stage::Planned { holds } | Stage::Offered { holds } | Stage::Ready { holds } => holds,
            Stage::Dropped | Stage::Closing | Stage::Closed => None,
        }
    }

    fn is_free(&self) -> bool {
        matches!(
            self.stage,
            Stage::Planned { holds: None } | Stage::Offered { holds: None } | Stage::Ready { holds: None }
        )
    }

    fn send(&self, publication: PublicationId) -> Send {
        let rtx = self.takes_rtx.then_some(self.rtx);
        let Self { ssrc, screen, tells_arrivals: transport_cc, takes_red: red, .. } = *self;
        Send { mid: self.mid.clone(), ssrc, rtx, red, transport_cc, screen, publication }
    }

    /// What the next offer says of it.
    fn line(&self) -> Line {
        match self.stage {
            Stage::Planned { .. } | Stage::Offered { .. } | Stage::Ready { .. } => {
                Line::Send { kind: self.kind, ssrc: self.ssrc, rtx: self.rtx }
            }
            Stage::Dropped | Stage::Closing | Stage::Closed => Line::Closed { kind: self.kind },
        }
    }
}

impl Down {
    /// `reserve`: how many pairs of an audio and a video m-line each offer has beyond those in use.
    pub fn new(local: Local, codecs: &[VideoCodec], reserve: usize) -> Self {
        let (slots, negotiation) = (Vec::new(), Negotiation::New);
        Self {
            local,
            codecs: codecs.to_vec(),
            reserve,
            red: false,
            version: 0,
            restarted: false,
            made: 0,
            slots,
            negotiation,
        }
    }

    /// Offers sound that brings what was before once more (RFC 2198), for receivers that lose some.
    #[must_use]
    pub fn with_red(self, red: bool) -> Self {
        Self { red, ..self }
    }

    /// Finds an m-line for a publication: one that the client knows, if there is any. One that has an m-line keeps it.
    pub fn assign(&mut self, publication: PublicationId, source: Source) -> Assigned {
        let kind = source.kind();
        let find = |wanted: &dyn Fn(&Slot) -> bool| self.slots.iter().position(wanted);
        let at = find(&|slot| slot.holds() == Some(publication))
            .or_else(|| find(&|slot| slot.kind == kind && slot.stage == Stage::Ready { holds: None }))
            .or_else(|| find(&|slot| slot.kind == kind && slot.is_free()))
            .or_else(|| self.add(kind));
        let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) else { return Assigned::Full };
        let holds = Some(publication);
        slot.screen = source == Source::Screen;
        match slot.stage {
            Stage::Ready { .. } => {
                slot.stage = Stage::Ready { holds };
                return Assigned::Ready(slot.send(publication));
            }
            Stage::Offered { .. } => slot.stage = Stage::Offered { holds },
            Stage::Planned { .. } | Stage::Dropped | Stage::Closing | Stage::Closed => {
                slot.stage = Stage::Planned { holds };
            }
        }
        Assigned::NeedsOffer
    }

    /// The publication is no longer wanted; the mid that sends it, if the client knows of one.
    pub fn release(&mut self, publication: PublicationId) -> Option<String> {
        let slot = self.slots.iter_mut().find(|slot| slot.holds() == Some(publication))?;
        match slot.stage {
            Stage::Planned { .. } => {
                slot.stage = Stage::Planned { holds: None };
                None
            }
            Stage::Offered { .. } | Stage::Ready { .. } => {
                slot.stage = Stage::Dropped;
                Some(slot.mid.clone())
            }
            Stage::Dropped | Stage::Closing | Stage::Closed => None,
        }
    }

    /// What can be forwarded of a publication, if the client knows its m-line.
    pub fn sent(&self, publication: PublicationId) -> Option<Send> {
        let slot = self.slots.iter().find(|slot| slot.stage == Stage::Ready { holds: Some(publication) })?;
        Some(slot.send(publication))
    }

    /// True when the client has not been told of something that it has to know.
    pub fn needs_offer(&self) -> bool {
        let untold = |slot: &Slot| matches!(slot.stage, Stage::Planned { holds: Some(_) } | Stage::Dropped);
        self.negotiation == Negotiation::New || self.restarted || self.slots.iter().any(untold)
    }

    /// ICE begins anew with the next offer (RFC 8839 section 4.4.1.1.1).
    pub fn restart(&mut self, ice: IceCredential) {
        self.local.ice = ice;
        self.restarted = true;
    }

    /// The next offer; nothing while one is outstanding.
    pub fn offer(&mut self) -> Option<String> {
        if let Negotiation::Outstanding { .. } = self.negotiation {
            return None;
        }
        for kind in [Kind::Audio, Kind::Video] {
            let free = self.slots.iter().filter(|slot| slot.kind == kind && slot.is_free()).count();
            for _ in free..self.reserve {
                self.add(kind);
            }
        }
        for slot in &mut self.slots {
            slot.stage = match slot.stage {
                Stage::Planned { holds } => Stage::Offered { holds },
                Stage::Dropped => Stage::Closing,
                stage @ (Stage::Offered { .. } | Stage::Ready { .. } | Stage::Closing | Stage::Closed) => stage,
            };
        }
        self.version += 1;
        self.restarted = false;
        self.negotiation = Negotiation::Outstanding { slots: self.slots.len() };
        let offer = Offer {
            local: &self.local,
            version: self.version,
            codecs: &self.codecs,
            start_bitrate_kbps: None,
            red: self.red,
        };
        let lines = self.slots.iter().map(|slot| (slot.mid.as_str(), slot.line()));
        Some(offer.text(std::iter::once((DATA, Line::Data)).chain(lines)))
    }

    /// The m-lines that the client knows, or is being told of, and what they carry.
    pub fn slots(&self) -> Vec<(String, Option<PublicationId>)> {
        let known = |slot: &&Slot| matches!(slot.stage, Stage::Offered { .. } | Stage::Ready { .. });
        self.slots.iter().filter(known).map(|slot| (slot.mid.clone(), slot.holds())).collect()
    }

    /// Takes the answer to the outstanding offer: where the client is, and what can be forwarded from now on. A publication
    /// whose m-line the client rejected loses it. After an error the transport is of no more use.
    pub fn answer(&mut self, sdp: &str) -> Result<(Remote, Vec<Send>), SdpError> {
        let Negotiation::Outstanding { slots: offered } = self.negotiation else { return Err(SdpError::Unasked) };
        let answer = answer::parse(sdp)?;
        let [data, sections @ ..] = &answer.sections[..] else { return Err(SdpError::Sections) };
        // Browsers name a closed m-line by its old mid or not at all.
        let same = |(section, slot): (&Section, &Slot)| section.rejected || section.mid == slot.mid;
        if data.mid != DATA || data.rejected || sections.len() != offered || !sections.iter().zip(&self.slots).all(same)
        {
            return Err(SdpError::Sections);
        }
        let mut ready = Vec::new();
        for (slot, section) in self.slots.iter_mut().zip(sections) {
            slot.stage = match slot.stage {
                Stage::Offered { .. } | Stage::Ready { .. } | Stage::Dropped if section.rejected => Stage::Closed,
                Stage::Closing => Stage::Closed,
                Stage::Offered { holds } => {
                    slot.takes_rtx = takes_rtx(section);
                    slot.tells_arrivals = tells_arrivals(section);
                    slot.takes_red = self.red && section.formats.iter().any(|f| f.payload_type == tables::RED);
                    ready.extend(holds.map(|publication| slot.send(publication)));
                    Stage::Ready { holds }
                }
                stage @ (Stage::Planned { .. } | Stage::Ready { .. } | Stage::Dropped | Stage::Closed) => stage,
            };
        }
        self.negotiation = Negotiation::Stable;
        let Answer { ice, fingerprint, dtls, .. } = answer;
        Ok((Remote { ice, fingerprint, dtls, receive: Vec::new(), data: true, numbers: None }, ready))
    }

    /// Plans an m-line, in the place of a closed one or at the end; nothing when there is no room.
    fn add(&mut self, kind: Kind) -> Option<usize> {
        let place = self.slots.iter().position(|slot| slot.stage == Stage::Closed);
        if place.is_none() && self.slots.len() == MAX_SLOTS {
            return None;
        }
        self.made += 1;
        let mid = self.made.to_string();
        let ssrc = self.new_ssrc(0);
        let rtx = self.new_ssrc(ssrc);
        let stage = Stage::Planned { holds: None };
        let slot = Slot {
            mid,
            ssrc,
            rtx,
            takes_rtx: false,
            tells_arrivals: false,
            takes_red: false,
            kind,
            screen: false,
            stage,
        };
        let at = place.unwrap_or(self.slots.len());
        match self.slots.get_mut(at) {
            Some(closed) => *closed = slot,
            None => self.slots.push(slot),
        }
        Some(at)
    }

    /// One that no m-line has, and that is not `taken`.
    fn new_ssrc(&self, taken: u32) -> u32 {
        loop {
            // 0 and 1 are what the server's own reports come from.
            let ssrc = fastrand::u32(2..);
            if ssrc != taken && self.slots.iter().all(|slot| slot.ssrc != ssrc && slot.rtx != ssrc) {
                return ssrc;
            }
        }
    }
}

/// The client has kept the retransmissions of every video format that it has kept.
fn takes_rtx(section: &Section) -> bool {
    let has = |payload_type: u8| section.formats.iter().any(|format| format.payload_type == payload_type);
    let mut kept = tables::VIDEO.iter().filter(|payload| has(payload.payload_type)).peekable();
    kept.peek().is_some() && kept.all(|payload| has(payload.rtx))
}

/// The client has kept the extension for transport-wide numbers under its id, and its feedback.
fn tells_arrivals(section: &Section) -> bool {
    let knows = section.extensions.iter().any(|(id, uri)| {
        tables::EXTENSIONS.iter().any(|(known, _, name)| *known == tables::TRANSPORT_CC && known == id && name == uri)
    });
    let tells = |feedback: &String| feedback == "transport-cc";
    knows && section.formats.iter().any(|format| format.feedback.iter().any(tells))
}
