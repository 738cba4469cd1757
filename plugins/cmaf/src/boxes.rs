//! The boxes of an init section and of a chunk (ISO/IEC 14496-12).

use bytes::Bytes;
use mp4_atom::Atom as _;
use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor};
use mp4_atom::{
    Audio, Avc3, Avcc, Codec, Dinf, Dref, Encode, Error, Esds, FourCC, Ftyp, Hdlr, Header, Mdat, Mdhd, Mdia, Mfhd,
    Minf, Moof, Moov, Mp4a, Mvex, Mvhd, Stbl, Stsd, Styp, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url,
    Visual,
};

use crate::Sample;
use crate::avc::{ParameterSets, Sps};

/// Units a second of video times.
pub const VIDEO_TIMESCALE: u32 = 90_000;
/// Units a second of audio times: one a sample.
pub const AUDIO_TIMESCALE: u32 = 48_000;

/// Each rendition is a file of its own, with one track.
const TRACK: u32 = 1;

/// AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1): AAC-LC, 48 kHz, two channels.
const AAC_LC_48K_STEREO: [u8; 2] = [0x11, 0x90];

/// What a decoder has to know before the first sample.
#[derive(Debug, Clone)]
pub enum Coding {
    Avc {
        sets: ParameterSets,
        sps: Sps,
    },
    /// AAC-LC, 48 kHz, stereo.
    Aac {
        bits_per_second: u32,
    },
}

impl Coding {
    fn sample_entry(&self) -> Result<Codec, Error> {
        Ok(match self {
            // avc3: parameter sets stay in the samples and may change there, so a new resolution needs no new init section.
            Coding::Avc { sets, sps } => {
                let mut avcc = Avcc::new(&sets.sps, &sets.pps)?;
                if sps.profile[0] == 100 {
                    avcc.ext = Some(Default::default()); // 4:2:0, 8 bits
                }
                let visual =
                    Visual { data_reference_index: 1, width: sps.width, height: sps.height, ..Default::default() };
                Avc3 { visual, avcc, btrt: None, colr: None, pasp: None, taic: None, fiel: None, spatial: None }.into()
            }
            Coding::Aac { bits_per_second } => Mp4a {
                audio: Audio {
                    data_reference_index: 1,
                    channel_count: 2,
                    sample_size: 16,
                    sample_rate: 48_000_u16.into(),
                },
                esds: Esds {
                    es_desc: EsDescriptor {
                        es_id: 1,
                        dec_config: DecoderConfig {
                            object_type_indication: 0x40,
                            stream_type: 5,
                            max_bitrate: *bits_per_second,
                            avg_bitrate: *bits_per_second,
                            dec_specific: Some(DecoderSpecific {
                                raw: AAC_LC_48K_STEREO.to_vec(),
                                ..Default::default()
                            }),
                            ..Default::default()
                        },
                        ..Default::default()
                    },
                },
                btrt: None,
                taic: None,
            }
            .into(),
        })
    }
}

fn brands(names: &[&[u8; 4]]) -> Vec<FourCC> {
    names.iter().map(|name| FourCC::new(name)).collect()
}

/// ftyp and moov: what EXT-X-MAP points at.
pub fn init_section(coding: &Coding) -> Result<Bytes, Error> {
    let (timescale, width, height) = match coding {
        Coding::Avc { sps, .. } => (VIDEO_TIMESCALE, sps.width, sps.height),
        Coding::Aac { .. } => (AUDIO_TIMESCALE, 0, 0),
    };
    let video = matches!(coding, Coding::Avc { .. });
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![coding.sample_entry()?] },
        stco: Some(Default::default()),
        ..Default::default()
    };
    let trak = Trak {
        tkhd: Tkhd {
            track_id: TRACK,
            enabled: true,
            in_movie: true,
            volume: u8::from(!video).into(),
            width: width.into(),
            height: height.into(),
            ..Default::default()
        },
        mdia: Mdia {
            mdhd: Mdhd { timescale, language: "und".into(), ..Default::default() },
            hdlr: Hdlr {
                handler: FourCC::new(if video { b"vide" } else { b"soun" }),
                name: if video { "video" } else { "audio" }.into(),
            },
            minf: Minf {
                vmhd: video.then(Default::default),
                smhd: (!video).then(Default::default),
                dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
                stbl,
                ..Default::default()
            },
        },
        ..Default::default()
    };
    let moov = Moov {
        mvhd: Mvhd { timescale, rate: 1.into(), volume: 1.into(), next_track_id: TRACK + 1, ..Default::default() },
        mvex: Some(Mvex {
            trex: vec![Trex { track_id: TRACK, default_sample_description_index: 1, ..Default::default() }],
            ..Default::default()
        }),
        trak: vec![trak],
        ..Default::default()
    };
    let mut out = Vec::with_capacity(1_024);
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: brands(&[b"iso6", b"cmfc", b"mp41"]),
    }
    .encode(&mut out)?;
    moov.encode(&mut out)?;
    Ok(out.into())
}

/// Sample flags (ISO/IEC 14496-12 section 8.8.3.1): depends on no other; depends on others and is no sync sample.
const SYNC: u32 = 0x0200_0000;
const NON_SYNC: u32 = 0x0101_0000;

/// moof and mdat of `samples`, each with how long it lasts, behind a styp where a segment begins.
pub fn chunk(sequence: u32, opens_segment: bool, samples: &[(Sample, u32)]) -> Result<Bytes, Error> {
    let size: usize = samples.iter().map(|(sample, _)| sample.data.len()).sum();
    let mut out = Vec::with_capacity(size + 160 + samples.len() * 12);
    if opens_segment {
        Styp {
            major_brand: FourCC::new(b"msdh"),
            minor_version: 0,
            compatible_brands: brands(&[b"msdh", b"cmfs", b"cmff"]),
        }
        .encode(&mut out)?;
    }
    let entries: Vec<TrunEntry> = samples
        .iter()
        .map(|(sample, duration)| TrunEntry {
            duration: Some(*duration),
            size: u32::try_from(sample.data.len()).ok(),
            flags: Some(if sample.key { SYNC } else { NON_SYNC }),
            cts: None,
        })
        .collect();
    let time = samples.first().map_or(0, |(sample, _)| sample.time);
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK, default_base_is_moof: true, ..Default::default() },
            tfdt: Some(Tfdt { base_media_decode_time: time }),
            trun: vec![Trun { data_offset: Some(0), samples: entries.into() }],
            ..Default::default()
        }],
    };
    // The samples begin behind the moof and the 8 bytes of mdat's header; how long the moof is shows once it is written.
    let start = out.len();
    moof.encode(&mut out)?;
    let length = out.len() - start;
    out.truncate(start);
    moof.traf[0].trun[0].data_offset = i32::try_from(length + 8).ok();
    moof.encode(&mut out)?;
    Header { kind: Mdat::KIND, size: Some(size) }.encode(&mut out)?;
    for (sample, _) in samples {
        out.extend_from_slice(&sample.data);
    }
    Ok(out.into())
}
