//! DTLS-SRTP (RFC 5764) of one transport: the handshake, what it proved, and the keys.
//!
//! The server prefers to be the client: it then speaks first, as soon as it knows the address and the fingerprint, and no
//! HelloVerifyRequest costs a round trip. AES-GCM: browsers list AES-CM first, as client and as server, so GCM is had by offering
//! nothing else. As DTLS server, the ClientHello is read first and a far end without GCM is served AES-CM. As DTLS client there
//! is no second try: a far end without GCM fails the handshake (every browser with WebRTC has GCM).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use rtc_srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::hello::{Hello, Offer};
use super::srtp::Keys;

/// Each transport has an endpoint of its own with one association, whose far address may move; this stands for it.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 9);

/// What all handshakes of the process share: one certificate.
pub(crate) struct Identity {
    pub(crate) provider: Arc<dyn RTCCryptoProvider>,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: [u8; 32],
    client: Arc<HandshakeConfig>,
    server_gcm: Arc<HandshakeConfig>,
    server_cm: Arc<HandshakeConfig>,
}

impl Identity {
    /// Makes a certificate. `retransmit` is the time before a flight is sent again; it doubles each time.
    pub(crate) fn new(retransmit: Duration) -> Result<Self, Error> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::default());
        let certificate = Certificate::generate_self_signed(vec!["crescendo".to_owned()], provider.crypto())?;
        let fingerprint = sha256(certificate.certificate.first().map(AsRef::as_ref).unwrap_or_default());
        let config = |is_client, profile| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(vec![profile])
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // Certificates are self-signed; the fingerprint of the description is what is checked (RFC 8122).
                .with_insecure_skip_verify(true)
                .with_server_name("crescendo".to_owned())
                .with_flight_interval(retransmit)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .build(is_client, None)
                .map(Arc::new)
        };
        Ok(Self {
            client: config(true, SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)?,
            server_gcm: config(false, SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)?,
            server_cm: config(false, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80)?,
            fingerprint,
            provider,
        })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// What a finished handshake has shown.
#[derive(Debug)]
pub(crate) struct Established {
    /// SHA-256 of the far end's certificate; to be compared with the description before any media.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) local: Keys,
    pub(crate) remote: Keys,
}

/// What a datagram has led to.
#[derive(Debug)]
pub(crate) enum Progress {
    Going,
    Established(Box<Established>),
    /// The far end said goodbye.
    Closed,
}

pub(crate) struct Dtls {
    identity: Arc<Identity>,
    endpoint: Endpoint,
    role: Role,
    /// Application data that has come and was not asked for yet.
    inbox: Vec<Bytes>,
}

enum Role {
    /// Neither side has spoken.
    Unknown,
    /// A ClientHello is coming in.
    Hearing(Hello),
    Client,
    Server,
}

impl Dtls {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        Self { identity, endpoint, role: Role::Unknown, inbox: Vec::new() }
    }

    /// Sends the ClientHello, if nobody has yet.
    pub(crate) fn connect(&mut self, now: Instant) -> Result<(), Error> {
        match self.role {
            Role::Unknown => {
                self.role = Role::Client;
                self.endpoint.connect(now, PEER, self.identity.client.clone(), None)
            }
            Role::Hearing(_) | Role::Client | Role::Server => Ok(()),
        }
    }

    pub(crate) fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Progress, Error> {
        if let Role::Unknown = self.role {
            self.role = Role::Hearing(Hello::default());
        }
        if let Role::Hearing(hello) = &mut self.role {
            let config = match hello.hear(datagram) {
                Offer::Incomplete => return Ok(Progress::Going),
                Offer::Gcm => self.identity.server_gcm.clone(),
                Offer::NoGcm => self.identity.server_cm.clone(),
            };
            self.endpoint.set_server_config(Some(config));
            let heard = std::mem::take(hello).into_datagrams();
            self.role = Role::Server;
            for datagram in heard {
                self.endpoint.read(now, PEER, None, BytesMut::from(&datagram[..]))?;
            }
            return Ok(Progress::Going);
        }
        let mut progress = Progress::Going;
        for event in self.endpoint.read(now, PEER, None, BytesMut::from(datagram))? {
            match event {
                EndpointEvent::HandshakeComplete => progress = Progress::Established(Box::new(self.established()?)),
                EndpointEvent::ApplicationData(data) => self.inbox.push(data.freeze()),
                EndpointEvent::PeerClosed => return Ok(Progress::Closed),
                _ => {} // there is no other
            }
        }
        Ok(progress)
    }

    /// What has come as application data: packets of SCTP.
    pub(crate) fn take_inbox(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.inbox)
    }

    /// Seals application data; it is then in [`Self::poll_transmit`].
    pub(crate) fn write(&mut self, now: Instant, data: &[u8]) -> Result<(), Error> {
        self.endpoint.write(now, PEER, data)
    }

    /// This end sends the ClientHello.
    pub(crate) fn is_client(&self) -> bool {
        matches!(self.role, Role::Client)
    }

    fn established(&self) -> Result<Established, Error> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(Error::ErrNoCertificates)?;
        let certificate = state.peer_certificates.first().ok_or(Error::ErrNoCertificates)?;
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80, // the only other one that is configured
        };
        let mut config = SrtpConfig { profile, ..SrtpConfig::default() };
        let length = config.keying_material_len();
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
            .map_err(|error| Error::Other(error.to_string()))?;
        config.set_session_keys_from_keying_material(material.as_ref(), state.is_client())?;
        let keys = config.keys;
        Ok(Established {
            fingerprint: sha256(certificate),
            local: Keys { profile, key: keys.local_master_key, salt: keys.local_master_salt },
            remote: Keys { profile, key: keys.remote_master_key, salt: keys.remote_master_salt },
        })
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message)
    }

    /// Sends the last flight again if it is time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        match self.endpoint.poll_timeout(&PEER) {
            Some(at) if at <= now => self.endpoint.handle_timeout(PEER, now),
            Some(_) | None => Ok(()),
        }
    }

    /// Says goodbye; what is to be sent is in [`Self::poll_transmit`].
    pub(crate) fn close(&mut self, now: Instant) {
        self.endpoint.stop(now, PEER);
    }
}

/// A datagram of nothing but records with application data (RFC 6347 section 4.1).
pub(crate) fn is_application_data(datagram: &[u8]) -> bool {
    const HEADER: usize = 13;
    const APPLICATION_DATA: u8 = 23;
    let mut rest = datagram;
    while let [APPLICATION_DATA, _, _, _, _, _, _, _, _, _, _, high, low, ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = rest.get(HEADER + length..).unwrap_or_default();
    }
    rest.is_empty() && !datagram.is_empty()
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dtls")
    }
}
