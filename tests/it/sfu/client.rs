//! A WebRTC client made of the webrtc-rs family's crates: one socket, one transport, no code of the server's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use crescendo::sfu::sdp::Local;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile as Profile;
use rtc_rtcp::packet::Packet as RtcpPacket;
use rtc_rtp::packet::Packet as RtpPacket;
use rtc_shared::TransportProtocol;
use rtc_shared::marshal::{Marshal, Unmarshal};
use rtc_srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use tokio::net::UdpSocket;

use super::sctp::Sctp;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(8);
/// Stands for the server in the DTLS endpoint.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// Payload types of retransmissions.
const RTX: [&str; 5] = ["103", "105", "97", "99", "46"];

/// Who sends the ClientHello, and what SRTP is agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtls {
    Passive,
    Active(Profile),
}

pub(crate) struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    local: Local,
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    dtls: Dtls,
    config: Arc<HandshakeConfig>,
    endpoint: Endpoint,
    keys: Option<(Context, Context)>,
    /// Consent checks are sent while true.
    pub(crate) checks: bool,
    pub(crate) nominate: bool,
    /// Retransmissions come and go on streams of their own.
    pub(crate) rtx: bool,
    last_check: Option<Instant>,
    pub(crate) checked: u32,
    pub(crate) rtp: Vec<RtpPacket>,
    /// When the packets of `rtp` came.
    pub(crate) came: Vec<Instant>,
    /// The sealed packets of `rtp`.
    pub(crate) datagrams: Vec<Vec<u8>>,
    pub(crate) rtcp: Vec<Box<dyn RtcpPacket>>,
    pub(crate) closed: bool,
    pub(crate) sctp: Sctp,
}

impl Client {
    pub(crate) async fn new(local: &Local, dtls: Dtls) -> Self {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::default());
        let certificate = Certificate::generate_self_signed(vec!["client".into()], provider.crypto()).unwrap();
        let profiles = match dtls {
            Dtls::Passive => vec![Profile::Srtp_Aes128_Cm_Hmac_Sha1_80, Profile::Srtp_Aead_Aes_128_Gcm],
            Dtls::Active(profile) => vec![profile],
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate.clone()])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_flight_interval(Duration::from_millis(50))
            .build(dtls != Dtls::Passive, None)
            .map(Arc::new)
            .unwrap();
        let server_config = (dtls == Dtls::Passive).then(|| config.clone());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self {
            server: local.candidates[0],
            local: local.clone(),
            endpoint: Endpoint::new(socket.local_addr().unwrap(), TransportProtocol::UDP, server_config),
            socket,
            provider,
            certificate,
            dtls,
            config,
            keys: None,
            checks: true,
            nominate: false,
            rtx: false,
            last_check: None,
            checked: 0,
            rtp: Vec::new(),
            came: Vec::new(),
            datagrams: Vec::new(),
            rtcp: Vec::new(),
            closed: false,
            sctp: Sctp::new(),
        }
    }

    /// An answer that takes everything.
    pub(crate) fn answer(&self, offer: &str) -> String {
        let fingerprint = self.fingerprint();
        let setup = if self.dtls == Dtls::Passive { "passive" } else { "active" };
        let kept = |line: &&str| !line.starts_with("a=candidate") && (self.rtx || !line.starts_with("a=ssrc-group"));
        let lines = offer.lines().filter(kept).map(|line| match line {
            _ if line.starts_with("m=video") && !self.rtx => {
                let words = line.split(' ').filter(|word| !RTX.contains(word));
                words.collect::<Vec<_>>().join(" ")
            }
            "a=recvonly" => "a=sendonly".to_owned(),
            "a=sendonly" => "a=recvonly".to_owned(),
            _ if line.starts_with("a=setup") => format!("a=setup:{setup}"),
            _ if line.starts_with("a=ice-ufrag") => "a=ice-ufrag:clnt".to_owned(),
            _ if line.starts_with("a=ice-pwd") => "a=ice-pwd:clientclientclientclient".to_owned(),
            _ if line.starts_with("a=fingerprint") => format!("a=fingerprint:sha-256 {fingerprint}"),
            _ => line.to_owned(),
        });
        lines.map(|line| line + "\r\n").collect()
    }

    /// As in `a=fingerprint:sha-256`.
    pub(crate) fn fingerprint(&self) -> String {
        let der = self.certificate.certificate[0].as_ref();
        let hash = self.provider.crypto().hash(HashAlgorithm::Sha256, der).unwrap();
        hash.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// The server is here from now on, with these credentials.
    pub(crate) fn meet(&mut self, local: &Local) {
        self.server = local.candidates[0];
        self.local = local.clone();
    }

    /// What is for the server goes there from now on.
    pub(crate) fn go_by(&mut self, way: SocketAddr) {
        self.server = way;
    }

    /// Works until `done`; panics with `what` when that takes too long.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
            self.step().await;
        }
    }

    /// Works for a while.
    pub(crate) async fn run_for(&mut self, time: Duration) {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()) {
            // A step may be left: it has read nothing then.
            let _ = tokio::time::timeout(left, self.step()).await;
        }
    }

    pub(crate) async fn connect(&mut self) {
        self.until("media is open", |client| client.keys.is_some()).await;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.keys.is_some()
    }

    pub(crate) async fn send(&mut self, packet: &RtpPacket) {
        let (seal, _) = self.keys.as_mut().expect("the client is connected");
        let sealed = seal.encrypt_rtp(&packet.marshal().unwrap()).unwrap();
        self.send_raw(&sealed).await;
    }

    pub(crate) async fn send_rtcp(&mut self, packet: &dyn RtcpPacket) {
        let (seal, _) = self.keys.as_mut().expect("the client is connected");
        let sealed = seal.encrypt_rtcp(&packet.marshal().unwrap()).unwrap();
        self.send_raw(&sealed).await;
    }

    /// Sends bytes as a packet of SCTP.
    pub(crate) async fn seal_and_send(&mut self, packet: &[u8]) {
        self.endpoint.write(Instant::now(), PEER, packet).unwrap();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.send_raw(&transmit.message).await;
        }
    }

    pub(crate) async fn send_raw(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.server).await.unwrap();
    }

    /// A check as of a client with this password.
    pub(crate) async fn check(&self, pwd: &str) {
        let mut request = Message::new();
        let username = TextAttribute::new(ATTR_USERNAME, format!("{}:clnt", self.local.ice.ufrag));
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(pwd.into(), self.provider.crypto());
        let id = TransactionId(std::array::from_fn(|_| fastrand::u8(..)));
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![Box::new(BINDING_REQUEST), Box::new(id), Box::new(username)];
        if self.nominate {
            setters.push(Box::new(RawAttribute { typ: ATTR_USE_CANDIDATE, length: 0, value: Vec::new() }));
        }
        setters.extend([Box::new(integrity) as Box<dyn Setter + '_>, Box::new(FINGERPRINT)]);
        request.build(&setters).unwrap();
        self.send_raw(&request.raw).await;
    }

    async fn step(&mut self) {
        if self.checks && self.last_check.is_none_or(|at| at.elapsed() > Duration::from_millis(50)) {
            self.last_check = Some(Instant::now());
            self.check(&self.local.ice.pwd.clone()).await;
        }
        let mut buffer = [0; 2048];
        let received = tokio::time::timeout(Duration::from_millis(10), self.socket.recv_from(&mut buffer)).await;
        if let Ok(Ok((length, _))) = received {
            self.datagram(&buffer[..length]);
        }
        if self.checked > 0 && matches!(self.dtls, Dtls::Active(_)) && self.keys.is_none() {
            self.endpoint.connect(Instant::now(), PEER, self.config.clone(), None).unwrap();
        }
        // Fails only while there is no association.
        let _ = self.endpoint.handle_timeout(PEER, Instant::now());
        for packet in self.sctp.transmit() {
            self.endpoint.write(Instant::now(), PEER, &packet).unwrap();
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.send_raw(&transmit.message).await;
        }
    }

    fn datagram(&mut self, datagram: &[u8]) {
        match datagram[0] {
            0..=3 => {
                let mut response = Message::new();
                response.raw = datagram.to_vec();
                response.decode().unwrap();
                assert_eq!(response.typ, BINDING_SUCCESS);
                MessageIntegrity::check(&mut response, self.local.ice.pwd.as_bytes(), self.provider.crypto()).unwrap();
                self.checked += 1;
            }
            20..=63 => self.dtls(datagram),
            _ => {
                let Some((_, open)) = &mut self.keys else { panic!("media before DTLS") };
                if (192..=223).contains(&datagram[1]) {
                    let plain = open.decrypt_rtcp(datagram).unwrap();
                    self.rtcp.extend(rtc_rtcp::packet::unmarshal(&mut &plain[..]).unwrap());
                } else {
                    let plain = open.decrypt_rtp(datagram).unwrap();
                    self.datagrams.push(datagram.to_vec());
                    self.rtp.push(RtpPacket::unmarshal(&mut &plain[..]).unwrap());
                    self.came.push(Instant::now());
                }
            }
        }
    }

    fn dtls(&mut self, datagram: &[u8]) {
        for event in self.endpoint.read(Instant::now(), PEER, None, BytesMut::from(datagram)).unwrap_or_default() {
            match event {
                EndpointEvent::HandshakeComplete => self.keys = Some(self.exported()),
                EndpointEvent::PeerClosed => self.closed = true,
                EndpointEvent::ApplicationData(packet) => self.sctp.read(packet.freeze()),
                _ => {}
            }
        }
    }

    fn exported(&self) -> (Context, Context) {
        let state = self.endpoint.get_connection_state(PEER).unwrap();
        let profile = match state.srtp_protection_profile() {
            Profile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let mut config = SrtpConfig { profile, ..SrtpConfig::default() };
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], config.keying_material_len());
        config.set_session_keys_from_keying_material(material.unwrap().as_ref(), state.is_client()).unwrap();
        let keys = config.keys;
        let context =
            |key: &[u8], salt: &[u8]| Context::new(key, salt, profile, None, None, self.provider.crypto()).unwrap();
        (
            context(&keys.local_master_key, &keys.local_master_salt),
            context(&keys.remote_master_key, &keys.remote_master_salt),
        )
    }

    /// True when AES-GCM was agreed on.
    pub(crate) fn has_gcm(&self) -> bool {
        let state = self.endpoint.get_connection_state(PEER);
        state.is_some_and(|state| state.srtp_protection_profile() == Profile::Srtp_Aead_Aes_128_Gcm)
    }
}
