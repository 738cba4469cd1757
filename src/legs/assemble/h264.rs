//! H.264 payloads (RFC 6184). Own, since the family's reads past the end of a cut-off STAP-A and lets fragments grow without
//! bound.

use bytes::{BufMut, Bytes};

use super::{Malformed, Partial};

const SLICE: u8 = 1;
const IDR: u8 = 5;
const ACCESS_UNIT_DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Appends the payload's NAL units, each behind its length in 4 bytes.
pub(super) fn add(frame: &mut Partial, payload: &Bytes) -> Result<(), Malformed> {
    let header = *payload.first().ok_or(Malformed)?;
    match header & 31 {
        1..=23 => unit(frame, payload),
        STAP_A => {
            let mut at = 1;
            while at < payload.len() {
                let length: [u8; 2] = payload.get(at..at + 2).and_then(|two| two.try_into().ok()).ok_or(Malformed)?;
                let end = at + 2 + usize::from(u16::from_be_bytes(length));
                unit(frame, payload.get(at + 2..end).ok_or(Malformed)?)?;
                at = end;
            }
            Ok(())
        }
        FU_A => fragment(frame, header, payload),
        _ => Err(Malformed),
    }
}

fn unit(frame: &mut Partial, nal: &[u8]) -> Result<(), Malformed> {
    if frame.unit.is_some() {
        return Err(Malformed); // A fragmented unit was not finished.
    }
    let Some(&header) = nal.first() else { return Ok(()) };
    // Neither says anything that boxes do not say.
    if matches!(header & 31, ACCESS_UNIT_DELIMITER | FILLER) {
        return Ok(());
    }
    let start = frame.data.len();
    frame.data.put_u32(u32::try_from(nal.len()).map_err(|_| Malformed)?);
    frame.data.put_slice(nal);
    seen(frame, start);
    Ok(())
}

/// FU-A (section 5.8): the unit's header is split over the two bytes in front.
fn fragment(frame: &mut Partial, indicator: u8, payload: &Bytes) -> Result<(), Malformed> {
    let (start, end) = {
        let header = *payload.get(1).ok_or(Malformed)?;
        if header & 0x80 != 0 {
            if frame.unit.is_some() {
                return Err(Malformed);
            }
            frame.unit = Some(frame.data.len());
            frame.data.put_u32(0); // Its length, once it is known.
            frame.data.put_u8(indicator & 0xe0 | header & 31);
        }
        (frame.unit.ok_or(Malformed)?, header & 0x40 != 0)
    };
    frame.data.put_slice(payload.get(2..).ok_or(Malformed)?);
    if end {
        let length = u32::try_from(frame.data.len() - start - 4).map_err(|_| Malformed)?;
        frame.data[start..start + 4].copy_from_slice(&length.to_be_bytes());
        frame.unit = None;
        seen(frame, start);
    }
    Ok(())
}

/// The first slice of a picture has `first_mb_in_slice` 0, which is a single 1 bit (ITU-T H.264 sections 7.3.3, 9.1).
/// If the first that came has not, the picture's beginning is missing.
fn seen(frame: &mut Partial, start: usize) {
    let Some(&header) = frame.data.get(start + 4) else { return };
    let kind = header & 31;
    if !(SLICE..=IDR).contains(&kind) {
        return;
    }
    let first_slice = frame.data.get(start + 5).is_some_and(|byte| byte & 0x80 != 0);
    if !first_slice && !frame.slices {
        frame.whole = false;
    }
    frame.slices = true;
    frame.key |= kind == IDR;
}
