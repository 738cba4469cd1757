//! A far end made of str0m, which shares nothing with the server: full ICE, DTLS, SRTP and RTCP on a socket of its own, with VP8
//! alone. Whoever watches a server by its public doors is one of these.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::crypto::dtls::DtlsCert;
use str0m::crypto::{CryptoProvider, from_feature_flags};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

use crate::arrival::{self, Rtcp};
use crate::stamp::{self, Part};

pub(crate) mod crowd;
pub(crate) mod stage;

/// Largest datagram that is taken.
const DATAGRAM: usize = 2_048;
/// Datagrams that one far end may have read in a row, before others have their turn.
const READS: usize = 64;

/// What all of them share.
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    certificate: DtlsCert,
    ip: IpAddr,
}

impl Identity {
    /// Sockets are bound to `ip`, which must be this machine's own.
    pub(crate) fn new(ip: IpAddr) -> anyhow::Result<Self> {
        let provider = Arc::new(from_feature_flags());
        let certificate = provider.dtls_provider.generate_certificate().context("a certificate can be made")?;
        Ok(Self { provider, certificate, ip })
    }
}

/// How far a far end has come, since it asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Joined {
    /// ICE and DTLS are up.
    pub(crate) connected: Option<Duration>,
    /// The first packet of media is there.
    pub(crate) first: Option<Duration>,
}

pub(crate) struct Far {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    asked: Instant,
    pub(crate) joined: Joined,
    mid: Option<Mid>,
    key_wanted: bool,
    /// Of the packets that came.
    pub(crate) tag_bytes: Option<usize>,
    /// When the stack wants to be called if nothing comes.
    pub(crate) due: Instant,
    buffer: Box<[u8; DATAGRAM]>,
}

impl Far {
    pub(crate) fn new(identity: &Identity) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((identity.ip, 0)).context("the address is this machine's")?;
        socket.set_nonblocking(true)?;
        arrival::note(&socket)?;
        let address = socket.local_addr()?;
        let now = Instant::now();
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(identity.provider.clone())
            .set_dtls_cert(identity.certificate.clone())
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_vp8(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let (joined, buffer) = (Joined::default(), Box::new([0; DATAGRAM]));
        Ok(Self {
            rtc,
            socket,
            address,
            asked: now,
            joined,
            mid: None,
            key_wanted: true,
            tag_bytes: None,
            due: now,
            buffer,
        })
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// An offer to send video, or to receive it.
    pub(crate) fn offer(&mut self, direction: Direction) -> anyhow::Result<(String, SdpPendingOffer)> {
        let mut changes = self.rtc.sdp_api();
        let track = Some("load".to_owned());
        self.mid = Some(changes.add_media(MediaKind::Video, direction, track.clone(), track, None));
        let (offer, pending) = changes.apply().context("there is something to offer")?;
        Ok((offer.to_sdp_string(), pending))
    }

    pub(crate) fn accept(&mut self, pending: SdpPendingOffer, answer: &str) -> anyhow::Result<()> {
        self.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(answer)?)?;
        Ok(())
    }

    pub(crate) fn answer(&mut self, offer: &str) -> anyhow::Result<String> {
        Ok(self.rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(offer)?)?.to_sdp_string())
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// True once for each time that the other side has asked for a key frame, and at the start.
    pub(crate) fn takes_key_wish(&mut self) -> bool {
        std::mem::take(&mut self.key_wanted)
    }

    /// Asks whoever sends for a key frame.
    pub(crate) fn ask_for_key_frame(&mut self) -> anyhow::Result<()> {
        let mid = self.mid.context("it receives something")?;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        self.turn(Instant::now(), |_, _| {})
    }

    /// Sends one frame; its packets leave back to back. Sizes are a byte apart, as browsers make them.
    pub(crate) fn send(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let mid = self.mid.context("it sends something")?;
        let media = self.rtc.media(mid).context("the offer was answered")?;
        let payload_type = *media.remote_pts().first().context("a codec was agreed on")?;
        for n in 0..frame.packets {
            let mut payload = vec![0; frame.payload - usize::from(n < frame.packets / 2)];
            let part = match (n, frame.key) {
                (0, true) => Part::Key,
                (0, false) => Part::Delta,
                _ => Part::Rest,
            };
            let (number, now) = (frame.number + n as u64, Instant::now());
            stamp::write(&mut payload, part, frame.stream, number);
            let packet = RtpWrite::new(payload_type, number.into(), frame.timestamp, now, payload);
            let packet = packet.marker(n + 1 == frame.packets).nackable(true);
            let mut api = self.rtc.direct_api();
            api.stream_tx_by_mid(mid, None).context("what is sent was agreed on")?.write_rtp(packet);
            self.turn(now, |_, _| {})?;
        }
        Ok(())
    }

    /// Reads what there is, calls the stack and sends what it wants sent. `each` gets every media packet and when it came.
    /// True when there may be more to read.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&RtpPacket, Duration)) -> anyhow::Result<bool> {
        for _ in 0..READS {
            let Some((length, source, arrived)) = arrival::receive(&self.socket, &mut self.buffer[..])? else {
                return Ok(false);
            };
            let (now, mut tag) = (Instant::now(), None);
            let Ok(contents) = self.buffer[..length].try_into() else { continue };
            let receive = Receive { proto: Protocol::Udp, source, destination: self.address, contents };
            self.rtc.handle_input(Input::Receive(now, receive))?;
            self.drain(now, arrived, &mut |packet, at| {
                tag = Some(length.saturating_sub(packet.header.header_len + packet.payload.len()));
                each(packet, at);
            })?;
            self.tag_bytes = self.tag_bytes.into_iter().chain(tag).min();
        }
        Ok(true)
    }

    /// Lets time go by.
    pub(crate) fn turn(&mut self, now: Instant, mut each: impl FnMut(&RtpPacket, Duration)) -> anyhow::Result<()> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now, stamp::now(), &mut each)
    }

    fn drain(&mut self, now: Instant, at: Duration, each: &mut impl FnMut(&RtpPacket, Duration)) -> anyhow::Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                // What the kernel has no room for is lost, as any datagram may be.
                Output::Transmit(transmit) => drop(self.socket.send_to(&transmit.contents, transmit.destination)),
                Output::Event(Event::Connected) => self.joined.connected = Some(now - self.asked),
                Output::Event(Event::MediaAdded(added)) => self.mid = Some(added.mid),
                Output::Event(Event::KeyframeRequest(_)) => self.key_wanted = true,
                Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => {
                    self.rtc.disconnect();
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    self.joined.first.get_or_insert(now - self.asked);
                    each(&packet, at);
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Has the kernel drop media, and nothing else, from now on. It counts what it drops ([`crowd::dropped`]).
    pub(crate) fn turn_cold(&self) -> io::Result<()> {
        arrival::drop_media(&self.socket, Rtcp::Comes)
    }
}

/// What is sent at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) stream: u32,
    /// Of its first packet, in the stream and as its sequence number.
    pub(crate) number: u64,
    pub(crate) packets: usize,
    /// Bytes of a packet.
    pub(crate) payload: usize,
    pub(crate) timestamp: u32,
    pub(crate) key: bool,
}
