//! One WebSocket: the first message joins or resumes, then messages go to the room and the room's go to the client.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::time::timeout;
use tracing::debug;

use super::limit::Bucket;
use super::message::{ClientMessage, ErrorCode, ServerMessage, VERSION};
use super::outbox::{Inbox, Outbox, WeakOutbox, outbox};
use super::outgoing::{Outgoing, Written};
use crate::access::{Access, Grant};
use crate::config::Config;
use crate::host::{Joining, Manner, Refusal, Resuming, Rooms, Seat};
use crate::room::ids::RoomName;
use crate::room::names::display_name;
use crate::trace::Span;
use crate::websocket::{CloseCode, CloseFrame, Message, WebSocket, code_of};

/// What a message that cannot be used costs of the rate limit, against 1 of a good one: mistakes are answered, floods of
/// them end soon. Higher ends them sooner, and is less forgiving to a client that is under development.
const BAD_MESSAGE_COST: u32 = 10;
/// Messages above the limit are read up to this many times its size, so that they can be answered with the number that they carry;
/// of larger ones no more than that is read, and the answer has no number.
pub const OVERSIZE_FACTOR: usize = 4;
/// How long a closing socket may take to read what was written to it, and to close its own side.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Runs a socket until it ends. The caller abridges messages to [`OVERSIZE_FACTOR`] × `signal.max_message_bytes`.
pub async fn run(socket: WebSocket, rooms: Rooms, access: &Access, config: &Config) {
    let (to_client, from_client) = socket.split();
    let (outbox, queue) = outbox(&config.signal);
    let write_time = Duration::from_millis(config.signal.timeout_ms.into());
    let broken = Arc::new(OnceLock::new());
    let mut writer = tokio::spawn(write(to_client, queue, write_time, broken.clone()));
    // From here on the room holds the way to the client: when it lets go, the writer ends, and so does the socket.
    let answers = Answers(outbox.downgrade());
    let mut reader = Reader::new(from_client, config, answers.clone(), broken);
    let span = rooms.tracer().root("join", Vec::new());
    let joined = reader.join(&rooms, access, &outbox, &span).await;
    if let Err(Some(refusal)) = &joined {
        span.failed(&refusal.message);
    }
    drop(span);
    match joined {
        Ok(seat) => {
            drop(outbox);
            tokio::select! {
                farewell = reader.converse(&seat) => answers.farewell(farewell),
                _ = &mut writer => {}
            }
            seat.lost().await;
        }
        Err(farewell) => {
            answers.farewell(farewell);
            drop(outbox);
        }
    }
    if writer.is_finished() {
        return;
    }
    // What the client still sends is read and forgotten: closed with unread data, TCP would take back what was said last.
    let over = async { tokio::join!(&mut writer, reader.drain()) };
    if timeout(CLOSE_TIME, over).await.is_err() {
        writer.abort();
    }
}

/// Writes until the last sender is gone, a fatal error was written, or the client does not read. `broken`: what to close with when the
/// client is the reason.
async fn write(
    mut socket: SplitSink<WebSocket, Message>,
    mut queue: Inbox,
    write_time: Duration,
    broken: Arc<OnceLock<CloseCode>>,
) {
    let mut code = CloseCode::Normal;
    while let Some(outgoing) = queue.next().await {
        let messages = match outgoing {
            Outgoing::Message(message) => vec![message],
            Outgoing::Missed(messages) => messages,
            // The native client sees its transports itself, and does not offer.
            Outgoing::Notice(_) | Outgoing::Answer { .. } | Outgoing::Data(_) => Vec::new(),
        };
        if let ControlFlow::Break(last) = write_all(&mut socket, &messages, write_time).await {
            code = last;
            break;
        }
    }
    let close = CloseFrame { code: broken.get().copied().unwrap_or(code), reason: "".into() };
    let _ = timeout(CLOSE_TIME, socket.send(Message::Close(Some(close)))).await;
}

/// Breaks, with the code to close with, when no other is to follow.
async fn write_all(
    socket: &mut SplitSink<WebSocket, Message>,
    messages: &[Written],
    write_time: Duration,
) -> ControlFlow<CloseCode> {
    for message in messages {
        let sent = timeout(write_time, socket.send(Message::Text(message.text()))).await;
        if let Some(error) = message.fatal() {
            return ControlFlow::Break(code_after(error));
        }
        if !matches!(sent, Ok(Ok(()))) {
            return ControlFlow::Break(CloseCode::Normal);
        }
    }
    ControlFlow::Continue(())
}

/// What a socket is closed with after a fatal error (RFC 6455 section 7.4.1, and the registry it begins), for whoever sees no
/// more than that: proxies and their logs.
fn code_after(error: ErrorCode) -> CloseCode {
    match error {
        ErrorCode::ShuttingDown => CloseCode::Restart,
        ErrorCode::RoomFull | ErrorCode::ServerFull | ErrorCode::TooManyPublishers => CloseCode::Again,
        ErrorCode::Internal => CloseCode::Error,
        ErrorCode::BadMessage
        | ErrorCode::TooLarge
        | ErrorCode::TooFast
        | ErrorCode::BadVersion
        | ErrorCode::BadRoomName
        | ErrorCode::NotJoined
        | ErrorCode::AlreadyJoined
        | ErrorCode::TokenRefused
        | ErrorCode::NotGranted
        | ErrorCode::ResumeRefused
        | ErrorCode::MessagesMissed
        | ErrorCode::SourceTaken
        | ErrorCode::TooManyTracks
        | ErrorCode::UnknownTrack
        | ErrorCode::UnknownParticipant
        | ErrorCode::UnknownLeg
        | ErrorCode::BadSdp
        | ErrorCode::TooManyLegs
        | ErrorCode::LegUnsupported
        | ErrorCode::EncryptionDiffers
        | ErrorCode::RoomEncrypted
        | ErrorCode::SfuUnreachable
        | ErrorCode::Replaced
        | ErrorCode::Removed
        | ErrorCode::Timeout => CloseCode::Policy,
    }
}

/// What the socket itself says, as long as somebody else holds the way to the client. One that does not read is not told.
#[derive(Clone)]
struct Answers(WeakOutbox);

impl Answers {
    fn say(&self, message: ServerMessage) {
        if let Some(outbox) = self.0.upgrade() {
            let _ = outbox.push(message.into());
        }
    }

    /// What cannot be used is answered, and counted.
    fn refuse(&self, refusal: Refusal, fatal: bool, request: Option<u32>) {
        let code = serde_json::to_value(refusal.code).ok();
        let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or_default().to_owned();
        metrics::counter!("crescendo_signal_refused_total", "code" => code).increment(1);
        self.say(refusal.into_message(fatal, request));
    }

    fn farewell(&self, farewell: Farewell) {
        if let Some(refusal) = farewell {
            debug!(code = ?refusal.code, "socket closed");
            self.refuse(refusal, true, None);
        }
    }
}

/// Why reading came to an end: the client went, or it is told why it has to go.
type Farewell = Option<Refusal>;

struct Reader<'a> {
    socket: SplitStream<WebSocket>,
    config: &'a Config,
    bucket: Bucket,
    answers: Answers,
    /// What the socket is to be closed with, once it has broken the rules of WebSockets.
    broken: Arc<OnceLock<CloseCode>>,
}

impl<'a> Reader<'a> {
    fn new(
        socket: SplitStream<WebSocket>,
        config: &'a Config,
        answers: Answers,
        broken: Arc<OnceLock<CloseCode>>,
    ) -> Self {
        let signal = &config.signal;
        let bucket = Bucket::new(signal.messages_per_second, signal.message_burst, Instant::now());
        Self { socket, config, bucket, answers, broken }
    }

    /// Waits for `join` and takes the place it asks for.
    async fn join(&mut self, rooms: &Rooms, access: &Access, outbox: &Outbox, span: &Span) -> Result<Seat, Farewell> {
        let opening = span.part("socket", Vec::new());
        let time = Duration::from_millis(self.config.signal.join_timeout_ms.into());
        let late = || Some(Refusal::new(ErrorCode::Timeout, format!("no `join` within {} ms", time.as_millis())));
        let first = timeout(time, self.next()).await.map_err(|_| late())??;
        let ClientMessage::Join { version, room, name, token, resume, tracks, decodes, encrypted } = first else {
            return Err(Some(Refusal::new(ErrorCode::NotJoined, "the first message has to be `join`")));
        };
        if version != VERSION {
            let text = format!("this server speaks version {VERSION} of the protocol, not {version}");
            return Err(Some(Refusal::new(ErrorCode::BadVersion, text)));
        }
        let room: RoomName =
            room.parse().map_err(|bad| Some(Refusal::new(ErrorCode::BadRoomName, format!("{bad}"))))?;
        drop(opening);
        let outbox = outbox.clone();
        let seat = match resume {
            Some(resume) => {
                let resuming = Resuming {
                    participant: resume.participant.0,
                    secret: resume.secret,
                    received: resume.received,
                    outbox,
                };
                rooms.resume(&room, resuming).await
            }
            None => {
                let checking = span.part("token", Vec::new());
                access.learn(token.as_deref()).await;
                let admitted = access.admit(token.as_deref(), &room, &[Grant::Join], SystemTime::now());
                let admitted = admitted.map_err(|refused| {
                    refused.count("signal");
                    checking.failed(refused.reason());
                    Some(Refusal::of_access(refused))
                })?;
                drop(checking);
                let tracks = tracks.into_iter().map(|track| (track.source.into(), track.muted)).collect();
                let decodes = decodes.into_iter().map(Into::into).collect();
                // Who has been named by a back end goes by no other name.
                let name = admitted.pass.identity.clone().unwrap_or(name);
                let name = display_name(&name, self.config.limits.name_chars);
                let (manner, grants) = (Manner::Native, admitted.pass.grants.clone());
                let _joining = span.part("room", vec![("room", room.to_string())]);
                let join = span.clone();
                let joining = Joining { name, tracks, decodes, encrypted, outbox, manner, grants, join };
                rooms.join(&room, joining).await.inspect(|_| drop(admitted.keep()))
            }
        };
        seat.map_err(Some)
    }

    /// Hands messages to the room until the socket ends.
    async fn converse(&mut self, seat: &Seat) -> Farewell {
        let silence = Duration::from_millis(self.config.signal.timeout_ms.into());
        loop {
            let message = match timeout(silence, self.next()).await {
                Ok(Ok(message)) => message,
                Ok(Err(farewell)) => return farewell,
                Err(_) => {
                    let text = format!("nothing was heard for {} ms", silence.as_millis());
                    return Some(Refusal::new(ErrorCode::Timeout, text));
                }
            };
            match message {
                ClientMessage::Ping { at } => self.answers.say(ServerMessage::Pong { at }),
                ClientMessage::Join { .. } => {
                    let twice = Refusal::new(ErrorCode::AlreadyJoined, "this socket has joined already");
                    self.answers.refuse(twice, false, None);
                }
                message => {
                    let leaves = matches!(message, ClientMessage::Leave {});
                    if !seat.send(message).await || leaves {
                        return None;
                    }
                }
            }
        }
    }

    /// The next message that can be used. What cannot is answered here.
    async fn next(&mut self) -> Result<ClientMessage, Farewell> {
        loop {
            let frame = match self.socket.next().await {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    debug!(%error, "socket broke");
                    if let Some(code) = code_of(&error) {
                        let _ = self.broken.set(code);
                    }
                    return Err(None);
                }
                None => return Err(None),
            };
            let parsed = match frame {
                Message::Text(text) => self.parse(text.as_bytes()),
                Message::Binary(bytes) => self.parse(&bytes),
                // The library answers pings.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                    self.pay(1)?;
                    continue;
                }
                Message::Close(_) => return Err(None),
            };
            match parsed {
                Ok(message) => {
                    self.pay(cost(&message))?;
                    metrics::counter!("crescendo_signal_messages_total").increment(1);
                    return Ok(message);
                }
                Err((refusal, request)) => {
                    self.pay(BAD_MESSAGE_COST)?;
                    self.answers.refuse(refusal, false, request);
                }
            }
        }
    }

    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// What cannot be used comes with its number, if it has one that can be read.
    fn parse(&self, bytes: &[u8]) -> Result<ClientMessage, (Refusal, Option<u32>)> {
        let limit = self.config.signal.max_message_bytes;
        let parsed = match bytes.len() > limit {
            true => Err(Refusal::new(ErrorCode::TooLarge, format!("a message has at most {limit} bytes"))),
            false => {
                serde_json::from_slice(bytes).map_err(|error| Refusal::new(ErrorCode::BadMessage, error.to_string()))
            }
        };
        parsed.map_err(|refusal| (refusal, request(bytes)))
    }

    fn pay(&mut self, cost: u32) -> Result<(), Farewell> {
        if self.bucket.take(cost, Instant::now()) {
            return Ok(());
        }
        let rate = self.config.signal.messages_per_second;
        Err(Some(Refusal::new(ErrorCode::TooFast, format!("more than {rate} messages a second"))))
    }
}

/// The number of what is no message, or none that is known.
fn request(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Numbered {
        request: u32,
    }
    serde_json::from_slice(bytes).ok().map(|Numbered { request }| request)
}

/// What makes clients negotiate anew costs more than what does not.
fn cost(message: &ClientMessage) -> u32 {
    match message {
        ClientMessage::Publish { .. }
        | ClientMessage::Unpublish { .. }
        | ClientMessage::StartLeg { .. }
        | ClientMessage::StopLeg { .. }
        | ClientMessage::RestartIce { .. } => 10,
        ClientMessage::Join { .. }
        | ClientMessage::Leave {}
        | ClientMessage::Mute { .. }
        | ClientMessage::LinkDescription { .. }
        | ClientMessage::LinkCandidate { .. }
        | ClientMessage::LinkState { .. }
        | ClientMessage::LinkTraffic { .. }
        | ClientMessage::Answer { .. }
        | ClientMessage::TransportFailed { .. }
        | ClientMessage::Shown { .. }
        | ClientMessage::View { .. }
        | ClientMessage::Message { .. }
        | ClientMessage::Keys { .. }
        | ClientMessage::Ping { .. } => 1,
    }
}
