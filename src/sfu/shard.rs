//! One media thread: receive, route, forward, flush; and the timers.

mod bandwidth;
mod data;
mod packets;
mod voices;

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::bwe;
use super::bwe::allocate::{Allocator, Track};
use super::by_id::ById;
use super::data::{DataEnd, HubId};
use super::forward::layer::{Layer, Wish};
use super::meters::Meters;
use super::out::{Out, Route};
use super::place::Load;
use super::publication::{Demand, Limits, Origin, Publication, Way};
use super::rtcp;
use super::tcp::{Arrival, Arrivals};
use super::transport::Transport;
use super::transport::data as channels;
use super::transport::dtls::Identity;
use super::udp::{Batch, Far, Socket, Wait};
use super::up::Up;
use super::{Command, Direction, Event, FailReason, IceCredential, PublicationId, Remote, Send, TransportId};

/// How often timers are looked at while there is a transport. Shorter: NACKs and key-frame requests leave sooner, for more
/// wake-ups of an idle thread.
const TICK: Duration = Duration::from_millis(10);
/// Ticks between transport-wide feedbacks: 100 ms, as libwebrtc sends them. Lower: senders notice a full link sooner; higher:
/// less to seal and send, which rooms of few people spend a tenth of their time on.
const TWCC_TICKS: u64 = 10;
/// Ticks between looks at the timers of data channels, the shortest of which is 200 ms: 50 ms.
const DATA_TICKS: u64 = 5;
/// Ticks between sender and receiver reports: 1 s.
const REPORT_TICKS: u64 = 100;
/// Ticks between looks at which layers still come: 100 ms. Lower: a layer that its sender has left out is replaced sooner; higher:
/// less to do in rooms of many.
const LAYER_TICKS: u64 = 10;
/// Ticks between moments at which what has gone over each transport is told: 200 ms. Lower: rates over short times are more exact.
const COUNT_TICKS: u64 = 20;
/// How long a thread without transports sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_secs(1);
/// Rests of a thread while a train gathers. More: sound waits less; fewer: fewer wake-ups, which are most of what a packet for
/// few receivers costs.
const RESTS: u32 = 2;
/// Batches that are received before commands and timers are looked at again.
const BATCHES: usize = 16;
/// Packets over TCP that are taken before others are looked at again.
const ARRIVALS: usize = 256;
/// Commands that are carried out before packets are looked at again.
const COMMANDS: usize = 256;

/// What a shard goes by; from configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) handshake: Duration,
    pub(crate) consent: Duration,
    pub(crate) pli_interval: Duration,
    pub(crate) publication: Limits,
    /// Where it is to be known what down transports take.
    pub(crate) bandwidth: Option<bwe::Limits>,
    pub(crate) max_kbps: u32,
    pub(crate) data: channels::Limits,
}

/// The thread's ends of what the handle holds.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) commands: Receiver<Command>,
    /// Of connections over TCP.
    pub(crate) arrivals: Arrivals,
    pub(crate) waker: UnixStream,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) load: Load,
}

/// Why a shard runs no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to, or nobody can tell it anything any more.
    Stopped,
    /// The kernel does not let it wait for its socket.
    Broken,
}

#[derive(Debug)]
pub(crate) struct Shard {
    settings: Settings,
    identity: Arc<Identity>,
    transports: ById<TransportId, Transport>,
    by_ufrag: HashMap<String, TransportId>,
    by_address: HashMap<Far, TransportId>,
    ups: ById<TransportId, Up>,
    /// What each down transport sends, by SSRC.
    downs: ById<TransportId, HashMap<u32, PublicationId>>,
    publications: ById<PublicationId, Publication>,
    /// Publications in which packets gather, by when they are to be sent on.
    departures: VecDeque<(Instant, PublicationId, Layer)>,
    /// Transports with data channels.
    data_ends: ById<TransportId, DataEnd>,
    hubs: HashMap<HubId, data::Hub>,
    data_meters: data::DataMeters,
    /// Rooms in which only the loudest are heard.
    voices: voices::Rooms,
    /// While data channels are gone through.
    data_ids: Vec<TransportId>,
    /// While what paths take is divided.
    demands: Vec<Demand>,
    tracks: Vec<Track>,
    allocator: Allocator,
    /// Something has changed, and it is to be divided anew.
    divide: bool,
    /// Pictures that found no room when it was divided last.
    paused: usize,
    /// Transports whose paths are probed, and beside which publication.
    probing: Vec<(TransportId, PublicationId)>,
    /// What waits for room on the way to a transport, one after the other.
    lagging: Vec<(TransportId, PublicationId)>,
    /// A packet that was lost and came in another one, while it goes on its way.
    missing: Vec<u8>,
    /// RTCP while it is written.
    written: Vec<u8>,
    out: Out,
    meters: Meters,
    ticks: u64,
}

impl Shard {
    pub(crate) fn new(socket: Socket, settings: Settings, identity: Arc<Identity>) -> Self {
        Self {
            settings,
            identity,
            transports: ById::default(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            ups: ById::default(),
            downs: ById::default(),
            publications: ById::default(),
            departures: VecDeque::new(),
            data_ends: ById::default(),
            hubs: HashMap::new(),
            data_meters: data::DataMeters::new(),
            voices: voices::Rooms::default(),
            data_ids: Vec::new(),
            demands: Vec::new(),
            tracks: Vec::new(),
            allocator: Allocator::default(),
            divide: false,
            paused: 0,
            probing: Vec::new(),
            lagging: Vec::new(),
            missing: Vec::new(),
            written: Vec::new(),
            out: Out::new(socket),
            meters: Meters::new(),
            ticks: 0,
        }
    }

    /// Runs until it is told to stop, then closes every transport.
    pub(crate) fn run(mut self, mut control: Control) -> Ended {
        let mut batch = Batch::default();
        let mut next_tick = Instant::now() + TICK;
        // Commands and packets that may be left from the last round.
        let (mut more, mut full) = (false, false);
        let mut ended = Ended::Stopped;
        while !control.stop.load(Ordering::Acquire) {
            let wait = match (more || full, self.transports.is_empty()) {
                (true, _) => Wait::For(Duration::ZERO),
                (false, true) => Wait::For(IDLE),
                (false, false) => self.rest(next_tick),
            };
            let ready = match self.out.socket.wait(&control.waker, wait) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "the media thread cannot wait");
                    ended = Ended::Broken;
                    break;
                }
            };
            if ready.woken || more {
                more = self.commands(&mut control) | self.arrivals(&mut control.arrivals);
                control.load.set(self.transports.len());
            }
            full = ready.packets && self.packets(&mut batch);
            let now = Instant::now();
            self.depart(now);
            self.probe(now);
            self.pace(now);
            if now >= next_tick {
                self.tick(now);
                control.load.set(self.transports.len());
                next_tick = now + TICK;
            }
            self.out.flush();
        }
        let all: Vec<TransportId> = self.transports.keys().copied().collect();
        all.into_iter().for_each(|transport| self.close(transport, Instant::now()));
        self.out.flush();
        ended
    }

    /// While trains gather, the socket is looked at only so often: what comes meanwhile waits in the kernel, and one wake-up
    /// takes it all. What comes when nothing gathers is taken at once.
    fn rest(&self, next_tick: Instant) -> Wait {
        let now = Instant::now();
        let is_calm = self.probing.is_empty() && self.lagging.is_empty();
        let next_tick = if is_calm { next_tick } else { next_tick.min(now + bwe::STEP) };
        let Some((departure, ..)) = self.departures.front() else {
            return Wait::For(next_tick.saturating_duration_since(now));
        };
        let next = next_tick.min(*departure).saturating_duration_since(now);
        Wait::Rest(next.min(self.settings.publication.train / RESTS))
    }

    /// True when there may be more.
    fn commands(&mut self, control: &mut Control) -> bool {
        // Emptied first: what is sent after this wakes the thread again.
        while matches!(control.waker.read(&mut [0; 64]), Ok(1..)) {}
        for _ in 0..COMMANDS {
            match control.commands.try_recv() {
                Ok(command) => self.command(command, Instant::now()),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => {
                    control.stop.store(true, Ordering::Release);
                    return false;
                }
            }
        }
        true
    }

    /// What connections over TCP bring. True when there may be more.
    fn arrivals(&mut self, arrivals: &mut Arrivals) -> bool {
        arrivals.listen();
        let now = Instant::now();
        for _ in 0..ARRIVALS {
            match arrivals.take() {
                None => return false,
                Some(Arrival::Opened { stream, outlet }) => self.out.open_stream(stream, outlet),
                Some(Arrival::Packet { stream, from, mut packet }) => {
                    let route = Route { to: from, source: None, stream: Some(stream) };
                    self.datagram(route, &mut packet, now);
                }
                Some(Arrival::Ended { stream }) => {
                    self.out.close_stream(stream);
                    self.by_address.retain(|(_, of), _| *of != Some(stream));
                }
            }
        }
        true
    }

    /// True when there may be more.
    fn packets(&mut self, batch: &mut Batch) -> bool {
        for _ in 0..BATCHES {
            if let Err(error) = self.out.socket.receive(batch) {
                tracing::debug!(%error, "receive");
                return false;
            }
            let now = Instant::now();
            batch.for_each(|from, source, datagram| {
                self.datagram(Route { to: from, source, stream: None }, datagram, now)
            });
            self.depart(now);
            self.out.flush();
            if !batch.is_full() {
                return false;
            }
        }
        true
    }

    /// Sends on what has gathered long enough.
    fn depart(&mut self, now: Instant) {
        while let Some(&(at, id, layer)) = self.departures.front().filter(|(at, ..)| *at <= now) {
            self.departures.pop_front();
            // It may have left already, and others have gathered since.
            if let Some(publication) = self.publications.get_mut(&id).filter(|p| p.departs(layer) == Some(at)) {
                let Self { transports, out, meters, lagging, .. } = self;
                publication.depart(layer, &mut Way { transports, out, meters, lagging, now });
            }
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Open { transport: id, direction, local, events } => {
                let until = now + self.settings.handshake;
                self.by_ufrag.insert(local.ufrag.clone(), id);
                let transport = Transport::new(id, direction, local, events, self.identity.clone(), until, now);
                self.transports.insert(id, transport);
                match direction {
                    Direction::Up => drop(self.ups.insert(id, Up::new(now, self.settings.max_kbps))),
                    Direction::Down => drop(self.downs.insert(id, HashMap::new())),
                }
                self.meters.transports(direction).increment(1.0);
            }
            Command::SetRemote { transport, remote } => self.set_remote(transport, remote, now),
            Command::RestartIce { transport, local } => self.restart_ice(transport, local),
            Command::Subscribe { transport, send, wish } => self.subscribe(transport, send, wish, now),
            Command::Wish { transport, mid, wish } => {
                let limits = self.settings.publication;
                self.sent_to(transport, |publication| publication.wish(transport, &mid, wish, now, limits));
            }
            Command::Unsubscribe { transport, mid } => {
                let Some(sends) = self.downs.get_mut(&transport) else { return };
                sends.retain(|ssrc, publication| {
                    let publication = self.publications.get_mut(publication);
                    publication.is_some_and(|publication| !publication.unsubscribe(transport, &mid, *ssrc))
                });
                self.forget_idle();
            }
            Command::Forward { transport, mid, on } => {
                self.sent_to(transport, |publication| publication.forward(transport, &mid, on));
            }
            Command::Loudest { room, most, among } => self.voices.set(room, most, &among),
            Command::Tap { publication, tap } => self.publication(publication).tap(tap),
            Command::Untap { publication, tap } => {
                self.publication(publication).untap(tap);
                self.forget_idle();
            }
            Command::RequestKeyFrame { publication } => {
                if let Some(publication) = self.publications.get_mut(&publication) {
                    publication.want_tapped();
                }
            }
            Command::Close { transport } => self.close(transport, now),
            Command::Count { transport, traffic } => {
                if let Some(transport) = self.transports.get_mut(&transport) {
                    transport.traffic = Some(traffic);
                }
            }
            Command::OpenData { transport, end } => self.open_data(transport, end, now),
            Command::SendData { transport, kind, bytes } => self.send_data(transport, kind, &bytes, now),
        }
    }

    fn publication(&mut self, id: PublicationId) -> &mut Publication {
        self.publications.entry(id).or_insert_with(|| Publication::new(id))
    }

    /// Goes through what a down transport gets.
    fn sent_to(&mut self, transport: TransportId, mut each: impl FnMut(&mut Publication)) {
        for id in self.downs.get(&transport).into_iter().flat_map(HashMap::values) {
            if let Some(publication) = self.publications.get_mut(id) {
                each(publication);
            }
        }
    }

    fn forget_idle(&mut self) {
        self.publications.retain(|_, publication| !publication.is_idle());
    }

    fn set_remote(&mut self, id: TransportId, remote: Remote, now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        if let Some(up) = self.ups.get_mut(&id) {
            up.set_numbers(remote.numbers.clone());
            for gone in up.set_receive(remote.receive.clone()) {
                end_if_from(&mut self.publications, gone, id);
            }
        }
        let was_open = transport.is_open();
        let result = transport.set_remote(remote);
        transport.start(now);
        transport.flush_dtls(&mut self.out);
        self.settle(id, was_open, result, now);
    }

    fn restart_ice(&mut self, id: TransportId, local: IceCredential) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        self.by_ufrag.insert(local.ufrag.clone(), id);
        if let Some(forgotten) = transport.restart_ice(local) {
            self.by_ufrag.remove(&forgotten.ufrag);
        }
    }

    fn subscribe(&mut self, transport: TransportId, mut send: Send, wish: Wish, now: Instant) {
        let Some(sends) = self.downs.get_mut(&transport).filter(|sends| !sends.contains_key(&send.ssrc)) else {
            return;
        };
        match (self.settings.bandwidth, self.transports.get_mut(&transport)) {
            (Some(limits), Some(to)) if send.transport_cc => to.estimate_bandwidth(limits, now),
            (Some(_) | None, _) => send.transport_cc = false,
        }
        sends.insert(send.ssrc, send.publication);
        let limits = self.settings.publication;
        let publication = self.publication(send.publication);
        publication.subscribe(transport, send, wish, now, limits);
        // Also of one that is not open yet: it comes while the handshake goes on, and is begun with.
        publication.want_key_frame_for(transport);
    }

    /// After a step that may have opened the transport or ended it.
    fn settle(&mut self, id: TransportId, was_open: bool, result: Result<(), FailReason>, now: Instant) {
        if let Err(reason) = result {
            return self.fail(id, reason, now);
        }
        if was_open || !self.transports.get(&id).is_some_and(Transport::is_open) {
            return;
        }
        let limits = self.settings.publication;
        let mut left = limits.key_frame_reuse_bytes;
        let Self { transports, out, meters, lagging, .. } = self;
        for publication in self.downs.get(&id).into_iter().flat_map(HashMap::values) {
            if let Some(publication) = self.publications.get_mut(publication) {
                publication.begin(id, limits, &mut left, &mut Way { transports, out, meters, lagging, now });
            }
        }
        self.data(id, now);
    }

    fn tick(&mut self, now: Instant) {
        self.ticks += 1;
        let mut failed = Vec::new();
        for transport in self.transports.values_mut() {
            if let Err(reason) = transport.tick(now, self.settings.consent) {
                failed.push((transport.id, reason));
            }
            transport.flush_dtls(&mut self.out);
        }
        failed.into_iter().for_each(|(id, reason)| self.fail(id, reason, now));
        if self.ticks.is_multiple_of(DATA_TICKS) {
            self.tick_data(now);
        }
        self.feed_back(now);
        let estimates = self.settings.publication.estimates;
        if estimates && (std::mem::take(&mut self.divide) || self.ticks.is_multiple_of(LAYER_TICKS)) {
            self.allocate(now);
        }
        if self.ticks.is_multiple_of(LAYER_TICKS) {
            let limits = self.settings.publication;
            self.publications.values_mut().filter(|p| p.has_layers()).for_each(|p| p.choose(now, limits));
        }
        self.ask_for_key_frames(now);
        if self.ticks.is_multiple_of(COUNT_TICKS) {
            self.tell_counts();
        }
        if self.ticks.is_multiple_of(REPORT_TICKS) {
            if estimates {
                let all = self.transports.values_mut().filter_map(Transport::tell_estimate);
                all.for_each(|kbps| self.meters.estimate(kbps));
            }
            for publication in self.publications.values() {
                publication.report(&mut self.transports, &mut self.out, now);
            }
        }
    }

    fn tell_counts(&mut self) {
        for (id, transport) in &mut self.transports {
            if let Some(up) = self.ups.get(id) {
                transport.counts.lost = up.lost();
            }
            if let Some(traffic) = &transport.traffic {
                traffic.tell(transport.counts);
            }
        }
    }

    /// What senders are told: what is missing, when packets came, how many.
    fn feed_back(&mut self, now: Instant) {
        let (mut written, mut broken) = (std::mem::take(&mut self.written), Vec::new());
        for (id, up) in &mut self.ups {
            let Some((media, route)) = self.transports.get_mut(id).and_then(Transport::media) else { continue };
            if self.ticks.is_multiple_of(REPORT_TICKS) {
                up.write_report(now, &mut written);
            }
            if self.ticks.is_multiple_of(TWCC_TICKS) {
                up.write_twcc(&mut written);
            }
            up.write_nacks(now, &mut written, &mut broken);
            for compound in rtcp::compounds(&written) {
                // What cannot be sealed is not sent; there is more in 10 ms.
                let _ = self.out.push_with(route, |buffer, start| {
                    buffer.extend_from_slice(compound);
                    media.outbound.seal_rtcp(buffer, start)
                });
            }
            written.clear();
        }
        self.written = written;
        for (publication, layer) in broken {
            if let Some(publication) = self.publications.get_mut(&publication) {
                publication.want_key_frame_of(layer);
            }
        }
    }

    fn ask_for_key_frames(&mut self, now: Instant) {
        let interval = self.settings.pli_interval;
        for origin in self.publications.values_mut().flat_map(|p| p.key_frames_due(now, interval)) {
            let Origin { transport, ssrc } = origin;
            let Some((media, route)) = self.transports.get_mut(&transport).and_then(Transport::media) else { continue };
            // It is asked for again until it comes.
            let _ = self.out.push_with(route, |buffer, start| {
                rtcp::write_pli(buffer, ssrc);
                media.outbound.seal_rtcp(buffer, start)
            });
        }
    }

    fn fail(&mut self, id: TransportId, reason: FailReason, now: Instant) {
        if let Some(transport) = self.transports.get(&id) {
            transport.tell(Event::Failed { transport: id, direction: transport.direction, reason });
        }
        self.close(id, now);
    }

    fn close(&mut self, id: TransportId, now: Instant) {
        let Some(mut transport) = self.transports.remove(&id) else { return };
        self.close_data(id);
        transport.close(now, &mut self.out);
        self.meters.transports(transport.direction).decrement(1.0);
        for known in transport.credentials() {
            self.by_ufrag.remove(&known.ufrag);
        }
        let Self { by_address, out, .. } = self;
        by_address.retain(|(_, stream), owner| {
            if *owner == id {
                stream.iter().for_each(|stream| out.close_stream(*stream));
            }
            *owner != id
        });
        if let Some(up) = self.ups.remove(&id) {
            up.publications().for_each(|publication| end_if_from(&mut self.publications, publication, id));
        }
        self.sent_to(id, |publication| publication.drop_transport(id));
        self.downs.remove(&id);
        self.forget_idle();
    }
}

/// The publication is over, unless another transport brings it by now.
fn end_if_from(publications: &mut ById<PublicationId, Publication>, id: PublicationId, transport: TransportId) {
    if let Some(publication) = publications.get_mut(&id)
        && publication.is_from(transport)
    {
        publication.end();
    }
}
