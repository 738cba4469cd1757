//! WebM: what a recording's file begins with, and what is appended to it (RFC 9559; VP8, VP9, AV1 and Opus alone, as WebM has it).
//!
//! ```text
//! while it is written   EBML  Segment( Void      Info( Void     ) Tracks  Cluster  Cluster  Cluster
//! finished              EBML  Segment( SeekHead  Info( Duration ) Tracks  Cluster  Cluster  Cluster  Cues )
//! ```
//!
//! Until it is finished it is a live WebM, whose segment has no length: it plays up to its last whole cluster.

mod ebml;
mod finish;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use crescendo_cmaf::{Coding, Sample};
use ebml::{binary, float, id, master, text, uint, void};

pub(crate) use finish::finish;

/// Bytes at the segment's beginning that are kept for its table of contents.
const SEEK_ROOM: usize = 100;
/// Of the element that says how long it is, and of what stands in its place before.
const DURATION_BYTES: usize = 11;
/// Timestamps are milliseconds.
const TIMESTAMP_SCALE_NS: u64 = 1_000_000;
/// How much is decoded before the moment that is sought, so that Opus has converged (RFC 7845 section 4.6).
const SEEK_PRE_ROLL_NS: u64 = 80_000_000;
/// Blocks say how far they are from their cluster's time in 16 bits with a sign.
const CLUSTER_MS_MAX: u64 = 30_000;
const APP: &str = concat!("Crescendo ", env!("CARGO_PKG_VERSION"));

/// Whether WebM may have it.
pub(crate) fn takes(coding: &Coding) -> bool {
    codec_id(coding).is_some()
}

fn codec_id(coding: &Coding) -> Option<&'static str> {
    match coding {
        Coding::Vp8 { .. } => Some("V_VP8"),
        Coding::Vp9(_) => Some("V_VP9"),
        Coding::Av1(_) => Some("V_AV1"),
        Coding::Opus => Some("A_OPUS"),
        Coding::Avc { .. } | Coding::Aac { .. } => None,
    }
}

/// What a file with these tracks begins with; they are numbered from 1 in their order. Those that WebM may not have are left out.
pub(crate) fn head(tracks: &[Coding]) -> Bytes {
    let mut out = Vec::with_capacity(512);
    master(&mut out, id::EBML, |out| {
        uint(out, id::EBML_VERSION, 1);
        uint(out, id::EBML_READ_VERSION, 1);
        uint(out, id::EBML_MAX_ID_LENGTH, 4);
        uint(out, id::EBML_MAX_SIZE_LENGTH, 8);
        text(out, id::DOC_TYPE, "webm");
        uint(out, id::DOC_TYPE_VERSION, 4);
        uint(out, id::DOC_TYPE_READ_VERSION, 2);
    });
    ebml::identifier(&mut out, id::SEGMENT);
    out.extend_from_slice(&ebml::UNKNOWN);
    void(&mut out, SEEK_ROOM);
    master(&mut out, id::INFO, |out| {
        void(out, DURATION_BYTES);
        uint(out, id::TIMESTAMP_SCALE, TIMESTAMP_SCALE_NS);
        text(out, id::MUXING_APP, APP);
        text(out, id::WRITING_APP, APP);
    });
    master(&mut out, id::TRACKS, |out| {
        for (number, coding) in (1..).zip(tracks) {
            if let Some(codec) = codec_id(coding) {
                master(out, id::TRACK_ENTRY, |out| track(out, number, codec, coding));
            }
        }
    });
    out.into()
}

fn track(out: &mut Vec<u8>, number: u64, codec: &str, coding: &Coding) {
    uint(out, id::TRACK_NUMBER, number);
    uint(out, id::TRACK_UID, number);
    uint(out, id::TRACK_TYPE, if coding.size().is_some() { 1 } else { 2 });
    uint(out, id::FLAG_LACING, 0);
    text(out, id::LANGUAGE, "und");
    text(out, id::CODEC_ID, codec);
    let private = private(coding);
    if !private.is_empty() {
        binary(out, id::CODEC_PRIVATE, &private);
    }
    match coding.size() {
        Some(size) => master(out, id::VIDEO, |out| {
            uint(out, id::PIXEL_WIDTH, size.width.into());
            uint(out, id::PIXEL_HEIGHT, size.height.into());
        }),
        None => {
            uint(out, id::SEEK_PRE_ROLL, SEEK_PRE_ROLL_NS);
            master(out, id::AUDIO, |out| {
                float(out, id::SAMPLING_FREQUENCY, f64::from(crescendo_cmaf::AUDIO_TIMESCALE));
                uint(out, id::CHANNELS, 2);
            });
        }
    }
}

/// What a decoder has to know before the first frame: OpusHead (RFC 7845 section 5.1), av1C ("AV1 Codec ISO Media File Format Binding"
/// section 2.3.3), or the features of VP9 ("VP9 codec feature metadata" of WebM).
fn private(coding: &Coding) -> Vec<u8> {
    match coding {
        Coding::Opus => {
            let rate = crescendo_cmaf::AUDIO_TIMESCALE.to_le_bytes();
            // Version 1, two channels, no pre-skip, no gain, mapping family 0.
            [b"OpusHead".as_slice(), &[1, 2, 0, 0], &rate, &[0, 0, 0]].concat()
        }
        Coding::Av1(sequence) => {
            let tier = u8::from(sequence.high_tier) << 7;
            // 4:2:0, as `av1C` of an MP4 says it.
            let fixed = [0x81, sequence.profile << 5 | sequence.level, tier | 0b1100, 0];
            [&fixed, &sequence.obu[..]].concat()
        }
        // Profile, bits of a sample, 4:2:0.
        Coding::Vp9(vp9) => vec![1, 1, vp9.profile, 3, 1, vp9.depth, 4, 1, 1],
        Coding::Vp8 { .. } | Coding::Avc { .. } | Coding::Aac { .. } => Vec::new(),
    }
}

/// Samples of one track, by its number; each has how long it lasts. Times are in `timescale` units a second.
pub(crate) type Samples<'a> = (u8, u32, &'a [(Sample, u32)]);

/// One cluster of these samples, in the order of their times, or more where they are far apart.
pub(crate) fn clusters(tracks: &[Samples<'_>]) -> Bytes {
    let ms = |time: u64, timescale: u32| (time * 1_000 + u64::from(timescale) / 2) / u64::from(timescale);
    let mut blocks: Vec<(u64, u8, &Sample)> = Vec::new();
    for (number, timescale, samples) in tracks {
        blocks.extend(samples.iter().map(|(sample, _)| (ms(sample.time, *timescale), *number, sample)));
    }
    blocks.sort_by_key(|(at, ..)| *at);
    let bytes: usize = blocks.iter().map(|(.., sample)| sample.data.len() + 16).sum();
    let mut out = Vec::with_capacity(bytes + 32);
    let mut rest = blocks.as_slice();
    while let [(begin, ..), ..] = rest {
        let count = rest.partition_point(|(at, ..)| at - begin <= CLUSTER_MS_MAX);
        let (cluster, after) = rest.split_at(count);
        master(&mut out, id::CLUSTER, |out| {
            uint(out, id::TIMESTAMP, *begin);
            for (at, number, sample) in cluster {
                block(out, *number, (at - begin) as u16, sample);
            }
        });
        rest = after;
    }
    out.into()
}

/// RFC 9559 section 10.2. `after` the cluster's time, in ms.
fn block(out: &mut Vec<u8>, number: u8, after: u16, sample: &Sample) {
    const KEY_FRAME: u8 = 0x80;
    ebml::identifier(out, id::SIMPLE_BLOCK);
    ebml::length(out, sample.data.len() as u64 + 4);
    out.push(0x80 | number);
    out.extend_from_slice(&after.to_be_bytes());
    out.push(if sample.key { KEY_FRAME } else { 0 });
    out.extend_from_slice(&sample.data);
}
