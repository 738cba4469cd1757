//! The far end of one transport, made of the webrtc-rs family's crates: ICE, DTLS, SRTP on a socket of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::BytesMut;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::ATTR_USERNAME;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use socket2::{Domain, Protocol, Type};

use super::host::UFRAG;
use super::scenario::Opened;
use crate::arrival::{self, Rtcp};

/// How long one transport may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for a datagram before timers are looked at.
const STEP: Duration = Duration::from_millis(10);
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// What all peers share.
pub(crate) struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    config: Arc<HandshakeConfig>,
    /// SHA-256, in hexadecimal.
    pub(crate) fingerprint: String,
}

impl Identity {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::default());
        let certificate = Certificate::generate_self_signed(vec!["load".into()], provider.crypto())?;
        let der = certificate.certificate.first().context("a certificate")?.as_ref().to_vec();
        let hash = provider.crypto().hash(HashAlgorithm::Sha256, &der)?;
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_flight_interval(Duration::from_millis(50))
            .build(false, None)
            .map(Arc::new)?;
        Ok(Self { provider, config, fingerprint: hash.iter().map(|byte| format!("{byte:02x}")).collect() })
    }
}

pub(crate) struct Peer {
    pub(crate) socket: UdpSocket,
    check: Vec<u8>,
    pub(crate) seal: Context,
    pub(crate) open: Context,
}

impl Peer {
    /// ICE and DTLS to the end.
    pub(crate) fn connect(identity: &Identity, opened: &Opened) -> anyhow::Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let socket = UdpSocket::from(socket);
        socket.connect(opened.address)?;
        arrival::note(&socket)?;
        socket.set_read_timeout(Some(STEP))?;
        let check = check(identity, opened)?;
        let mut endpoint = Endpoint::new(socket.local_addr()?, TransportProtocol::UDP, Some(identity.config.clone()));
        let begun = Instant::now();
        let mut buffer = [0; 2_048];
        let mut checked = None;
        loop {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "a transport did not come up");
            if checked.is_none_or(|at: Instant| at.elapsed() > Duration::from_millis(50)) {
                socket.send(&check)?;
                checked = Some(Instant::now());
            }
            let mut events = Vec::new();
            match socket.recv(&mut buffer) {
                Ok(length) if matches!(buffer[0], 20..=63) => {
                    let datagram = BytesMut::from(&buffer[..length]);
                    events = endpoint.read(Instant::now(), PEER, None, datagram).unwrap_or_default();
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            // Fails only while there is no association.
            let _ = endpoint.handle_timeout(PEER, Instant::now());
            while let Some(transmit) = endpoint.poll_transmit() {
                socket.send(&transmit.message)?;
            }
            if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
                let (seal, open) = keys(identity, &endpoint)?;
                return Ok(Self { socket, check, seal, open });
            }
        }
    }

    /// The next datagram: its length and when it came.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> anyhow::Result<Option<(usize, Duration)>> {
        Ok(arrival::receive(&self.socket, buffer)?.map(|(length, _, at)| (length, at)))
    }

    /// A consent check.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.socket.send(&self.check).map(drop)
    }

    /// Has the kernel throw away all media that comes from now on.
    pub(crate) fn turn_cold(&self) -> io::Result<()> {
        arrival::drop_media(&self.socket, Rtcp::Goes)
    }
}

/// A Binding request. The server answers the same one as often as it comes.
fn check(identity: &Identity, opened: &Opened) -> anyhow::Result<Vec<u8>> {
    let mut request = Message::new();
    let username = TextAttribute::new(ATTR_USERNAME, format!("{}:{UFRAG}", opened.ufrag));
    let crypto = identity.provider.crypto();
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(opened.pwd.clone(), crypto);
    let id = TransactionId(std::array::from_fn(|_| fastrand::u8(..)));
    let setters: Vec<Box<dyn Setter + '_>> =
        vec![Box::new(BINDING_REQUEST), Box::new(id), Box::new(username), Box::new(integrity), Box::new(FINGERPRINT)];
    request.build(&setters)?;
    Ok(request.raw)
}

fn keys(identity: &Identity, endpoint: &Endpoint) -> anyhow::Result<(Context, Context)> {
    let state = endpoint.get_connection_state(PEER).context("the association is there")?;
    let profile = ProtectionProfile::AeadAes128Gcm;
    let mut config = Config { profile, ..Config::default() };
    let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], config.keying_material_len());
    config.set_session_keys_from_keying_material(material?.as_ref(), state.is_client())?;
    let (keys, crypto) = (config.keys, identity.provider.crypto());
    Ok((
        Context::new(&keys.local_master_key, &keys.local_master_salt, profile, None, None, crypto)?,
        Context::new(&keys.remote_master_key, &keys.remote_master_salt, profile, None, None, crypto)?,
    ))
}
