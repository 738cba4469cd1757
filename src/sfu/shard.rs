//! One media thread: receive, route, forward, flush; and the timers.

mod data;
mod packets;

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::by_id::ById;
use super::data::{DataEnd, HubId};
use super::meters::Meters;
use super::out::{Out, Route};
use super::place::Load;
use super::publication::{Limits, Origin, Publication, Way};
use super::rtcp;
use super::transport::Transport;
use super::transport::data as channels;
use super::transport::dtls::Identity;
use super::udp::{Batch, Socket, Wait};
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
/// How long a thread without transports sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_secs(1);
/// Rests of a thread while a train gathers. More: sound waits less; fewer: fewer wake-ups, which are most of what a packet for
/// few receivers costs.
const RESTS: u32 = 2;
/// Batches that are received before commands and timers are looked at again.
const BATCHES: usize = 16;
/// Commands that are carried out before packets are looked at again.
const COMMANDS: usize = 256;

/// What a shard goes by; from configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) handshake: Duration,
    pub(crate) consent: Duration,
    pub(crate) pli_interval: Duration,
    pub(crate) publication: Limits,
    pub(crate) max_kbps: u32,
    pub(crate) data: channels::Limits,
}

/// The thread's ends of what the handle holds.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) commands: Receiver<Command>,
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
    by_address: HashMap<SocketAddr, TransportId>,
    ups: ById<TransportId, Up>,
    /// What each down transport sends, by SSRC.
    downs: ById<TransportId, HashMap<u32, PublicationId>>,
    publications: ById<PublicationId, Publication>,
    /// Publications in which packets gather, by when they are to be sent on.
    departures: VecDeque<(Instant, PublicationId)>,
    /// Transports with data channels.
    data_ends: ById<TransportId, DataEnd>,
    hubs: HashMap<HubId, data::Hub>,
    data_meters: data::DataMeters,
    /// While data channels are gone through.
    data_ids: Vec<TransportId>,
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
            data_ids: Vec::new(),
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
                more = self.commands(&mut control);
                control.load.set(self.transports.len());
            }
            full = ready.packets && self.packets(&mut batch);
            let now = Instant::now();
            self.depart(now);
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
        let Some((departure, _)) = self.departures.front() else {
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

    /// True when there may be more.
    fn packets(&mut self, batch: &mut Batch) -> bool {
        for _ in 0..BATCHES {
            if let Err(error) = self.out.socket.receive(batch) {
                tracing::debug!(%error, "receive");
                return false;
            }
            let now = Instant::now();
            batch.for_each(|from, source, datagram| self.datagram(Route { to: from, source }, datagram, now));
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
        while let Some(&(at, id)) = self.departures.front().filter(|(at, _)| *at <= now) {
            self.departures.pop_front();
            // It may have left already, and others have gathered since.
            if let Some(publication) = self.publications.get_mut(&id).filter(|p| p.departs() == Some(at)) {
                let (transports, out, meters) = (&mut self.transports, &mut self.out, &self.meters);
                publication.depart(&mut Way { transports, out, meters });
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
            Command::Subscribe { transport, send } => self.subscribe(transport, send),
            Command::Unsubscribe { transport, mid } => {
                let Some(sends) = self.downs.get_mut(&transport) else { return };
                for publication in self.publications.values_mut() {
                    if let Some(ssrc) = publication.unsubscribe(transport, &mid) {
                        sends.remove(&ssrc);
                    }
                }
                self.forget_idle();
            }
            Command::Forward { transport, mid, on } => {
                self.publications.values_mut().for_each(|publication| publication.forward(transport, &mid, on));
            }
            Command::Tap { publication, tap } => self.publication(publication).tap(tap),
            Command::Untap { publication, tap } => {
                self.publication(publication).untap(tap);
                self.forget_idle();
            }
            Command::RequestKeyFrame { publication } => {
                if let Some(publication) = self.publications.get_mut(&publication) {
                    publication.want_key_frame();
                }
            }
            Command::Close { transport } => self.close(transport, now),
            Command::OpenData { transport, end } => self.open_data(transport, end, now),
            Command::SendData { transport, kind, bytes } => self.send_data(transport, kind, &bytes, now),
        }
    }

    fn publication(&mut self, id: PublicationId) -> &mut Publication {
        self.publications.entry(id).or_insert_with(|| Publication::new(id))
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

    fn subscribe(&mut self, transport: TransportId, send: Send) {
        let Some(sends) = self.downs.get_mut(&transport) else { return };
        let open = self.transports.get(&transport).is_some_and(Transport::is_open);
        let Send { mid, ssrc, publication } = send;
        if sends.insert(ssrc, publication).is_none() {
            let publication = self.publication(publication);
            publication.subscribe(transport, mid, ssrc);
            // Before, a key frame would come too early and delay the next one.
            if open {
                publication.want_key_frame();
            }
        }
    }

    /// After a step that may have opened the transport or ended it.
    fn settle(&mut self, id: TransportId, was_open: bool, result: Result<(), FailReason>, now: Instant) {
        if let Err(reason) = result {
            return self.fail(id, reason, now);
        }
        if was_open || !self.transports.get(&id).is_some_and(Transport::is_open) {
            return;
        }
        for publication in self.downs.get(&id).into_iter().flat_map(HashMap::values) {
            if let Some(publication) = self.publications.get_mut(publication) {
                publication.want_key_frame();
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
        self.ask_for_key_frames(now);
        if self.ticks.is_multiple_of(REPORT_TICKS) {
            for publication in self.publications.values() {
                publication.report(&mut self.transports, &mut self.out, now);
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
        for publication in broken {
            if let Some(publication) = self.publications.get_mut(&publication) {
                publication.want_key_frame();
            }
        }
    }

    fn ask_for_key_frames(&mut self, now: Instant) {
        for publication in self.publications.values_mut() {
            let Some(Origin { transport, ssrc }) = publication.key_frame_due(now, self.settings.pli_interval) else {
                continue;
            };
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
        self.by_address.retain(|_, owner| *owner != id);
        if let Some(up) = self.ups.remove(&id) {
            up.publications().for_each(|publication| end_if_from(&mut self.publications, publication, id));
        }
        if self.downs.remove(&id).is_some() {
            self.publications.values_mut().for_each(|publication| publication.drop_transport(id));
        }
        self.forget_idle();
    }
}

/// The publication is over, unless another transport brings it by now.
fn end_if_from(publications: &mut ById<PublicationId, Publication>, id: PublicationId, transport: TransportId) {
    if let Some(publication) = publications.get_mut(&id)
        && publication.source().is_some_and(|origin| origin.transport == transport)
    {
        publication.end();
    }
}
