//! One transport: ICE says where the far end is, DTLS who it is, SRTP seals the media, and SCTP within DTLS carries data channels.
//! Nothing is received or sent as media or data before all three are there and the certificate agrees with the description.

pub mod data;
pub(crate) mod dtls;
pub(crate) mod hello;
pub mod ice;
pub(crate) mod srtp;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use self::data::Channels;
use self::dtls::{Dtls, Established, Identity, Progress};
use self::srtp::{Inbound, Outbound};
use super::bwe::{self, Estimator};
use super::forward::numbers::Numbers;
use super::out::{Out, Route};
use super::udp::Far;
use super::{
    Codec, Counts, Direction, DtlsRole, Event, FailReason, IceCredential, PublicationId, Remote, Traffic, TransportId,
};

/// Addresses of a far end that are remembered. It has as many as it has interfaces and NAT bindings.
const MAX_ADDRESSES: usize = 16;
/// Bytes of DTLS beside application data that are read in a transport's life. A handshake takes 2 to 4 kB, with every flight sent again until the time
/// is up some 20. Higher: rtc-dtls joins fragments by recursion and does not count empty ones, so that half a megabyte of them
/// overflows the stack and takes the process down; lower: handshakes on very lossy links fail.
const MAX_DTLS_BYTES: usize = 32 * 1024;
/// Packets that a far end may have sent again at once. More only helps who has lost all anyway.
const RESENDS: usize = 256;
/// How many of them are allowed anew each tick of 10 ms: 3,200 packets a second, some 30 Mbit/s. Higher: repairs more on a bad
/// link with many pictures; lower: less to be had for the asking, one NACK of 80 bytes being worth 256 packets.
const RESENDS_PER_TICK: usize = 32;
/// Events of media that a transport tells in its life; later ones are not told. A far end that changes its codec or its SSRC with
/// each packet would else fill the host's channel, in which the room's other transports say that they are up or have failed.
const MEDIA_EVENTS: usize = 256;
/// A change of the estimate by less than this share is not told.
const WORTH_TELLING: f64 = 0.05;
/// Events of layers that a transport tells at once; one more is allowed each tick of 10 ms. They are for statistics. Higher: more
/// are told in large rooms; lower: a sender whose pictures change their size all the time takes less of the host's channel.
const LAYER_EVENTS: usize = 64;

#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) id: TransportId,
    pub(crate) direction: Direction,
    pub(crate) local: IceCredential,
    /// Before ICE restarted; none again once `local` has been used.
    pub(crate) former: Option<IceCredential>,
    pub(crate) remote: Option<Remote>,
    events: mpsc::Sender<Event>,
    identity: Arc<Identity>,
    dtls: Dtls,
    dtls_bytes: usize,
    phase: Phase,
    /// Addresses that an authentic check came from, the oldest first. Media is taken from these alone.
    addresses: Vec<Far>,
    route: Option<Route>,
    /// When the first route was there.
    reached: Instant,
    last_check: Instant,
    /// Packets that may be sent again now.
    resends: usize,
    /// Events of media that may still be told.
    media_events: usize,
    /// The same of layers.
    layer_events: usize,
    data: Option<Box<Channels>>,
    /// What the path takes, where the far end tells when packets come.
    bandwidth: Option<Box<Estimator>>,
    /// What was told of that, in kbit/s.
    told_kbps: Option<u32>,
    pub(crate) counts: Counts,
    /// Where these are told.
    pub(crate) traffic: Option<Traffic>,
}

/// What it takes to send media.
#[derive(Debug)]
pub(crate) struct Sending<'a> {
    pub(crate) keys: &'a mut Media,
    pub(crate) route: Route,
    pub(crate) bandwidth: Option<&'a mut Estimator>,
}

impl Sending<'_> {
    /// Whether the path takes a packet now that could wait.
    pub(crate) fn has_room(&mut self, now: Instant) -> bool {
        self.bandwidth.as_mut().is_none_or(|bandwidth| bandwidth.has_room(now))
    }
}

#[derive(Debug)]
enum Phase {
    Handshake {
        until: Instant,
    },
    /// DTLS was faster than the answer.
    Unproven {
        until: Instant,
        established: Box<Established>,
    },
    Open(Box<Media>),
}

#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    /// Of a down transport whose client offered: what our numbers are there.
    numbers: Option<Box<Numbers>>,
}

impl Media {
    /// Gives a packet that is about to be sealed the far end's numbers. False when it has none for this codec.
    pub(crate) fn renumber(&self, packet: &mut [u8]) -> bool {
        self.numbers.as_ref().is_none_or(|numbers| numbers.apply(packet))
    }

    /// What one of our payload types is there.
    pub(crate) fn payload_type(&self, ours: u8) -> Option<u8> {
        self.numbers.as_ref().map_or(Some(ours), |numbers| numbers.payload(ours))
    }
}

impl Transport {
    pub(crate) fn new(
        id: TransportId,
        direction: Direction,
        local: IceCredential,
        events: mpsc::Sender<Event>,
        identity: Arc<Identity>,
        until: Instant,
        now: Instant,
    ) -> Self {
        let dtls = Dtls::new(identity.clone());
        let phase = Phase::Handshake { until };
        let (remote, addresses, route, dtls_bytes) = (None, Vec::new(), None, 0);
        let (last_check, resends) = (now, RESENDS);
        Self {
            id,
            direction,
            local,
            former: None,
            remote,
            events,
            identity,
            dtls,
            dtls_bytes,
            phase,
            addresses,
            route,
            reached: now,
            last_check,
            resends,
            media_events: MEDIA_EVENTS,
            layer_events: LAYER_EVENTS,
            data: None,
            bandwidth: None,
            told_kbps: None,
            counts: Counts::default(),
            traffic: None,
        }
    }

    /// An authentic check has come by `route`. One is enough to send there; a nomination moves what is sent.
    /// The address that had to be forgotten for it, if any: the oldest that is not in use.
    pub(crate) fn checked(&mut self, route: Route, nominated: bool, now: Instant) -> Option<Far> {
        self.last_check = now;
        if self.route.is_none() || nominated {
            if self.route.is_none() {
                self.reached = now;
            }
            self.route = Some(route);
        }
        if self.addresses.contains(&route.far()) {
            return None;
        }
        let used = self.route.map(|route| route.far());
        let oldest = self.addresses.iter().position(|address| Some(*address) != used);
        let forgotten = oldest.filter(|_| self.addresses.len() == MAX_ADDRESSES).map(|at| self.addresses.remove(at));
        self.addresses.push(route.far());
        forgotten
    }

    /// ICE restarts (RFC 8445 section 9). What checks came with so far is good until one has come with the new credential. Gives
    /// back one that never was used, if there is any.
    pub(crate) fn restart_ice(&mut self, local: IceCredential) -> Option<IceCredential> {
        let replaced = std::mem::replace(&mut self.local, local);
        match self.former {
            Some(_) => Some(replaced),
            None => {
                self.former = Some(replaced);
                None
            }
        }
    }

    /// Those that checks may come with now.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &IceCredential> {
        std::iter::once(&self.local).chain(&self.former)
    }

    /// The keys, once the far end is known to be who the description says.
    pub(crate) fn media(&mut self) -> Option<(&mut Media, Route)> {
        match (&mut self.phase, self.route) {
            (Phase::Open(media), Some(route)) => Some((media, route)),
            (Phase::Open(_) | Phase::Handshake { .. } | Phase::Unproven { .. }, _) => None,
        }
    }

    /// The keys and what sending goes by, once the far end is known to be who the description says.
    pub(crate) fn sending(&mut self) -> Option<Sending<'_>> {
        match (&mut self.phase, self.route) {
            (Phase::Open(keys), Some(route)) => Some(Sending { keys, route, bandwidth: self.bandwidth.as_deref_mut() }),
            (Phase::Open(_) | Phase::Handshake { .. } | Phase::Unproven { .. }, _) => None,
        }
    }

    /// The far end tells when packets come: from now on it is known what the path takes.
    pub(crate) fn estimate_bandwidth(&mut self, limits: bwe::Limits, now: Instant) {
        self.bandwidth.get_or_insert_with(|| Box::new(Estimator::new(limits, now)));
    }

    pub(crate) fn bandwidth(&mut self) -> Option<&mut Estimator> {
        self.bandwidth.as_deref_mut()
    }

    /// How many of `wanted` packets may be sent again now.
    pub(crate) fn take_resends(&mut self, wanted: usize) -> usize {
        let taken = wanted.min(self.resends);
        self.resends -= taken;
        taken
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// The description has come, for the first time or again.
    pub(crate) fn set_remote(&mut self, remote: Remote) -> Result<(), FailReason> {
        let changed = self.remote.as_ref().is_some_and(|known| known.fingerprint != remote.fingerprint);
        if changed && self.is_open() {
            return Err(FailReason::Fingerprint);
        }
        if let Phase::Open(media) = &mut self.phase {
            media.numbers = outgoing(self.direction, &remote);
        }
        self.remote = Some(remote);
        self.prove()
    }

    /// Starts the handshake as DTLS client, once the address and the description are there.
    pub(crate) fn start(&mut self, now: Instant) {
        let client = self.remote.as_ref().is_some_and(|remote| remote.dtls == DtlsRole::Client);
        if client && self.route.is_some() && self.dtls.connect(now).is_err() {
            tracing::debug!(transport = ?self.id, "the ClientHello could not be made");
        }
    }

    /// A DTLS datagram from a known address. What cannot be read is passed over: anybody can forge it. So is what is beyond
    /// [`MAX_DTLS_BYTES`].
    pub(crate) fn dtls(&mut self, datagram: &[u8], now: Instant) -> Result<(), FailReason> {
        if !(self.is_open() && dtls::is_application_data(datagram)) {
            self.dtls_bytes = self.dtls_bytes.saturating_add(datagram.len());
            if self.dtls_bytes > MAX_DTLS_BYTES {
                return Ok(());
            }
        }
        // The DTLS library is the one parser of hostile bytes here that is not ours. It holds nothing that others share, and is
        // not asked anything after a panic.
        let read = catch_unwind(AssertUnwindSafe(|| self.dtls.read(now, datagram)));
        let Ok(read) = read else {
            tracing::error!(transport = ?self.id, "DTLS panicked");
            self.dtls = Dtls::new(self.identity.clone());
            return Err(FailReason::Handshake);
        };
        match read {
            Ok(Progress::Going) => Ok(()),
            Ok(Progress::Closed) => Err(FailReason::Closed),
            Ok(Progress::Established(established)) => match self.phase {
                Phase::Handshake { until } => {
                    self.phase = Phase::Unproven { until, established };
                    self.prove()
                }
                Phase::Unproven { .. } | Phase::Open(_) => Ok(()),
            },
            Err(error) => {
                tracing::debug!(transport = ?self.id, %error, "DTLS");
                Ok(())
            }
        }
    }

    /// Opens the transport if description and handshake are both there and agree (RFC 8122 section 6.2).
    fn prove(&mut self) -> Result<(), FailReason> {
        let (Some(remote), Phase::Unproven { established, .. }) = (&self.remote, &self.phase) else { return Ok(()) };
        if remote.fingerprint != established.fingerprint {
            return Err(FailReason::Fingerprint);
        }
        let crypto = self.identity.provider.crypto();
        let inbound = Inbound::new(&established.remote, crypto).map_err(|_| FailReason::Handshake)?;
        let outbound = Outbound::new(&established.local, crypto).map_err(|_| FailReason::Handshake)?;
        tracing::debug!(transport = ?self.id, profile = ?established.local.profile, "open");
        let numbers = outgoing(self.direction, remote);
        self.phase = Phase::Open(Box::new(Media { inbound, outbound, numbers }));
        if let Some(route) = self.route {
            let protocol = if route.stream.is_some() { "tcp" } else { "udp" };
            metrics::counter!("crescendo_transports_connected_total", "protocol" => protocol).increment(1);
            self.tell(Event::Connected {
                transport: self.id,
                direction: self.direction,
                remote: route.to,
                reached: self.reached,
            });
        }
        Ok(())
    }

    /// Takes data channels from now on, as soon as the transport is open.
    pub(crate) fn open_data(&mut self, channels: Channels) {
        self.data.get_or_insert_with(|| Box::new(channels));
    }

    /// Hands the data channels what has come for them, once the far end is proven.
    pub(crate) fn read_data(&mut self, now: Instant) {
        let came = self.dtls.take_inbox();
        if !self.is_open() {
            return;
        }
        let connects = self.dtls.is_client() && self.remote.as_ref().is_some_and(|remote| remote.data);
        self.with_data(|channels| {
            if connects {
                channels.connect(now);
            }
            came.into_iter().for_each(|packet| channels.read(packet, now));
            channels.handle_timeout(now);
        });
    }

    /// The next message that has come.
    pub(crate) fn poll_data(&mut self, now: Instant) -> Option<data::Message> {
        self.with_data(|channels| channels.poll_message(now)).flatten()
    }

    /// False when there are no data channels.
    pub(crate) fn send_data(&mut self, kind: data::Kind, bytes: &Bytes, now: Instant) -> bool {
        self.with_data(|channels| channels.send(kind, bytes, now)).is_some()
    }

    /// There is a data channel that is open.
    pub(crate) fn has_channel(&self) -> bool {
        self.data.as_deref().is_some_and(Channels::is_open)
    }

    /// What was dropped of the data channels since this was asked last.
    pub(crate) fn data_dropped(&mut self) -> impl Iterator<Item = (data::Dropped, u64)> + use<> {
        self.data.as_deref_mut().map(Channels::take_dropped).into_iter().flatten()
    }

    /// Moves what the data channels want to send into `out`.
    pub(crate) fn flush_data(&mut self, now: Instant, out: &mut Out) {
        while let Some(packets) = self.with_data(|channels| channels.poll_transmit(now)).flatten() {
            for packet in packets {
                // What cannot be sealed is lost, as any datagram may be.
                let _ = self.dtls.write(now, &packet);
            }
            self.flush_dtls(out);
        }
    }

    /// The SCTP library reads hostile bytes, as the DTLS library does: after a panic it is not asked anything, and media goes on.
    fn with_data<T>(&mut self, work: impl FnOnce(&mut Channels) -> T) -> Option<T> {
        let channels = self.data.as_deref_mut()?;
        let done = catch_unwind(AssertUnwindSafe(|| work(channels)));
        if done.is_err() {
            tracing::error!(transport = ?self.id, "SCTP panicked");
            self.data = None;
        }
        done.ok()
    }

    /// Moves what DTLS wants to send into `out`.
    pub(crate) fn flush_dtls(&mut self, out: &mut Out) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            if let Some(route) = self.route {
                out.push(route, &datagram);
            }
        }
    }

    pub(crate) fn tick(&mut self, now: Instant, consent: Duration) -> Result<(), FailReason> {
        self.resends = (self.resends + RESENDS_PER_TICK).min(RESENDS);
        self.layer_events = (self.layer_events + 1).min(LAYER_EVENTS);
        match self.phase {
            Phase::Handshake { until } | Phase::Unproven { until, .. } if until <= now => match self.route {
                None => Err(FailReason::NoCheck),
                Some(_) => Err(FailReason::Handshake),
            },
            Phase::Handshake { .. } => self.dtls.handle_timeout(now).map_err(|_| FailReason::Handshake),
            Phase::Unproven { .. } => Ok(()),
            Phase::Open(_) if now.saturating_duration_since(self.last_check) > consent => Err(FailReason::Consent),
            Phase::Open(_) => Ok(()),
        }
    }

    /// Says goodbye to a far end that is there.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Out) {
        if self.is_open() {
            self.dtls.close(now);
            self.flush_dtls(out);
        }
    }

    /// That media has come or has changed, unless it was said too often.
    pub(crate) fn tell_media(&mut self, publication: PublicationId, codec: Codec) {
        if let Some(left) = self.media_events.checked_sub(1) {
            self.media_events = left;
            self.tell(Event::Media { publication, codec });
        }
    }

    /// That the far end gets another layer, unless that was said too often or nobody has room for it.
    pub(crate) fn tell_layer(&mut self, event: Event) {
        if let Some(left) = self.layer_events.checked_sub(1) {
            self.layer_events = left;
            let _ = self.events.try_send(event);
        }
    }

    /// What the path takes, when that has changed; in kbit/s.
    pub(crate) fn tell_estimate(&mut self) -> Option<f64> {
        let kbps = self.bandwidth.as_deref()?.estimate()?.kbps();
        let told = self.told_kbps.map(f64::from);
        if told.is_none_or(|told| (kbps - told).abs() >= told * WORTH_TELLING)
            && self.events.try_send(Event::Estimate { transport: self.id, kbps: kbps as u32 }).is_ok()
        {
            self.told_kbps = Some(kbps as u32);
        }
        Some(kbps)
    }

    /// The host bounds its channel; what it has no room for is lost, and said so.
    pub(crate) fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            tracing::warn!(transport = ?self.id, "an event found no room");
        }
    }
}

/// On the way up numbers are mapped as packets come in, before anybody has to know of them.
fn outgoing(direction: Direction, remote: &Remote) -> Option<Box<Numbers>> {
    match direction {
        Direction::Up => None,
        Direction::Down => remote.numbers.clone(),
    }
}

#[cfg(test)]
mod tests;
