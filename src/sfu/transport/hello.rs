//! Reads one thing from a ClientHello before DTLS does: which SRTP profiles it offers (RFC 5764 section 4.1.1).

/// Datagrams that one ClientHello may be spread over; browsers' take two. Also what an unproven far end can make us keep.
const MAX_DATAGRAMS: usize = 8;
/// Longest ClientHello in bytes.
const MAX_LENGTH: usize = 16 * 1024;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;
/// RFC 7714 section 14.2.
const AEAD_AES_128_GCM: u16 = 7;

/// What is known of the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Parts are missing.
    Incomplete,
    Gcm,
    /// It has no AES-128-GCM, or could not be read.
    NoGcm,
}

/// A ClientHello that comes in.
#[derive(Debug, Default)]
pub(crate) struct Hello {
    datagrams: Vec<Vec<u8>>,
    body: Vec<u8>,
    /// Ranges of `body` that have arrived.
    parts: Vec<(usize, usize)>,
}

impl Hello {
    /// Takes the next datagram. What is no ClientHello counts as a datagram and nothing else.
    pub(crate) fn hear(&mut self, datagram: &[u8]) -> Offer {
        self.datagrams.push(datagram.to_vec());
        let mut records = datagram;
        while let Some((fragment, rest)) = record(records) {
            self.fragment(fragment);
            records = rest;
        }
        if !self.complete() {
            return if self.datagrams.len() < MAX_DATAGRAMS { Offer::Incomplete } else { Offer::NoGcm };
        }
        match offers_gcm(&self.body) {
            Some(true) => Offer::Gcm,
            Some(false) | None => Offer::NoGcm,
        }
    }

    /// All datagrams in the order they came.
    pub(crate) fn into_datagrams(self) -> Vec<Vec<u8>> {
        self.datagrams
    }

    /// One handshake message or a part of it (RFC 6347 section 4.2.2).
    fn fragment(&mut self, bytes: &[u8]) -> Option<()> {
        let number = |at: usize| {
            Some(usize::from_be_bytes([0, 0, 0, 0, 0, *bytes.get(at)?, *bytes.get(at + 1)?, *bytes.get(at + 2)?]))
        };
        let (length, offset, part) = (number(1)?, number(6)?, number(9)?);
        let content = bytes.get(HANDSHAKE_HEADER..HANDSHAKE_HEADER + part)?;
        if *bytes.first()? != CLIENT_HELLO || length > MAX_LENGTH || offset + part > length {
            return None;
        }
        self.body.resize(length, 0);
        self.body.get_mut(offset..offset + part)?.copy_from_slice(content);
        self.parts.push((offset, offset + part));
        Some(())
    }

    fn complete(&mut self) -> bool {
        self.parts.sort_unstable();
        let reached =
            self.parts.iter().fold(0, |reached, (from, to)| if *from <= reached { reached.max(*to) } else { reached });
        !self.body.is_empty() && reached == self.body.len()
    }
}

/// The content of the first record, if it is a handshake record in the clear, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = bytes.get(..RECORD_HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
    let (content, rest) = bytes.get(RECORD_HEADER..)?.split_at_checked(length)?;
    (header[0] == HANDSHAKE).then_some((content, rest))
}

/// RFC 6347 section 4.2.1 and RFC 5246 section 7.4.1.2.
fn offers_gcm(hello: &[u8]) -> Option<bool> {
    let mut rest = hello.get(2 + 32..)?; // version, random
    take(&mut rest, 1)?; // session id
    take(&mut rest, 1)?; // cookie
    take(&mut rest, 2)?; // cipher suites
    take(&mut rest, 1)?; // compression methods
    let mut extensions = take(&mut rest, 2)?;
    while let [high, low, after @ ..] = extensions {
        extensions = after;
        let mut value = take(&mut extensions, 2)?;
        if u16::from_be_bytes([*high, *low]) == USE_SRTP {
            let profiles = take(&mut value, 2)?;
            return Some(profiles.chunks_exact(2).any(|p| u16::from_be_bytes([p[0], p[1]]) == AEAD_AES_128_GCM));
        }
    }
    Some(false)
}

/// A vector with a length of `width` bytes in front.
fn take<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(width)?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let (vector, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(vector)
}

#[cfg(test)]
mod tests;
