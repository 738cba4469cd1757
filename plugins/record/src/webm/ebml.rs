//! Elements of EBML (RFC 8794) as Matroska has them (RFC 9559): an identifier, a length, and what is in it.

/// Longest length of an element that says it in one to eight bytes.
const LENGTH_BYTES: u32 = 8;

/// Identifiers (RFC 9559 section 5), their marker bits included.
pub(super) mod id {
    pub(crate) const EBML: u32 = 0x1a45_dfa3;
    pub(crate) const EBML_VERSION: u32 = 0x4286;
    pub(crate) const EBML_READ_VERSION: u32 = 0x42f7;
    pub(crate) const EBML_MAX_ID_LENGTH: u32 = 0x42f2;
    pub(crate) const EBML_MAX_SIZE_LENGTH: u32 = 0x42f3;
    pub(crate) const DOC_TYPE: u32 = 0x4282;
    pub(crate) const DOC_TYPE_VERSION: u32 = 0x4287;
    pub(crate) const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub(crate) const VOID: u32 = 0xec;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(crate) const SEEK: u32 = 0x4dbb;
    pub(crate) const SEEK_ID: u32 = 0x53ab;
    pub(crate) const SEEK_POSITION: u32 = 0x53ac;
    pub(crate) const INFO: u32 = 0x1549_a966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(crate) const DURATION: u32 = 0x4489;
    pub(crate) const MUXING_APP: u32 = 0x4d80;
    pub(crate) const WRITING_APP: u32 = 0x5741;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const TRACK_ENTRY: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const TRACK_UID: u32 = 0x73c5;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const FLAG_LACING: u32 = 0x9c;
    pub(crate) const LANGUAGE: u32 = 0x22_b59c;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(crate) const SEEK_PRE_ROLL: u32 = 0x56bb;
    pub(crate) const VIDEO: u32 = 0xe0;
    pub(crate) const PIXEL_WIDTH: u32 = 0xb0;
    pub(crate) const PIXEL_HEIGHT: u32 = 0xba;
    pub(crate) const AUDIO: u32 = 0xe1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub(crate) const CHANNELS: u32 = 0x9f;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const TIMESTAMP: u32 = 0xe7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const CUES: u32 = 0x1c53_bb6b;
    pub(crate) const CUE_POINT: u32 = 0xbb;
    pub(crate) const CUE_TIME: u32 = 0xb3;
    pub(crate) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(crate) const CUE_TRACK: u32 = 0xf7;
    pub(crate) const CUE_CLUSTER_POSITION: u32 = 0xf1;
    pub(crate) const CUE_RELATIVE_POSITION: u32 = 0xf0;
}

/// A length of eight bytes that says that nobody knows it yet (RFC 8794 section 6.2).
pub(super) const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

pub(super) fn identifier(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(3);
    out.extend_from_slice(&bytes[first..]);
}

/// In as few bytes as it takes.
pub(super) fn length(out: &mut Vec<u8>, length: u64) {
    // One with all bits set means that it is unknown.
    let bytes = (1..LENGTH_BYTES).find(|bytes| length < (1 << (7 * bytes)) - 1).unwrap_or(LENGTH_BYTES);
    let marked = length | 1 << (7 * bytes);
    out.extend_from_slice(&marked.to_be_bytes()[(8 - bytes) as usize..]);
}

/// In eight bytes, whatever it is.
pub(super) fn long_length(length: u64) -> [u8; 8] {
    (length | 1 << 56).to_be_bytes()
}

pub(super) fn binary(out: &mut Vec<u8>, id: u32, bytes: &[u8]) {
    identifier(out, id);
    length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn text(out: &mut Vec<u8>, id: u32, text: &str) {
    binary(out, id, text.as_bytes());
}

pub(super) fn uint(out: &mut Vec<u8>, id: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    binary(out, id, &bytes[first..]);
}

pub(super) fn float(out: &mut Vec<u8>, id: u32, value: f64) {
    binary(out, id, &value.to_be_bytes());
}

/// An element of elements, which `write` appends.
pub(super) fn master(out: &mut Vec<u8>, id: u32, write: impl FnOnce(&mut Vec<u8>)) {
    identifier(out, id);
    let at = out.len();
    out.extend_from_slice(&UNKNOWN);
    write(out);
    let length = long_length((out.len() - at - UNKNOWN.len()) as u64);
    out[at..at + length.len()].copy_from_slice(&length);
}

/// `bytes` bytes that mean nothing, their own head included: 2 to 127 of them.
pub(super) fn void(out: &mut Vec<u8>, bytes: usize) {
    identifier(out, id::VOID);
    length(out, bytes as u64 - 2);
    out.resize(out.len() + bytes - 2, 0);
}

/// The head of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u32,
    /// Of the head itself, in bytes.
    pub(super) bytes: u64,
    /// Of what is in it. None where nobody knew it.
    pub(super) length: Option<u64>,
}

/// Longest head, in bytes.
pub(super) const HEAD_MOST: usize = 12;

impl Head {
    /// The head that these bytes begin with. None where they begin with none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
        let id = bytes.get(..id_bytes).filter(|_| id_bytes <= 4)?;
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let rest = &bytes[id_bytes..];
        let length_bytes = rest.first()?.leading_zeros() as usize + 1;
        let marked = rest.get(..length_bytes).filter(|_| length_bytes <= LENGTH_BYTES as usize)?;
        let mask = (1_u64 << (7 * length_bytes)) - 1;
        let length = marked.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)) & mask;
        Some(Self { id, bytes: (id_bytes + length_bytes) as u64, length: (length != mask).then_some(length) })
    }
}
