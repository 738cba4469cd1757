//! What a participant has beside its place in the room: its socket and its two server transports.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::Grants;
use crate::room::ids::{ParticipantId, TrackId};
use crate::room::{Direction, Source, VideoCodec};
use crate::sfu::sdp::{AnsweredDown, AnsweredUp, Assigned, Down, IceSession, Local, SdpError, Up};
use crate::sfu::{Codec, IceCredential, Layer, PublicationId, Remote, Send, Traffic, TransportId, Wish};
use crate::signal::message::{self as wire, Id, ServerMessage, Slot};

use super::limit::Place;
use super::messages::Answered;
use super::trace::Entering;
use super::traffic::LinkTraffic;
use super::{Entry, Manner};
use crate::signal::outbox::Outbox;

#[derive(Debug)]
pub(super) struct Member {
    /// None while the socket is lost.
    pub(super) outbox: Option<Outbox>,
    /// Counts the sockets this participant has had.
    pub(super) seat: u64,
    pub(super) secret: String,
    /// Random: nobody else is this user of the relay, now or later.
    pub(super) relay_user: u64,
    pub(super) up: Option<UpTransport>,
    pub(super) down: Option<DownTransport>,
    /// One a source, for the participant's whole life: an up transport that comes back brings the same ones.
    pub(super) publications: BTreeMap<Source, PublicationId>,
    /// What is known to arrive of each.
    codecs: BTreeMap<PublicationId, Codec>,
    generations: u32,
    /// What it has told of its mesh links.
    pub(super) links: BTreeMap<ParticipantId, LinkTraffic>,
    /// Its messages.
    pub(super) answered: Answered,
    /// The room's last message when it joined.
    pub(super) first_message: u32,
    manner: Manner,
    pub(super) grants: Grants,
    pub(super) decodes: Vec<VideoCodec>,
    /// Tracks that a plain client does not want forwarded. As many as there are in the room at most.
    unwanted: BTreeSet<TrackId>,
    /// What it can use of tracks, where it has said so. As many as there are in the room at most.
    wishes: BTreeMap<TrackId, Wish>,
    /// For whoever traces.
    pub(super) entering: Entering,
    /// Its place among those who publish.
    pub(super) publishes: Option<Place>,
    _place: Place,
}

impl Member {
    pub(super) fn new(
        outbox: Outbox,
        secret: String,
        manner: Manner,
        grants: Grants,
        decodes: Vec<VideoCodec>,
        first_message: u32,
        place: Place,
    ) -> Self {
        Self {
            outbox: Some(outbox),
            seat: 0,
            secret,
            relay_user: fastrand::u64(..),
            up: None,
            down: None,
            publications: BTreeMap::new(),
            codecs: BTreeMap::new(),
            generations: 0,
            links: BTreeMap::new(),
            answered: Answered::default(),
            first_message,
            manner,
            grants,
            decodes,
            unwanted: BTreeSet::new(),
            wishes: BTreeMap::new(),
            entering: Entering::default(),
            publishes: None,
            _place: place,
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        match self.manner {
            Manner::Native => false,
            Manner::Plain(_) => true,
        }
    }

    /// M-lines that are offered ahead of need, where `most` are useful.
    pub(super) fn reserve(&self, most: usize) -> usize {
        if self.is_plain() { 0 } else { most }
    }

    /// It came to watch this one, among others.
    pub(super) fn watches(&self, owner: ParticipantId) -> bool {
        match self.manner {
            Manner::Plain(Entry::Watch { only: Some(only) }) => only == owner,
            Manner::Plain(Entry::Play { of }) => of == owner,
            Manner::Native
            | Manner::Plain(Entry::Mesh { .. } | Entry::Publish { .. } | Entry::Watch { only: None }) => true,
        }
    }

    /// It speaks the native protocol in full.
    pub(super) fn is_native(&self) -> bool {
        self.manner == Manner::Native
    }

    /// The others do not know of it.
    pub(super) fn is_hidden(&self) -> bool {
        self.grants.hidden
    }

    /// Its transports may carry data channels: WHIP and WHEP know none, and who is hidden says nothing by them.
    pub(super) fn has_data(&self) -> bool {
        if self.is_hidden() {
            return false;
        }
        match self.manner {
            Manner::Native | Manner::Plain(Entry::Mesh { .. } | Entry::Watch { .. }) => true,
            Manner::Plain(Entry::Publish { data }) => data,
            Manner::Plain(Entry::Play { .. }) => false,
        }
    }

    /// It offers its down transport itself.
    pub(super) fn plays(&self) -> bool {
        matches!(self.manner, Manner::Plain(Entry::Play { .. }))
    }

    /// A publication is this member's; then that `codec` arrives of it is remembered.
    pub(super) fn sends(&mut self, publication: PublicationId, codec: Codec) -> bool {
        let is_own = self.publications.values().any(|own| *own == publication);
        if is_own {
            self.codecs.insert(publication, codec);
        }
        is_own
    }

    /// What of video it sends, whoever comes: the codec that arrives, or before one does those that were agreed on. Empty where
    /// that is not known, or goes by what others decode.
    pub(super) fn fixed_codecs(&self) -> &[VideoCodec] {
        let Some(camera) = self.publications.get(&Source::Camera).filter(|_| self.is_plain()) else { return &[] };
        match (self.codecs.get(camera), self.up.as_ref().map(|up| &up.sdp)) {
            (Some(Codec::Video(codec)), _) => std::slice::from_ref(codec),
            (Some(Codec::Opus), _) => &[],
            (None, Some(UpSdp::Client(answered))) => answered.agreed_codecs(),
            (None, Some(UpSdp::Server { .. }) | None) => &[],
        }
    }

    /// Answers the client's offer for the transport of this generation. None when that is gone.
    pub(super) fn take_offer(&mut self, generation: u32, sdp: &str) -> Option<Result<Accepted, SdpError>> {
        if let Some(up) = self.up.as_mut().filter(|up| up.generation == generation) {
            let publications = &self.publications;
            return Some(up.take_offer(sdp, |source| publications[&source]));
        }
        let down = self.down.as_mut().filter(|down| down.generation == generation)?;
        Some(down.take_offer(sdp))
    }

    /// ICE of the transport of this generation, where its client has offered for it.
    pub(super) fn ice(&mut self, generation: u32) -> Option<(TransportId, &mut IceSession)> {
        if let Some(up) = self.up.as_mut().filter(|up| up.generation == generation) {
            return Some((up.id, up.ice.as_mut()?));
        }
        let down = self.down.as_mut().filter(|down| down.generation == generation)?;
        Some((down.id, down.ice.as_mut()?))
    }

    /// ICE of the transport of this generation begins anew where the server offers it; the offer is for the caller to send.
    pub(super) fn restart_ice(
        &mut self,
        direction: Direction,
        generation: u32,
        ice: IceCredential,
    ) -> Option<TransportId> {
        match direction {
            Direction::Up => self.up.as_mut().filter(|up| up.generation == generation)?.restart_ice(ice),
            Direction::Down => self.down.as_mut().filter(|down| down.generation == generation)?.restart_ice(ice),
        }
    }

    pub(super) fn wants(&self, track: TrackId) -> bool {
        !self.unwanted.contains(&track)
    }

    /// True when that is new.
    pub(super) fn want(&mut self, track: TrackId, on: bool) -> bool {
        if on { self.unwanted.remove(&track) } else { self.unwanted.insert(track) }
    }

    pub(super) fn wish(&self, track: TrackId) -> Wish {
        self.wishes.get(&track).copied().unwrap_or_default()
    }

    pub(super) fn set_wish(&mut self, track: TrackId, wish: Wish) {
        self.wishes.insert(track, wish);
    }

    /// Keeps of what is wanted and not wanted only what there still is.
    pub(super) fn forget_unwanted(&mut self, is_there: impl Fn(TrackId) -> bool) {
        self.unwanted.retain(|track| is_there(*track));
        self.wishes.retain(|track, _| is_there(*track));
    }

    /// Which track a publication is on the down transport.
    pub(super) fn track(&self, publication: PublicationId) -> Option<TrackId> {
        self.down.as_ref()?.tracks.get(&publication).copied()
    }

    /// Transports of one participant are numbered, so that an answer to a closed one is known as such.
    pub(super) fn next_generation(&mut self) -> u32 {
        self.generations += 1;
        self.generations
    }

    pub(super) fn transport(&self, direction: Direction) -> Option<(TransportId, u32)> {
        match direction {
            Direction::Up => self.up.as_ref().map(|up| (up.id, up.generation)),
            Direction::Down => self.down.as_ref().map(|down| (down.id, down.generation)),
        }
    }

    /// Which of the two a transport is, if it is one of these.
    pub(super) fn direction_of(&self, id: TransportId) -> Option<Direction> {
        [Direction::Up, Direction::Down]
            .into_iter()
            .find(|direction| self.transport(*direction).is_some_and(|(own, _)| own == id))
    }
}

/// A client's offer that was taken.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) transport: TransportId,
    pub(super) answer: String,
    pub(super) entity_tag: String,
    pub(super) remote: Remote,
}

/// Receives what the participant publishes.
#[derive(Debug)]
pub(super) struct UpTransport {
    pub(super) id: TransportId,
    pub(super) generation: u32,
    sdp: UpSdp,
    /// Once the client has offered for it.
    ice: Option<IceSession>,
    pub(super) traffic: Traffic,
}

/// Who offers.
#[derive(Debug)]
enum UpSdp {
    Server {
        sdp: Up,
        /// The last offer: sent again to a socket that takes the place of a lost one, as long as it is unanswered.
        unanswered: Option<String>,
    },
    Client(AnsweredUp),
}

impl UpTransport {
    pub(super) fn new(id: TransportId, generation: u32, sdp: Up) -> Self {
        Self { id, generation, sdp: UpSdp::Server { sdp, unanswered: None }, ice: None, traffic: Traffic::default() }
    }

    /// One that the client offers, with data channels or without.
    pub(super) fn offered(
        id: TransportId,
        generation: u32,
        local: Local,
        codecs: &[VideoCodec],
        start_bitrate_kbps: u32,
        data: bool,
    ) -> Self {
        let answered = AnsweredUp::new(local, codecs, start_bitrate_kbps, data);
        Self { id, generation, sdp: UpSdp::Client(answered), ice: None, traffic: Traffic::default() }
    }

    /// The server's offer, where it is the one who offers.
    pub(super) fn offer(&mut self) -> Option<ServerMessage> {
        match &mut self.sdp {
            UpSdp::Server { sdp, unanswered } => *unanswered = Some(sdp.offer()),
            UpSdp::Client(_) => {}
        }
        self.repeat()
    }

    /// The outstanding offer again.
    pub(super) fn repeat(&self) -> Option<ServerMessage> {
        let UpSdp::Server { sdp, unanswered: Some(offer) } = &self.sdp else { return None };
        let slots = sdp.slots().into_iter();
        Some(ServerMessage::Offer {
            transport: wire::Direction::Up,
            generation: self.generation,
            sdp: offer.clone(),
            slots: slots.map(|(mid, source)| Slot { mid, source: Some(source.into()), track: None }).collect(),
        })
    }

    /// A new offer, when the order of codecs has changed. Where the client offers, what was agreed on stays.
    pub(super) fn prefer(&mut self, codec: VideoCodec) -> Option<ServerMessage> {
        match &mut self.sdp {
            UpSdp::Server { sdp, .. } => sdp.prefer(codec).then(|| self.offer()).flatten(),
            UpSdp::Client(_) => None,
        }
    }

    /// Nothing where the client offers.
    fn restart_ice(&mut self, ice: IceCredential) -> Option<TransportId> {
        let UpSdp::Server { sdp, .. } = &mut self.sdp else { return None };
        sdp.restart(ice);
        Some(self.id)
    }

    /// Answers the client's offer.
    pub(super) fn take_offer(
        &mut self,
        sdp: &str,
        publication_of: impl Fn(Source) -> PublicationId,
    ) -> Result<Accepted, SdpError> {
        let UpSdp::Client(answered) = &mut self.sdp else { return Err(SdpError::Unasked) };
        let (answer, remote) = answered.answer(sdp, publication_of)?;
        let ice = self.ice.insert(answered.ice(&remote).ok_or(SdpError::Nothing)?);
        Ok(Accepted { transport: self.id, answer, entity_tag: ice.entity_tag().to_owned(), remote })
    }

    pub(super) fn answer(
        &mut self,
        sdp: &str,
        publication_of: impl Fn(Source) -> PublicationId,
    ) -> Result<Remote, SdpError> {
        match &mut self.sdp {
            UpSdp::Server { sdp: offered, unanswered } => {
                let remote = offered.answer(sdp, publication_of)?;
                *unanswered = None;
                Ok(remote)
            }
            UpSdp::Client(_) => Err(SdpError::Unasked),
        }
    }
}

/// Sends to the participant what others publish.
#[derive(Debug)]
pub(super) struct DownTransport {
    pub(super) id: TransportId,
    pub(super) generation: u32,
    sdp: DownSdp,
    /// Once the client has offered for it.
    ice: Option<IceSession>,
    tracks: BTreeMap<PublicationId, TrackId>,
    unanswered: Option<String>,
    /// The slots have changed since they were last told.
    untold: bool,
    /// What its path was last said to take.
    pub(super) estimate_kbps: Option<u32>,
    pub(super) traffic: Traffic,
}

/// Who offers.
#[derive(Debug)]
enum DownSdp {
    Server(Down),
    Client(AnsweredDown),
}

impl DownTransport {
    pub(super) fn new(id: TransportId, generation: u32, sdp: Down) -> Self {
        Self::of(id, generation, DownSdp::Server(sdp))
    }

    /// One that the client offers.
    pub(super) fn offered(id: TransportId, generation: u32, local: Local, codecs: &[VideoCodec]) -> Self {
        Self::of(id, generation, DownSdp::Client(AnsweredDown::new(local, codecs)))
    }

    fn of(id: TransportId, generation: u32, sdp: DownSdp) -> Self {
        Self {
            id,
            generation,
            sdp,
            ice: None,
            tracks: BTreeMap::new(),
            unanswered: None,
            untold: false,
            estimate_kbps: None,
            traffic: Traffic::default(),
        }
    }

    /// Answers the client's offer.
    fn take_offer(&mut self, sdp: &str) -> Result<Accepted, SdpError> {
        let DownSdp::Client(answered) = &mut self.sdp else { return Err(SdpError::Unasked) };
        let (answer, remote) = answered.answer(sdp)?;
        let ice = self.ice.insert(answered.ice(&remote).ok_or(SdpError::Nothing)?);
        Ok(Accepted { transport: self.id, answer, entity_tag: ice.entity_tag().to_owned(), remote })
    }

    /// Nothing where the client offers.
    fn restart_ice(&mut self, ice: IceCredential) -> Option<TransportId> {
        let DownSdp::Server(down) = &mut self.sdp else { return None };
        down.restart(ice);
        Some(self.id)
    }

    /// What can be sent at once; None: it takes a new offer, see [`Self::flush`].
    pub(super) fn assign(&mut self, publication: PublicationId, source: Source, track: TrackId) -> Option<Send> {
        self.tracks.insert(publication, track);
        self.untold = true;
        let down = match &mut self.sdp {
            DownSdp::Server(down) => down,
            DownSdp::Client(answered) => return answered.assign(publication, source),
        };
        match down.assign(publication, source) {
            Assigned::Ready(send) => Some(send),
            Assigned::NeedsOffer => None,
            Assigned::Full => {
                tracing::warn!(transport = ?self.id, ?publication, "the down transport has as many sections as it takes");
                metrics::counter!("crescendo_refused_total", "limit" => "down sections").increment(1);
                None
            }
        }
    }

    /// What can be forwarded of a publication, if the client knows its m-line.
    pub(super) fn sent(&self, publication: PublicationId) -> Option<Send> {
        match &self.sdp {
            DownSdp::Server(down) => down.sent(publication),
            DownSdp::Client(answered) => answered.sent(publication),
        }
    }

    /// What it was to get before its client had offered for it.
    pub(super) fn unsent(&self) -> Vec<TrackId> {
        let unsent = self.tracks.iter().filter(|(publication, _)| self.sent(**publication).is_none());
        unsent.map(|(_, track)| *track).collect()
    }

    /// The m-line that is to fall silent.
    pub(super) fn release(&mut self, publication: PublicationId) -> Option<String> {
        self.tracks.remove(&publication);
        self.untold = true;
        match &mut self.sdp {
            DownSdp::Server(down) => down.release(publication),
            DownSdp::Client(answered) => answered.release(publication),
        }
    }

    /// What the client has to be told after a batch of changes: a new offer, or the slots alone. One that offers itself is
    /// told nothing.
    pub(super) fn flush(&mut self) -> Option<ServerMessage> {
        let DownSdp::Server(down) = &mut self.sdp else { return None };
        if down.needs_offer()
            && let Some(sdp) = down.offer()
        {
            self.unanswered = Some(sdp);
            self.untold = false;
            return self.repeat();
        }
        std::mem::take(&mut self.untold)
            .then(|| ServerMessage::Slots { generation: self.generation, slots: self.slots() })
    }

    /// The outstanding offer again.
    pub(super) fn repeat(&self) -> Option<ServerMessage> {
        self.unanswered.clone().map(|sdp| ServerMessage::Offer {
            transport: wire::Direction::Down,
            generation: self.generation,
            sdp,
            slots: self.slots(),
        })
    }

    /// What a socket that takes the place of a lost one has to know.
    pub(super) fn resume(&self) -> ServerMessage {
        self.repeat().unwrap_or_else(|| ServerMessage::Slots { generation: self.generation, slots: self.slots() })
    }

    pub(super) fn answer(&mut self, sdp: &str) -> Result<(Remote, Vec<Send>), SdpError> {
        let DownSdp::Server(down) = &mut self.sdp else { return Err(SdpError::Unasked) };
        let accepted = down.answer(sdp)?;
        self.unanswered = None;
        self.untold = true;
        Ok(accepted)
    }

    fn slots(&self) -> Vec<Slot> {
        let track = |publication: Option<PublicationId>| publication.and_then(|p| self.tracks.get(&p)).copied().map(Id);
        let DownSdp::Server(down) = &self.sdp else { return Vec::new() };
        let slots = down.slots().into_iter();
        slots.map(|(mid, publication)| Slot { mid, source: None, track: track(publication) }).collect()
    }
}

/// A layer as the media plane knows it.
pub(super) fn layer(layer: wire::Layer) -> Layer {
    match layer {
        wire::Layer::Low => Layer::LOW,
        wire::Layer::Medium => Layer::MEDIUM,
        wire::Layer::High => Layer::HIGH,
    }
}

/// The same on the wire.
pub(super) fn layer_on_wire(of: Layer) -> wire::Layer {
    let all = [wire::Layer::Low, wire::Layer::Medium, wire::Layer::High];
    all[of.index()]
}
