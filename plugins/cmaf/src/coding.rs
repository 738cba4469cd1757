//! What a decoder has to know before the first sample, and the sample entries that say it.

use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor};
use mp4_atom::{Audio, Av01, Av1c, Avc3, Avcc, Codec, Dops, Error, Esds, Mp4a, Opus, Visual, Vp08, Vp09, VpcC};

use crate::Size;
use crate::av1::Sequence;
use crate::avc::{ParameterSets, Sps};
use crate::vpx::Vp9;

/// Units a second of video times.
pub const VIDEO_TIMESCALE: u32 = 90_000;
/// Units a second of audio times: one a sample.
pub const AUDIO_TIMESCALE: u32 = 48_000;

/// AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1): AAC-LC, 48 kHz, two channels.
const AAC_LC_48K_STEREO: [u8; 2] = [0x11, 0x90];

/// VP9 level 3.1 (`vpcC`, section "Levels"): what a WebRTC sender keeps within, up to 720p30. Decoders take what comes.
const VPX_LEVEL: u8 = 31;

/// What a decoder has to know before the first sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coding {
    Avc {
        sets: ParameterSets,
        sps: Sps,
    },
    Vp8 {
        size: Size,
    },
    Vp9(Vp9),
    Av1(Sequence),
    /// AAC-LC, 48 kHz, stereo.
    Aac {
        bits_per_second: u32,
    },
    /// As WebRTC has it: 48 kHz, stereo (RFC 7587 section 7), joined while it runs, so without a pre-skip.
    Opus,
}

impl Coding {
    pub fn timescale(&self) -> u32 {
        if self.size().is_some() { VIDEO_TIMESCALE } else { AUDIO_TIMESCALE }
    }

    /// Of the picture; none for sound.
    pub fn size(&self) -> Option<Size> {
        match self {
            Coding::Avc { sps, .. } => Some(Size { width: sps.width, height: sps.height }),
            Coding::Vp8 { size } => Some(*size),
            Coding::Vp9(Vp9 { size, .. }) | Coding::Av1(Sequence { size, .. }) => Some(*size),
            Coding::Aac { .. } | Coding::Opus => None,
        }
    }

    pub(crate) fn sample_entry(&self) -> Result<Codec, Error> {
        let size = self.size().unwrap_or(Size { width: 0, height: 0 });
        let visual = Visual { data_reference_index: 1, width: size.width, height: size.height, ..Default::default() };
        let audio =
            Audio { data_reference_index: 1, channel_count: 2, sample_size: 16, sample_rate: 48_000_u16.into() };
        Ok(match self {
            // avc3: parameter sets stay in the samples and may change there, so a new resolution needs no new init section.
            Coding::Avc { sets, sps } => {
                let mut avcc = Avcc::new(&sets.sps, &sets.pps)?;
                if sps.profile[0] == 100 {
                    avcc.ext = Some(Default::default()); // 4:2:0, 8 bits
                }
                Avc3 { visual, avcc, btrt: None, colr: None, pasp: None, taic: None, fiel: None, spatial: None }.into()
            }
            Coding::Vp8 { .. } => Vp08 { visual, vpcc: vpcc(0, 8), ..Default::default() }.into(),
            Coding::Vp9(vp9) => Vp09 { visual, vpcc: vpcc(vp9.profile, vp9.depth), ..Default::default() }.into(),
            Coding::Av1(sequence) => Av01 {
                visual,
                av1c: Av1c {
                    seq_profile: sequence.profile,
                    seq_level_idx_0: sequence.level,
                    seq_tier_0: sequence.high_tier,
                    chroma_subsampling_x: true,
                    chroma_subsampling_y: true,
                    config_obus: sequence.obu.to_vec(),
                    ..Default::default()
                },
                ..Default::default()
            }
            .into(),
            Coding::Aac { bits_per_second } => Mp4a {
                audio,
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
            Coding::Opus => Opus {
                audio,
                dops: Dops {
                    output_channel_count: 2,
                    pre_skip: 0,
                    input_sample_rate: AUDIO_TIMESCALE,
                    output_gain: 0,
                    channel_mapping: None,
                },
                btrt: None,
            }
            .into(),
        })
    }
}

/// 4:2:0, BT.709, studio range ("VP Codec ISO Media File Format Binding" version 1.0).
fn vpcc(profile: u8, bit_depth: u8) -> VpcC {
    VpcC {
        profile,
        level: VPX_LEVEL,
        bit_depth,
        chroma_subsampling: 1,
        video_full_range_flag: false,
        color_primaries: 1,
        transfer_characteristics: 1,
        matrix_coefficients: 1,
        codec_initialization_data: Vec::new(),
    }
}
