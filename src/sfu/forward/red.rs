//! Redundant sound (RFC 2198): a packet brings what the ones before it brought once more, so that what is lost between two that
//! arrive costs nothing to ask for. Behind the way in sound is plain; on the way out it is made redundant for who loses some.

use std::ops::Range;

/// Earlier packets that one brings at most. libwebrtc sends one, at most 9.
const MAX_EARLIER: usize = 9;
/// Bytes before an earlier block, and before the last, which is the packet's own.
const EARLIER_HEADER: usize = 4;
const OWN_HEADER: usize = 1;
/// What 14 bits and what 10 bits can say.
const MAX_BEHIND: u32 = (1 << 14) - 1;
const MAX_LENGTH: usize = (1 << 10) - 1;
/// Bytes of a payload that is made redundant; networks carry a little more.
const MAX_PAYLOAD: usize = 1_100;

/// What a redundant payload is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Red {
    /// (how much earlier, in timestamp units; where), the oldest first.
    earlier: [(u32, Range<usize>); MAX_EARLIER],
    count: usize,
    /// Where the packet's own is.
    pub own: Range<usize>,
}

impl Red {
    /// Nothing when a block is cut short, when there are too many, or when they are of different payload types.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut earlier: [(u32, Range<usize>); MAX_EARLIER] = std::array::from_fn(|_| (0, 0..0));
        let (mut at, mut count, mut length) = (0, 0, 0);
        let codec = payload.first()? & 0x7f;
        while payload.get(at)? & 0x80 != 0 {
            let &[kind, a, b, c] = payload.get(at..at + EARLIER_HEADER)?.first_chunk()?;
            if kind & 0x7f != codec {
                return None;
            }
            let block = usize::from(b & 0x03) << 8 | usize::from(c);
            // Where it is counts from the end of all headers, which is not known yet.
            *earlier.get_mut(count)? = (u32::from(a) << 6 | u32::from(b) >> 2, length..length + block);
            (at, count, length) = (at + EARLIER_HEADER, count + 1, length + block);
        }
        if payload.get(at)? & 0x7f != codec {
            return None;
        }
        let blocks = at + OWN_HEADER;
        for (_, range) in &mut earlier[..count] {
            *range = range.start + blocks..range.end + blocks;
        }
        let own = blocks + length..payload.len();
        (own.start <= own.end).then_some(Self { earlier, count, own })
    }

    /// (how many packets earlier, how much earlier in timestamp units, where), the oldest first. Empty ones are left out.
    pub fn earlier(&self) -> impl Iterator<Item = (u16, u32, Range<usize>)> {
        let numbered = self.earlier[..self.count].iter().zip((1..=self.count as u16).rev());
        numbered.filter(|((_, range), _)| !range.is_empty()).map(|((behind, range), by)| (by, *behind, range.clone()))
    }
}

/// Appends a redundant payload: `earlier` are (how much earlier in timestamp units, payload), the oldest first, of which those
/// that do not fit are left out, the oldest before others; then `own`. False when none is left: nothing was appended.
pub fn write(out: &mut Vec<u8>, codec: u8, earlier: &[(u32, &[u8])], own: &[u8]) -> bool {
    let (mut first, mut bytes) = (earlier.len(), own.len());
    for (at, (behind, payload)) in earlier.iter().enumerate().rev() {
        bytes += EARLIER_HEADER + payload.len();
        if *behind > MAX_BEHIND || payload.len() > MAX_LENGTH || bytes > MAX_PAYLOAD {
            break;
        }
        first = at;
    }
    let earlier = &earlier[first..];
    if earlier.is_empty() {
        return false;
    }
    for (behind, payload) in earlier {
        let length = payload.len();
        let (middle, low) = ((behind << 2) as u8 | (length >> 8) as u8, length as u8);
        out.extend_from_slice(&[0x80 | codec, (behind >> 6) as u8, middle, low]);
    }
    out.push(codec);
    earlier.iter().for_each(|(_, payload)| out.extend_from_slice(payload));
    out.extend_from_slice(own);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = vec![7];
        assert!(write(&mut out, 111, &[(1_920, &[1; 300]), (960, &[])], &[3; 50]));
        let payload = &out[1..];
        let red = Red::parse(payload).expect("well-formed");
        // The packet before brought nothing.
        let earlier: Vec<_> = red.earlier().map(|(by, behind, range)| (by, behind, &payload[range])).collect();
        assert_eq!(earlier, [(2, 1_920, &[1; 300][..])]);
        assert_eq!(payload[red.own], [3; 50]);
    }

    #[test]
    fn the_example_of_the_standard_is_read() {
        // RFC 2198 section 4 in the words of today: an earlier block of 4 bytes, 960 units behind, then the own.
        let payload = [0xef, 0x0f, 0x00, 0x04, 0x6f, 1, 2, 3, 4, 5, 6];
        let red = Red::parse(&payload).expect("well-formed");
        assert_eq!(red.earlier().collect::<Vec<_>>(), [(1, 960, 5..9)]);
        assert_eq!(red.own, 9..11);
    }

    #[test]
    fn what_does_not_fit_is_left_out_the_oldest_first() {
        let mut out = Vec::new();
        assert!(write(&mut out, 111, &[(1_920, &[1; 600]), (960, &[2; 600])], &[3; 200]));
        let red = Red::parse(&out).expect("well-formed");
        assert_eq!(red.earlier().map(|(by, behind, _)| (by, behind)).collect::<Vec<_>>(), [(1, 960)]);
        for earlier in [(MAX_BEHIND + 1, &[1; 10][..]), (960, &[1; MAX_LENGTH + 1]), (960, &[1; MAX_PAYLOAD])] {
            let mut out = Vec::new();
            assert!(!write(&mut out, 111, &[(0, &[5]), earlier], &[3; 20]), "what is before it cannot be counted");
            assert!(out.is_empty());
        }
    }

    #[test]
    fn what_is_cut_short_is_refused_and_nothing_panics() {
        let mut whole = Vec::new();
        assert!(write(&mut whole, 111, &[(1_920, &[1; 30]), (960, &[2; 30])], &[3; 20]));
        for length in 0..whole.len() - 20 {
            assert_eq!(Red::parse(&whole[..length]), None, "{length} bytes");
        }
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..20_000 {
            let length = random.usize(..60);
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            if let Some(red) = Red::parse(&bytes) {
                assert!(red.own.end <= bytes.len() && red.earlier().all(|(.., range)| range.end <= red.own.start));
            }
        }
        assert_eq!(Red::parse(&[0xef; 80]), None, "too many");
        assert_eq!(Red::parse(&[0xef, 0, 4, 1, 0x60, 1, 2]), None, "two codecs");
    }
}
