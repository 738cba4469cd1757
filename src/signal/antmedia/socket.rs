//! The life of one connection: frames are read as fast as they may come, and what rooms say is passed on as it comes.
//!
//! A mistake is answered and the socket stays open; one that floods is read more slowly.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{self, BoxStream, SelectAll, SplitSink};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tracing::{debug, info};

use super::client::{Action, Client, Entrance, Terms};
use super::command::{self, Command, Unread};
use super::doubt::{Doubt, Proof};
use super::outbox::{Outbox, Queue, outbox};
use super::place::PlaceId;
use super::say;
use super::streams::{Streams, room_of_label};
use crate::access::{Access, Admitted, Grants, Pass, Refused, Stream, is_once};
use crate::config::{Config, TurnTransport};
use crate::host::{Joining, Manner, Rooms, Seat};
use crate::room::ids::RoomName;
use crate::room::{LegKind, LegPlan, VideoCodec};
use crate::signal::limit::Bucket;
use crate::signal::message::{ClientMessage, IceServer};
use crate::signal::outbox::{Inbox, outbox as room_outbox};
use crate::signal::outgoing::Outgoing;
use crate::websocket::{CloseFrame, Message, WebSocket, code_of};

/// What a frame that cannot be used, a command that makes others negotiate and a question about a room cost of the rate limit,
/// against 1 of others.
const COST: u32 = 10;
/// Tokens for one time that one socket has used, and may again: its SDK shows the same one with each new attempt. Higher: sockets
/// that play many streams come back to all of them.
const REDEEMED: usize = 32;
/// How long the client may take to read what was said last.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What a place says; None at its end.
type Told = BoxStream<'static, (PlaceId, Option<Outgoing>)>;

/// Runs a socket until it ends. Of messages longer than `antmedia.max_message_bytes` the beginning has to come, and some more.
pub async fn run(
    socket: WebSocket,
    rooms: Rooms,
    streams: Streams,
    access: &Access,
    config: &Config,
    (app, most_peers): (String, usize),
) {
    let (to_client, mut from_client) = socket.split();
    let (outbox, queue) = outbox(config.signal.outbox_messages);
    let write_time = Duration::from_millis(config.signal.timeout_ms.into());
    let mut writer = tokio::spawn(write(to_client, queue, write_time));
    let doubt = Doubt::default();
    let mut proof = Proof::within(Duration::from_millis(config.antmedia.takeover_ms.into()));
    let terms = Terms {
        app,
        most_peers,
        closed: !access.is_open(),
        name_chars: config.limits.name_chars,
        publish_time: Duration::from_millis(config.room.switch_deadline_ms.into()),
        doubt: doubt.clone(),
    };
    let mut shell = Shell {
        client: Client::new(terms, streams),
        rooms,
        access,
        config,
        outbox,
        // The relay counts by connection: who is behind it is not known before it joins, if ever.
        relay_user: format!("antmedia/{:016x}", fastrand::u64(..)),
        renew_ice: None,
        redeemed: VecDeque::new(),
        shown: None,
        seats: HashMap::new(),
        told: SelectAll::new(),
    };

    let silence = Duration::from_millis(config.signal.timeout_ms.into());
    let mut heartbeat = tokio::time::interval(Duration::from_millis(config.signal.heartbeat_ms.into()));
    let mut heard = Instant::now();
    let mut bucket = Bucket::new(config.signal.messages_per_second, config.signal.message_burst, heard);
    let mut owed = 0;
    loop {
        let now = Instant::now();
        if bucket.take(owed, now) {
            owed = 0;
        }
        let wake = shell.client.poll_timeout().unwrap_or(now + silence);
        let renew = shell.renew_ice.unwrap_or(now + silence);
        let doubted = proof.due().unwrap_or(now + silence);
        let mut out = Vec::new();
        tokio::select! {
            frame = from_client.next(), if owed == 0 => {
                heard = Instant::now();
                proof.given();
                let read = match frame {
                    Some(Ok(Message::Text(text))) => read(text.as_bytes(), config.antmedia.max_message_bytes),
                    Some(Ok(Message::Binary(bytes))) => read(&bytes, config.antmedia.max_message_bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                        owed = 1;
                        continue;
                    }
                    Some(Err(error)) => {
                        if let Some(code) = code_of(&error) {
                            shell.outbox.push(Message::Close(Some(CloseFrame { code, reason: "".into() })));
                        }
                        break;
                    }
                    Some(Ok(Message::Close(_))) | None => break,
                };
                owed = cost(&read).min(config.signal.message_burst);
                metrics::counter!("crescendo_signal_messages_total").increment(1);
                if let Some(entrance) = read.as_ref().ok().and_then(|command| shell.client.entrance(command)) {
                    access.learn(Some(entrance.token)).await;
                }
                match read {
                    Ok(Command::Publish(publish)) if shell.is_of_a_room(&publish.stream_id) => {
                        shell.client.is_taken(&publish.stream_id, &mut out);
                    }
                    read => match shell.admit(&read) {
                        Ok(shown) => {
                            shell.client.hear(read, heard, &mut out);
                            shell.shown = shown;
                        }
                        Err((id, refused)) => shell.client.unauthorized(id, refused, &mut out),
                    },
                }
            }
            // Enough tokens come in this time for what is owed.
            () = tokio::time::sleep(Duration::from_millis(10)), if owed > 0 => {}
            Some((place, told)) = shell.told.next() => match told {
                Some(told) => shell.client.told(place, &told, Instant::now(), &mut out),
                None => {
                    shell.client.gone(place, &mut out);
                    shell.leave(place).await;
                }
            },
            () = tokio::time::sleep_until(wake.into()) => shell.client.handle_timeout(Instant::now(), &mut out),
            () = tokio::time::sleep_until(renew.into()), if shell.renew_ice.is_some() => out.push(Action::TellIceServer),
            () = doubt.raised() => {
                if proof.ask(now) && !shell.outbox.push(Message::Ping(Default::default())) {
                    break;
                }
            }
            // Of a socket that is read more slowly nothing is known.
            () = tokio::time::sleep_until(doubted.into()), if proof.due().is_some() && owed == 0 => {
                debug!("a socket that holds what somebody else asks for says nothing");
                break;
            }
            _ = heartbeat.tick() => {
                if heard.elapsed() > silence {
                    debug!("nothing was heard from the socket");
                    break;
                }
                if !shell.outbox.push(Message::Ping(Default::default())) {
                    break;
                }
            }
            _ = &mut writer => break,
        }
        if !shell.carry_out(out).await {
            debug!("the socket does not keep up and is closed");
            break;
        }
    }
    // There is nothing to come back for: the SDK joins anew.
    let places: Vec<PlaceId> = shell.seats.keys().copied().collect();
    for place in places {
        shell.leave(place).await;
    }
    drop(shell);
    if !writer.is_finished() && timeout(CLOSE_TIME, &mut writer).await.is_err() {
        writer.abort();
    }
}

async fn write(mut socket: SplitSink<WebSocket, Message>, mut queue: Queue, write_time: Duration) {
    while let Some(message) = queue.next().await {
        if !matches!(timeout(write_time, socket.send(message)).await, Ok(Ok(()))) {
            break;
        }
    }
    let _ = timeout(CLOSE_TIME, socket.send(Message::Close(None))).await;
}

fn read(frame: &[u8], limit: usize) -> Result<Command, Unread> {
    if frame.len() > limit {
        let stream_id = command::named(&frame[..limit]);
        return Err(Unread::Malformed { stream_id, why: format!("a message has at most {limit} bytes") });
    }
    command::read(frame)
}

fn cost(read: &Result<Command, Unread>) -> u32 {
    match read {
        Ok(Command::Join { .. } | Command::Publish(_) | Command::Play(_) | Command::Stop { .. }) | Err(_) => COST,
        Ok(
            Command::GetBroadcastObject { .. }
            | Command::GetSubtracks { .. }
            | Command::GetSubtracksCount { .. }
            | Command::GetTrackList { .. }
            | Command::GetRoomInfo { .. }
            | Command::GetStreamInfo { .. }
            | Command::GetSubscriberCount { .. },
        ) => COST,
        Ok(_) => 1,
    }
}

struct Shell<'a> {
    client: Client,
    rooms: Rooms,
    access: &'a Access,
    config: &'a Config,
    outbox: Outbox,
    relay_user: String,
    /// When the client needs new credentials for the relay; None until it has asked for some.
    renew_ice: Option<Instant>,
    /// The last tokens for one time that were used here, and what they are good for.
    redeemed: VecDeque<(String, Pass)>,
    /// A token for one time that came with the command that is carried out; it is used up when that takes its sender somewhere.
    shown: Option<(String, Admitted)>,
    seats: HashMap<PlaceId, Seat>,
    told: SelectAll<Told>,
}

impl Shell<'_> {
    /// Somebody of a room that is there has this id, or may have it yet.
    fn is_of_a_room(&self, id: &str) -> bool {
        room_of_label(id).is_some_and(|room| self.rooms.is_there(&room))
    }

    /// Whether the token that came with a command grants what it asks for; if not, the stream it is about and why. One for one
    /// time comes back with what it is good for.
    fn admit<'a>(&self, read: &'a Result<Command, Unread>) -> Result<Option<(String, Admitted)>, (&'a str, Refused)> {
        let Some(entrance) = read.as_ref().ok().and_then(|command| self.client.entrance(command)) else {
            return Ok(None);
        };
        let Entrance { id, stream, room, token, wanted } = entrance;
        let (stream, now) = (Stream { id: &stream, room: &room }, SystemTime::now());
        let again = self.redeemed.iter().find(|(known, pass)| known == token && pass.expires > now);
        let admitted = match again {
            Some((_, pass)) => pass.permits(stream, &wanted).map(|()| None),
            None => self
                .access
                .admit_to(Some(token), stream, &wanted, now)
                .map(|admitted| is_once(token).then(|| (token.to_owned(), admitted))),
        };
        admitted.map_err(|refused| {
            refused.count("antmedia");
            (id, refused)
        })
    }

    /// The command has taken its sender into a room, or further into one.
    fn redeem(&mut self) {
        let Some((token, admitted)) = self.shown.take() else { return };
        if self.redeemed.len() == REDEEMED {
            self.redeemed.pop_front();
        }
        self.redeemed.push_back((token, admitted.keep()));
    }

    /// STUN and TURN servers. Credentials of the relay are for those who have been let in somewhere.
    fn ice_servers(&self) -> Vec<IceServer> {
        let mut servers = self.rooms.ice_servers(&self.relay_user);
        if !self.access.is_open() && self.seats.is_empty() {
            servers.retain(|server| server.credential.is_none());
        }
        servers
    }

    /// False when the client does not read what it is told.
    async fn carry_out(&mut self, actions: Vec<Action>) -> bool {
        let mut left: VecDeque<Action> = actions.into();
        while let Some(action) = left.pop_front() {
            let mut more = Vec::new();
            match action {
                Action::Say(value) => {
                    if !self.outbox.push(Message::text(value.to_string())) {
                        return false;
                    }
                }
                Action::TellIceServer => {
                    let servers = self.ice_servers();
                    self.renew_ice = self.rooms.renew_ice_every().map(|every| Instant::now() + every);
                    if let Some(server) = one_server(servers, self.config.antmedia.turn_transport) {
                        more.push(Action::Say(say::ice_server(&server)));
                    }
                }
                Action::Enter { place, room, name, tracks, entry } => {
                    let (outbox, inbox) = room_outbox(&self.config.signal);
                    // What every browser decodes that these SDKs run in.
                    let decodes = vec![VideoCodec::H264, VideoCodec::Vp8];
                    // Each command was checked when it came, with a token of its own.
                    let (manner, grants) = (Manner::Plain(entry), Grants::everything());
                    let join = self.rooms.tracer().root("join", vec![("room", room.to_string())]);
                    match self
                        .rooms
                        .join(&room, Joining { name, tracks, decodes, encrypted: false, outbox, manner, grants, join })
                        .await
                    {
                        Ok(seat) => {
                            self.redeem();
                            self.client.entered(place, seat.participant);
                            self.seats.insert(place, seat);
                            if !self.access.is_open() && self.seats.len() == 1 && self.renew_ice.is_some() {
                                more.push(Action::TellIceServer);
                            }
                            self.told.push(hearing(place, inbox));
                        }
                        Err(refusal) => {
                            self.shown = None;
                            self.client.refused(place, &refusal, &mut more);
                        }
                    }
                }
                Action::Send { place, message } => {
                    if let Some(seat) = self.seats.get(&place) {
                        seat.send(message).await;
                    }
                }
                Action::Offer { place, generation, sdp } => {
                    if let Some(seat) = self.seats.get(&place) {
                        seat.offer(generation, sdp).await;
                    }
                }
                Action::Reach { place, reach } => {
                    self.redeem();
                    if let Some(seat) = self.seats.get(&place) {
                        seat.reach(reach).await;
                    }
                }
                Action::Forward { place, track, on } => {
                    if let Some(seat) = self.seats.get(&place) {
                        seat.forward(track, on).await;
                    }
                }
                Action::Data { place, payload } => {
                    if let Some(seat) = self.seats.get(&place) {
                        seat.data(payload).await;
                    }
                }
                Action::PutOut { room, participant } => {
                    info!(room = %room.short(), %participant, "a publisher has come back on another socket");
                    // None: it has left by itself.
                    let _ = self.rooms.expel(&room, participant).await;
                }
                Action::Leave { place } => self.leave(place).await,
                Action::Broadcast { room } if self.config.antmedia.hls => broadcast(&self.rooms, &room).await,
                Action::Broadcast { .. } => {}
                Action::Look { room, question } => {
                    let view = self.rooms.inspect(&room).await;
                    self.client.seen(question, view.as_ref(), &mut more);
                }
                // The client has taken these in already.
                Action::Ended(_) => {}
            }
            more.into_iter().rev().for_each(|action| left.push_front(action));
        }
        self.shown = None;
        true
    }

    async fn leave(&mut self, place: PlaceId) {
        if let Some(seat) = self.seats.remove(&place) {
            seat.send(ClientMessage::Leave {}).await;
        }
    }
}

/// Makes an HLS broadcast of a room, as Ant Media's server does for every stream.
async fn broadcast(rooms: &Rooms, room: &RoomName) {
    if let Some(Err(refusal)) = rooms.start_leg(room, LegPlan::new(LegKind::Hls, None)).await {
        info!(room = %room.short(), reason = %refusal, "no broadcast");
    }
}

/// What a room says to a place, and in the end that it says no more.
fn hearing(place: PlaceId, inbox: Inbox) -> Told {
    let said = stream::unfold(Some(inbox), move |inbox| async move {
        let mut inbox = inbox?;
        let next = inbox.next().await;
        let rest = next.is_some().then_some(inbox);
        Some(((place, next), rest))
    });
    said.boxed()
}

/// The SDK takes one address: that of a relay, with which it can do all that STUN does, or else any of STUN.
pub(super) fn one_server(servers: Vec<IceServer>, transport: TurnTransport) -> Option<IceServer> {
    let by = match transport {
        TurnTransport::Udp => "?transport=udp",
        TurnTransport::Tcp => "?transport=tcp",
    };
    let of = |scheme: &str, by: &str| {
        servers.iter().find_map(|server| {
            let url = server.urls.iter().find(|url| url.starts_with(scheme) && url.ends_with(by))?;
            Some(IceServer { urls: vec![url.clone()], ..server.clone() })
        })
    };
    of("turn:", by).or_else(|| of("stun:", ""))
}
