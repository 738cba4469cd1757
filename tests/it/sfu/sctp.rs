//! The SCTP end of a client, on the crates of the webrtc-rs family alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc_datachannel::message::Message as Dcep;
use rtc_datachannel::message::message_channel_ack::DataChannelAck;
use rtc_datachannel::message::message_channel_open::{CHANNEL_PRIORITY_NORMAL, ChannelType, DataChannelOpen};
use rtc_sctp::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Protocol, ReliabilityType, ServerConfig, StreamEvent,
};
use rtc_shared::TransportProtocol;
use rtc_shared::marshal::{Marshal, Unmarshal};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

pub(crate) struct Sctp {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    pub(crate) is_up: bool,
    /// (stream, protocol, message)
    pub(crate) heard: Vec<(u16, Protocol, Bytes)>,
    /// Labels of channels that the server has opened, by stream.
    pub(crate) opened: Vec<(u16, String)>,
}

impl Sctp {
    pub(crate) fn new() -> Self {
        let server = Some(Arc::new(ServerConfig::default()));
        let config = Arc::new(EndpointConfig::new());
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, config, server);
        Self { endpoint, association: None, is_up: false, heard: Vec::new(), opened: Vec::new() }
    }

    pub(crate) fn read(&mut self, packet: Bytes) {
        match self.endpoint.handle(Instant::now(), PEER, None, packet) {
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                self.association.as_mut().unwrap().1.handle_event(event);
            }
            Some((handle, DatagramEvent::NewAssociation(new))) => self.association = Some((handle, new)),
            Some(_) | None => {}
        }
        self.settle();
    }

    fn settle(&mut self) {
        let Some((_, association)) = &mut self.association else { return };
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => self.is_up = true,
                Event::Stream(StreamEvent::Readable { id }) => {
                    while let Some(chunks) = association.stream(id).unwrap().read_sctp().unwrap() {
                        let bytes = chunks.to_payload(1 << 20).unwrap().freeze();
                        if chunks.ppi != Protocol::Dcep {
                            self.heard.push((id, chunks.ppi, bytes));
                        } else if let Dcep::DataChannelOpen(open) = Dcep::unmarshal(&mut bytes.clone()).unwrap() {
                            self.opened.push((id, String::from_utf8(open.label).unwrap()));
                            let ack = Dcep::DataChannelAck(DataChannelAck).marshal().unwrap().freeze();
                            let mut stream = association.stream(id).unwrap();
                            stream.write_chunk_with_ppi(Instant::now(), &ack, Protocol::Dcep).unwrap();
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Opens a reliable channel in-band.
    pub(crate) fn open(&mut self, stream: u16, label: &str) {
        let open = Dcep::DataChannelOpen(DataChannelOpen {
            channel_type: ChannelType::Reliable,
            priority: CHANNEL_PRIORITY_NORMAL,
            reliability_parameter: 0,
            label: label.into(),
            protocol: Vec::new(),
        });
        self.send(stream, Protocol::Dcep, &open.marshal().unwrap());
    }

    /// The channel that native clients have without opening one.
    pub(crate) fn agree(&mut self) {
        let (_, association) = self.association.as_mut().unwrap();
        let _ = association.open_stream(0, Protocol::Binary);
        association.stream(0).unwrap().set_reliability_params(true, ReliabilityType::Rexmit, 0).unwrap();
    }

    pub(crate) fn send(&mut self, stream: u16, protocol: Protocol, bytes: &[u8]) {
        let (_, association) = self.association.as_mut().unwrap();
        let _ = association.open_stream(stream, Protocol::Binary);
        association.stream(stream).unwrap().write_with_ppi(Instant::now(), bytes, protocol).unwrap();
    }

    pub(crate) fn transmit(&mut self) -> Vec<Bytes> {
        let Some((_, association)) = &mut self.association else { return Vec::new() };
        let now = Instant::now();
        if association.poll_timeout().is_some_and(|at| at <= now) {
            association.handle_timeout(now);
        }
        let mut packets = Vec::new();
        while let Some(transmit) = association.poll_transmit(now) {
            match transmit.message {
                Payload::RawEncode(raw) => packets.extend(raw),
                _ => break,
            }
        }
        packets
    }
}
