//! The boxes of an init section, of the head of a recording, and of a fragment (ISO/IEC 14496-12).

use bytes::Bytes;
use mp4_atom::{
    Atom as _, Dinf, Dref, Encode, Error, FourCC, Free, Ftyp, Hdlr, Header, Mdat, Mdhd, Mdia, Mfhd, Minf, Moof, Moov,
    Mvex, Mvhd, Stbl, Stsd, Styp, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url, Zeroed,
};

use crate::{Coding, Sample, VIDEO_TIMESCALE};

fn brands(names: &[&[u8; 4]]) -> Vec<FourCC> {
    names.iter().map(|name| FourCC::new(name)).collect()
}

fn ftyp() -> Ftyp {
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: brands(&[b"iso6", b"cmfc", b"mp41"]),
    }
}

/// ftyp and moov of a file with one track: what EXT-X-MAP points at.
pub fn init_section(coding: &Coding) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(1_024);
    ftyp().encode(&mut out)?;
    moov(std::slice::from_ref(coding), coding.timescale())?.encode(&mut out)?;
    Ok(out.into())
}

/// ftyp, a free box of 16 bytes and moov: what a recording begins with. Tracks are numbered from 1 in their order; movie times
/// have [`VIDEO_TIMESCALE`] units a second. Once it has ended, the free box becomes the header of an mdat box around all fragments.
pub fn recording_head(tracks: &[Coding]) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(2_048);
    ftyp().encode(&mut out)?;
    Free { zeroed: Zeroed::new(8) }.encode(&mut out)?;
    moov(tracks, VIDEO_TIMESCALE)?.encode(&mut out)?;
    Ok(out.into())
}

fn moov(tracks: &[Coding], timescale: u32) -> Result<Moov, Error> {
    let (mut trak, mut trex) = (Vec::new(), Vec::new());
    for (track_id, coding) in (1..).zip(tracks) {
        trak.push(track(track_id, coding)?);
        trex.push(Trex { track_id, default_sample_description_index: 1, ..Default::default() });
    }
    let next_track_id = u32::try_from(tracks.len()).unwrap_or(u32::MAX - 1) + 1;
    Ok(Moov {
        mvhd: Mvhd { timescale, rate: 1.into(), volume: 1.into(), next_track_id, ..Default::default() },
        mvex: Some(Mvex { trex, ..Default::default() }),
        trak,
        ..Default::default()
    })
}

fn track(track_id: u32, coding: &Coding) -> Result<Trak, Error> {
    let size = coding.size();
    let video = size.is_some();
    let (width, height) = size.map_or((0, 0), |size| (size.width, size.height));
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![coding.sample_entry()?] },
        stco: Some(Default::default()),
        ..Default::default()
    };
    Ok(Trak {
        tkhd: Tkhd {
            track_id,
            enabled: true,
            in_movie: true,
            volume: u8::from(!video).into(),
            width: width.into(),
            height: height.into(),
            ..Default::default()
        },
        mdia: Mdia {
            mdhd: Mdhd { timescale: coding.timescale(), language: "und".into(), ..Default::default() },
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
    })
}

/// Sample flags (ISO/IEC 14496-12 section 8.8.3.1): depends on no other; depends on others and is no sync sample.
const SYNC: u32 = 0x0200_0000;
const NON_SYNC: u32 = 0x0101_0000;

/// A fragment of `samples` of the only track, each with how long it lasts, behind a styp where a segment begins.
pub fn chunk(sequence: u32, opens_segment: bool, samples: &[(Sample, u32)]) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    if opens_segment {
        Styp {
            major_brand: FourCC::new(b"msdh"),
            minor_version: 0,
            compatible_brands: brands(&[b"msdh", b"cmfs", b"cmff"]),
        }
        .encode(&mut out)?;
    }
    write_fragment(&mut out, sequence, &[(1, samples)])?;
    Ok(out.into())
}

/// moof and mdat of the samples of each track, by its number. A track's samples follow each other without a hole.
pub fn fragment(sequence: u32, tracks: &[(u32, &[(Sample, u32)])]) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    write_fragment(&mut out, sequence, tracks)?;
    Ok(out.into())
}

fn write_fragment(out: &mut Vec<u8>, sequence: u32, tracks: &[(u32, &[(Sample, u32)])]) -> Result<(), Error> {
    let length = |samples: &[(Sample, u32)]| samples.iter().map(|(sample, _)| sample.data.len()).sum::<usize>();
    let size: usize = tracks.iter().map(|(_, samples)| length(samples)).sum();
    let count: usize = tracks.iter().map(|(_, samples)| samples.len()).sum();
    out.reserve(size + 160 * tracks.len() + 12 * count);
    let traf = tracks.iter().map(|(track, samples)| run(*track, samples)).collect();
    let mut moof = Moof { mfhd: Mfhd { sequence_number: sequence }, traf };
    // The samples begin behind the moof and the 8 bytes of mdat's header; how long the moof is shows once it is written.
    let start = out.len();
    moof.encode(out)?;
    let mut at = out.len() - start + 8;
    out.truncate(start);
    for (traf, (_, samples)) in moof.traf.iter_mut().zip(tracks) {
        traf.trun[0].data_offset = i32::try_from(at).ok();
        at += length(samples);
    }
    moof.encode(out)?;
    Header { kind: Mdat::KIND, size: Some(size) }.encode(out)?;
    for (sample, _) in tracks.iter().flat_map(|(_, samples)| *samples) {
        out.extend_from_slice(&sample.data);
    }
    Ok(())
}

fn run(track_id: u32, samples: &[(Sample, u32)]) -> Traf {
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
    Traf {
        tfhd: Tfhd { track_id, default_base_is_moof: true, ..Default::default() },
        tfdt: Some(Tfdt { base_media_decode_time: time }),
        trun: vec![Trun { data_offset: Some(0), samples: entries.into() }],
        ..Default::default()
    }
}
