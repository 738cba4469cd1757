//! SRTP and SRTCP (RFC 3711) in place: AES-128-GCM (RFC 7714) by aws-lc directly; AES-CM with HMAC-SHA1, for clients that have
//! nothing better, by the webrtc-rs family.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use rtc_crypto::RTCCrypto;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::sfu::forward::window::{REPLAY_WINDOW, Window};
use crate::sfu::forward::{header, nearest};

/// SSRCs that a far end may use. A receiver may report from one for each m-line (Firefox does), which places are used again with
/// a new one, so that a long call sees many. More: costs 150 bytes each; lower: receivers whose reports are not opened get
/// no repairs and no key frames.
const MAX_STREAMS: usize = 4_096;
/// AEAD tag (RFC 7714 section 13.2).
const TAG: usize = 16;
/// RTCP header and SSRC, never encrypted.
const RTCP_CLEAR: usize = 8;
/// E flag and 31-bit index at the end of an SRTCP packet.
const RTCP_TRAILER: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SrtpError {
    #[error("not an SRTP packet")]
    Malformed,
    #[error("not authentic")]
    Authentication,
    #[error("received before, or too old")]
    Replayed,
    #[error("too many SSRCs")]
    TooManyStreams,
    #[error("the keys are of the wrong length")]
    Keys,
}

/// Master key and salt of one direction.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) profile: ProtectionProfile,
    pub(crate) key: Vec<u8>,
    pub(crate) salt: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({:?})", self.profile)
    }
}

/// Opens what the far end sealed.
pub(crate) struct Inbound(Opener);

enum Opener {
    Gcm {
        rtp: Gcm,
        rtcp: Gcm,
        rtp_windows: HashMap<u32, Window>,
        rtcp_windows: HashMap<u32, Window>,
    },
    /// The context keeps a state for each SSRC it is shown, authentic or not: `streams` bounds them.
    Cm {
        context: Box<Context>,
        streams: HashSet<u32>,
    },
}

/// Seals what is sent.
pub(crate) struct Outbound(Sealer);

enum Sealer {
    Gcm { rtp: Gcm, rtcp: Gcm, rtcp_index: u32 },
    Cm(Box<Context>),
}

impl Inbound {
    pub(crate) fn new(keys: &Keys, crypto: &dyn RTCCrypto) -> Result<Self, SrtpError> {
        Ok(Self(match keys.profile {
            ProtectionProfile::AeadAes128Gcm => {
                let (rtp, rtcp) = Gcm::pair(keys)?;
                Opener::Gcm { rtp, rtcp, rtp_windows: HashMap::new(), rtcp_windows: HashMap::new() }
            }
            _ => Opener::Cm { context: Box::new(context(keys, crypto)?), streams: HashSet::new() },
        }))
    }

    /// Opens an RTP packet in place and gives its length without the tag.
    pub(crate) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = header::header_len(packet).ok_or(SrtpError::Malformed)?;
        match &mut self.0 {
            Opener::Gcm { rtp, rtp_windows, .. } => {
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                let ssrc = ssrc_at(packet, 8).ok_or(SrtpError::Malformed)?;
                let known = rtp_windows.get(&ssrc);
                let index = known.map_or(u64::from(sequence), |window| nearest(window.highest(), sequence));
                check(known, rtp_windows.len(), index)?;
                let (clear, sealed) = packet.split_at_mut(header);
                let plain = rtp.open(rtp.rtp_nonce(ssrc, index), clear, sealed)?;
                rtp_windows.entry(ssrc).or_default().admit(index);
                Ok(header + plain)
            }
            Opener::Cm { context, streams } => {
                shown(streams, ssrc_at(packet, 8).ok_or(SrtpError::Malformed)?)?;
                let plain = context.decrypt_rtp(packet).map_err(|_| SrtpError::Authentication)?;
                put_back(packet, &plain)
            }
        }
    }

    /// Opens a compound RTCP packet in place and gives its length without tag and index.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match &mut self.0 {
            Opener::Gcm { rtcp, rtcp_windows, .. } => {
                if packet.len() < RTCP_CLEAR + TAG + RTCP_TRAILER {
                    return Err(SrtpError::Malformed);
                }
                let ssrc = ssrc_at(packet, 4).ok_or(SrtpError::Malformed)?;
                let (body, trailer) = packet.split_at_mut(packet.len() - RTCP_TRAILER);
                let word = u32::from_be_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
                if word >> 31 == 0 {
                    return Err(SrtpError::Malformed); // not encrypted, which nobody agreed to
                }
                let index = word & 0x7fff_ffff;
                let known = rtcp_windows.get(&ssrc);
                check(known, rtcp_windows.len(), u64::from(index))?;
                let (clear, sealed) = body.split_at_mut(RTCP_CLEAR);
                let plain = rtcp.open(rtcp.rtcp_nonce(ssrc, index), &rtcp_aad(clear, word), sealed)?;
                rtcp_windows.entry(ssrc).or_default().admit(u64::from(index));
                Ok(RTCP_CLEAR + plain)
            }
            Opener::Cm { context, streams } => {
                shown(streams, ssrc_at(packet, 4).ok_or(SrtpError::Malformed)?)?;
                let plain = context.decrypt_rtcp(packet).map_err(|_| SrtpError::Authentication)?;
                put_back(packet, &plain)
            }
        }
    }
}

impl Outbound {
    pub(crate) fn new(keys: &Keys, crypto: &dyn RTCCrypto) -> Result<Self, SrtpError> {
        Ok(Self(match keys.profile {
            ProtectionProfile::AeadAes128Gcm => {
                let (rtp, rtcp) = Gcm::pair(keys)?;
                Sealer::Gcm { rtp, rtcp, rtcp_index: 0 }
            }
            _ => Sealer::Cm(Box::new(context(keys, crypto)?)),
        }))
    }

    /// Seals the RTP packet that begins at `start` of `buffer` and ends with it. `index` is its sequence number, unwrapped; the
    /// same index must never be given with other content.
    pub(crate) fn seal_rtp(&mut self, index: u64, buffer: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        match &mut self.0 {
            Sealer::Gcm { rtp, .. } => {
                let header = header::header_len(&buffer[start..]).ok_or(SrtpError::Malformed)?;
                let ssrc = ssrc_at(&buffer[start..], 8).ok_or(SrtpError::Malformed)?;
                let (clear, plain) = buffer[start..].split_at_mut(header);
                let tag = rtp.seal(rtp.rtp_nonce(ssrc, index), clear, plain)?;
                buffer.extend_from_slice(&tag);
            }
            Sealer::Cm(context) => {
                let sealed = context.encrypt_rtp(&buffer[start..]).map_err(|_| SrtpError::Malformed)?;
                buffer.truncate(start);
                buffer.extend_from_slice(&sealed);
            }
        }
        Ok(())
    }

    /// Seals the RTCP packets that begin at `start` of `buffer` and end with it.
    pub(crate) fn seal_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        match &mut self.0 {
            Sealer::Gcm { rtcp, rtcp_index, .. } => {
                let ssrc = ssrc_at(&buffer[start..], 4).ok_or(SrtpError::Malformed)?;
                let word = *rtcp_index | 1 << 31;
                *rtcp_index = (*rtcp_index + 1) & 0x7fff_ffff;
                let (clear, plain) = buffer[start..].split_at_mut(RTCP_CLEAR);
                let tag = rtcp.seal(rtcp.rtcp_nonce(ssrc, word & 0x7fff_ffff), &rtcp_aad(clear, word), plain)?;
                buffer.extend_from_slice(&tag);
                buffer.extend_from_slice(&word.to_be_bytes());
            }
            Sealer::Cm(context) => {
                let sealed = context.encrypt_rtcp(&buffer[start..]).map_err(|_| SrtpError::Malformed)?;
                buffer.truncate(start);
                buffer.extend_from_slice(&sealed);
            }
        }
        Ok(())
    }
}

fn ssrc_at(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?))
}

fn context(keys: &Keys, crypto: &dyn RTCCrypto) -> Result<Context, SrtpError> {
    let rtp = srtp_replay_protection(REPLAY_WINDOW);
    let rtcp = srtcp_replay_protection(REPLAY_WINDOW);
    Context::new(&keys.key, &keys.salt, keys.profile, Some(rtp), Some(rtcp), crypto).map_err(|_| SrtpError::Keys)
}

fn put_back(packet: &mut [u8], plain: &[u8]) -> Result<usize, SrtpError> {
    packet.get_mut(..plain.len()).ok_or(SrtpError::Malformed)?.copy_from_slice(plain);
    Ok(plain.len())
}

fn check(known: Option<&Window>, streams: usize, index: u64) -> Result<(), SrtpError> {
    match known {
        Some(window) if window.seen(index) => Err(SrtpError::Replayed),
        None if streams >= MAX_STREAMS => Err(SrtpError::TooManyStreams),
        Some(_) | None => Ok(()),
    }
}

/// Counts an SSRC that the family's context will keep a state for.
fn shown(streams: &mut HashSet<u32>, ssrc: u32) -> Result<(), SrtpError> {
    if streams.len() >= MAX_STREAMS && !streams.contains(&ssrc) {
        return Err(SrtpError::TooManyStreams);
    }
    streams.insert(ssrc);
    Ok(())
}

/// RFC 7714 section 9.2: the clear header, then the E flag and index.
fn rtcp_aad(clear: &[u8], word: u32) -> [u8; RTCP_CLEAR + RTCP_TRAILER] {
    let mut aad = [0; RTCP_CLEAR + RTCP_TRAILER];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&word.to_be_bytes());
    aad
}

/// One session key with its salt.
struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    /// The session keys for RTP and RTCP (RFC 3711 section 4.3: labels 0, 2 and 3, 5).
    fn pair(keys: &Keys) -> Result<(Self, Self), SrtpError> {
        let derive = |key_label, salt_label| {
            let key: [u8; 16] = derive(&keys.key, &keys.salt, key_label)?;
            let salt = derive(&keys.key, &keys.salt, salt_label)?;
            let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| SrtpError::Keys)?;
            Ok(Self { key: LessSafeKey::new(key), salt })
        };
        Ok((derive(0, 2)?, derive(3, 5)?))
    }

    /// RFC 7714 section 8.1.
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        self.nonce(iv)
    }

    /// RFC 7714 section 9.1.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..].copy_from_slice(&index.to_be_bytes());
        self.nonce(iv)
    }

    fn nonce(&self, mut iv: [u8; 12]) -> Nonce {
        iv.iter_mut().zip(self.salt).for_each(|(byte, salt)| *byte ^= salt);
        Nonce::assume_unique_for_key(iv)
    }

    /// Length of what was in `sealed`.
    fn open(&self, nonce: Nonce, aad: &[u8], sealed: &mut [u8]) -> Result<usize, SrtpError> {
        let plain = self.key.open_in_place(nonce, Aad::from(aad), sealed);
        Ok(plain.map_err(|_| SrtpError::Authentication)?.len())
    }

    fn seal(&self, nonce: Nonce, aad: &[u8], plain: &mut [u8]) -> Result<[u8; TAG], SrtpError> {
        let tag =
            self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), plain).map_err(|_| SrtpError::Malformed)?;
        tag.as_ref().try_into().map_err(|_| SrtpError::Malformed)
    }
}

/// RFC 3711 section 4.3.3 with a key derivation rate of 0: AES in counter mode over zeros, from the salt and the label.
fn derive<const N: usize>(master: &[u8], salt: &[u8], label: u8) -> Result<[u8; N], SrtpError> {
    let mut iv = [0; 16];
    iv.get_mut(..salt.len()).filter(|_| salt.len() <= 14).ok_or(SrtpError::Keys)?.copy_from_slice(salt);
    iv[7] ^= label;
    let key = UnboundCipherKey::new(&AES_128, master).and_then(EncryptingKey::ctr).map_err(|_| SrtpError::Keys)?;
    let mut out = [0; N];
    key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(FixedLength::from(&iv))).map_err(|_| SrtpError::Keys)?;
    Ok(out)
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbound")
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbound")
    }
}

#[cfg(test)]
mod tests;
