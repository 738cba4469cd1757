//! AV1 payloads (AOM "RTP Payload Format For AV1" version 1.0, section 4). Own, since the family's panics on an element of
//! one byte that announces an extension.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Malformed, Partial};

const RESERVED: u8 = 0;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// Appends the payload's OBUs, each with its size.
pub(super) fn add(frame: &mut Partial, payload: &Bytes) -> Result<(), Malformed> {
    let aggregation = *payload.first().ok_or(Malformed)?;
    let (continues, goes_on) = (aggregation & 0x80 != 0, aggregation & 0x40 != 0);
    let count = usize::from(aggregation >> 4 & 3);
    if frame.data.is_empty() {
        frame.whole = !continues;
        // N: the first packet of a coded video sequence.
        frame.key = aggregation & 0x08 != 0;
    }
    if !frame.whole {
        return Ok(());
    }
    if continues != frame.unit.is_some() {
        return Err(Malformed);
    }
    let mut rest = payload.slice(1..);
    let mut index = 0;
    while !rest.is_empty() {
        index += 1;
        // W elements, the last without its length; all with it where W is 0.
        let length = if index == count { rest.len() } else { leb128(&mut rest)? };
        if length > rest.len() {
            return Err(Malformed);
        }
        let element = rest.split_to(length);
        let open_end = rest.is_empty() && goes_on;
        let start = frame.unit.take().unwrap_or(frame.data.len());
        frame.data.put_slice(&element);
        if open_end {
            frame.unit = Some(start);
        } else {
            let unit = frame.data.split_off(start);
            sized(&unit, &mut frame.data)?;
        }
    }
    if count != 0 && index != count { Err(Malformed) } else { Ok(()) }
}

/// Writes `unit`, an OBU with or without its size, with it (AV1 specification section 5.3).
fn sized(unit: &BytesMut, out: &mut BytesMut) -> Result<(), Malformed> {
    let Some(&header) = unit.first() else { return Ok(()) };
    let kind = header >> 3 & 15;
    if matches!(kind, RESERVED | TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
        return Ok(());
    }
    let header_length = if header & 4 != 0 { 2 } else { 1 };
    let mut body = Bytes::copy_from_slice(unit.get(header_length..).ok_or(Malformed)?);
    if header & 2 != 0 {
        let length = leb128(&mut body)?;
        if length != body.len() {
            return Err(Malformed);
        }
    }
    out.put_u8(header | 2);
    out.put_slice(&unit[1..header_length]);
    let mut length = body.len();
    while length >= 0x80 {
        out.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
    out.put_slice(&body);
    Ok(())
}

/// Section 4.10.5 of the AV1 specification; sizes that fit 28 bits.
fn leb128(bytes: &mut Bytes) -> Result<usize, Malformed> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        if bytes.is_empty() {
            return Err(Malformed);
        }
        let byte = bytes.split_to(1)[0];
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}
