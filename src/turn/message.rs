//! Requests and answers: STUN messages (RFC 8489) with long-term credentials, on `rtc-stun`.

use std::net::SocketAddr;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_DONT_FRAGMENT, ATTR_ERROR_CODE, ATTR_EVEN_PORT, ATTR_FINGERPRINT,
    ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_UNKNOWN_ATTRIBUTES, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS,
    AttrType,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, MessageClass, MessageType, Setter,
};

use super::data;

/// ADDITIONAL-ADDRESS-FAMILY and ADDRESS-ERROR-CODE (RFC 8656 sections 18.11 and 18.12).
pub(super) const ATTR_ADDITIONAL_ADDRESS_FAMILY: AttrType = AttrType(0x8000);
pub(super) const ATTR_ADDRESS_ERROR_CODE: AttrType = AttrType(0x8001);

/// What must be understood in a request and is. DONT-FRAGMENT asks for nothing that is not done anyway.
const UNDERSTOOD: [AttrType; 13] = [
    ATTR_USERNAME,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_CHANNEL_NUMBER,
    ATTR_LIFETIME,
    ATTR_XOR_PEER_ADDRESS,
    ATTR_DATA,
    ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_EVEN_PORT,
    ATTR_REQUESTED_TRANSPORT,
    ATTR_RESERVATION_TOKEN,
    ATTR_DONT_FRAGMENT,
];

/// Error codes of an answer, with the phrases of RFC 8489 section 14.8 and RFC 8656 section 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest,
    Unauthenticated,
    Forbidden,
    UnknownAttribute,
    AllocationMismatch,
    StaleNonce,
    AddressFamilyNotSupported,
    WrongCredentials,
    UnsupportedTransport,
    PeerAddressFamilyMismatch,
    AllocationQuotaReached,
    InsufficientCapacity,
}

impl Refusal {
    pub(super) const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::UnknownAttribute,
        Self::AllocationMismatch,
        Self::StaleNonce,
        Self::AddressFamilyNotSupported,
        Self::WrongCredentials,
        Self::UnsupportedTransport,
        Self::PeerAddressFamilyMismatch,
        Self::AllocationQuotaReached,
        Self::InsufficientCapacity,
    ];

    pub(super) fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::UnknownAttribute => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::AddressFamilyNotSupported => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransport => 442,
            Self::PeerAddressFamilyMismatch => 443,
            Self::AllocationQuotaReached => 486,
            Self::InsufficientCapacity => 508,
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthenticated => "Unauthenticated",
            Self::Forbidden => "Forbidden",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::StaleNonce => "Stale Nonce",
            Self::AddressFamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::UnsupportedTransport => "Unsupported Transport Protocol",
            Self::PeerAddressFamilyMismatch => "Peer Address Family Mismatch",
            Self::AllocationQuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }

    /// The value of ERROR-CODE, after two reserved bytes.
    fn value(self) -> Vec<u8> {
        let code = self.code();
        [&[(code / 100) as u8, (code % 100) as u8], self.phrase().as_bytes()].concat()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Binding,
    Allocate,
    Refresh,
    CreatePermission,
    ChannelBind,
}

/// A request of a method that is known here.
#[derive(Debug)]
pub(super) struct Request {
    message: Message,
    pub(super) method: Method,
    /// Attributes before MESSAGE-INTEGRITY: what comes after it anybody may have written (RFC 8489 section 14.5).
    covered: usize,
}

/// The key of a user's MESSAGE-INTEGRITY (RFC 8489 section 9.2.2).
#[derive(Clone)]
pub(super) struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(super) fn new(username: &str, realm: &str, password: String) -> Self {
        let crypto = AwsLcRsProvider::default();
        MessageIntegrity::long_term_integrity_key(username.into(), realm.into(), password, crypto.crypto())
            .map(Self)
            .expect("the crypto provider has MD5")
    }
}

impl Request {
    /// Nothing when it is no request, or one of a method that is not known.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut message = Message::new();
        message.raw = bytes.to_vec();
        message.decode().ok().filter(|()| bytes.len() == data::STUN_HEADER + message.length as usize)?;
        let method = match message.typ {
            MessageType { class, .. } if class != CLASS_REQUEST => return None,
            MessageType { method: METHOD_BINDING, .. } => Method::Binding,
            MessageType { method: METHOD_ALLOCATE, .. } => Method::Allocate,
            MessageType { method: METHOD_REFRESH, .. } => Method::Refresh,
            MessageType { method: METHOD_CREATE_PERMISSION, .. } => Method::CreatePermission,
            MessageType { method: METHOD_CHANNEL_BIND, .. } => Method::ChannelBind,
            MessageType { .. } => return None,
        };
        let all = &message.attributes.0;
        let covered = all.iter().position(|a| a.typ == ATTR_MESSAGE_INTEGRITY).unwrap_or(all.len());
        Some(Self { message, method, covered })
    }

    pub(super) fn transaction(&self) -> [u8; 12] {
        self.message.transaction_id.0
    }

    pub(super) fn has_integrity(&self) -> bool {
        self.covered < self.message.attributes.0.len()
    }

    pub(super) fn is_authentic(&mut self, key: &Key) -> bool {
        MessageIntegrity::check(&mut self.message, &key.0, AwsLcRsProvider::default().crypto()).is_ok()
    }

    /// The value of the first attribute of this type.
    pub(super) fn get(&self, wanted: AttrType) -> Option<&[u8]> {
        self.message.attributes.0[..self.covered].iter().find(|a| a.typ == wanted).map(|a| &a.value[..])
    }

    pub(super) fn text(&self, wanted: AttrType) -> Option<&str> {
        self.get(wanted).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every XOR-PEER-ADDRESS; nothing when one of them is malformed.
    pub(super) fn peers(&self) -> Option<Vec<SocketAddr>> {
        let of_peers = self.message.attributes.0[..self.covered].iter().filter(|a| a.typ == ATTR_XOR_PEER_ADDRESS);
        of_peers.map(|a| data::read_address(&a.value, &self.transaction())).collect()
    }

    pub(super) fn not_understood(&self) -> Vec<AttrType> {
        let covered = self.message.attributes.0[..self.covered].iter().map(|a| a.typ);
        covered.filter(|typ| typ.required() && !UNDERSTOOD.contains(typ)).collect()
    }

    pub(super) fn success(&self) -> Answer {
        self.answer(CLASS_SUCCESS_RESPONSE)
    }

    pub(super) fn error(&self, refusal: Refusal) -> Answer {
        let mut answer = self.answer(CLASS_ERROR_RESPONSE);
        answer.0.add(ATTR_ERROR_CODE, &[&[0, 0], &refusal.value()[..]].concat());
        if refusal == Refusal::UnknownAttribute {
            let unknown: Vec<u8> = self.not_understood().iter().flat_map(|typ| typ.value().to_be_bytes()).collect();
            answer.0.add(ATTR_UNKNOWN_ATTRIBUTES, &unknown);
        }
        answer
    }

    fn answer(&self, class: MessageClass) -> Answer {
        let mut message = Message::new();
        message.typ = MessageType { method: self.message.typ.method, class };
        message.transaction_id = self.message.transaction_id;
        message.write_header();
        Answer(message)
    }
}

/// An answer that is being written.
#[derive(Debug)]
pub(super) struct Answer(Message);

impl Answer {
    pub(super) fn with(mut self, attribute: AttrType, value: &[u8]) -> Self {
        self.0.add(attribute, value);
        self
    }

    pub(super) fn with_address(self, attribute: AttrType, address: SocketAddr) -> Self {
        let (value, length) = data::write_address(address, &self.0.transaction_id.0);
        self.with(attribute, &value[..length])
    }

    /// That the relay of the other family was not to be had (RFC 8656 section 18.12).
    pub(super) fn with_address_error(self, family: u8, refusal: Refusal) -> Self {
        self.with(ATTR_ADDRESS_ERROR_CODE, &[&[family, 0], &refusal.value()[..]].concat())
    }

    /// Signed with the key.
    pub(super) fn signed(mut self, key: &Key) -> Vec<u8> {
        let crypto = AwsLcRsProvider::default();
        let integrity = MessageIntegrity::new_raw_integrity_with_provider(key.0.clone(), crypto.crypto());
        integrity.add_to(&mut self.0).expect("an answer without a fingerprint takes an HMAC");
        self.0.raw
    }

    pub(super) fn with_fingerprint(mut self) -> Vec<u8> {
        debug_assert!(!self.0.contains(ATTR_FINGERPRINT));
        FINGERPRINT.add_to(&mut self.0).expect("a checksum can be had of every message");
        self.0.raw
    }

    pub(super) fn plain(self) -> Vec<u8> {
        self.0.raw
    }
}
