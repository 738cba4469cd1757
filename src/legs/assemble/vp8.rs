//! VP8 payloads (RFC 7741 section 4). Own, since the family's refuses payloads of less than four bytes, as the end of a frame may
//! be.

use bytes::{BufMut, Bytes};

use super::{Malformed, Partial};

/// Appends the payload's part of the frame.
pub(super) fn add(frame: &mut Partial, payload: &Bytes) -> Result<(), Malformed> {
    let length = descriptor(payload).filter(|length| *length < payload.len()).ok_or(Malformed)?;
    if frame.data.is_empty() {
        // S and PID: the frame starts here.
        frame.whole = payload[0] & 0x17 == 0x10;
        // RFC 6386 section 9.1: the lowest bit of a key frame is 0.
        frame.key = payload[length] & 1 == 0;
    }
    frame.data.put_slice(&payload[length..]);
    Ok(())
}

/// Bytes of the payload descriptor (section 4.2). None when it is cut off.
fn descriptor(payload: &[u8]) -> Option<usize> {
    let first = *payload.first()?;
    if first & 0x80 == 0 {
        return Some(1);
    }
    let extensions = *payload.get(1)?;
    let mut length = 2;
    if extensions & 0x80 != 0 {
        // A picture number has 7 bits or 15.
        length += if payload.get(length)? & 0x80 == 0 { 1 } else { 2 };
    }
    length += usize::from(extensions & 0x40 != 0);
    length += usize::from(extensions & 0x30 != 0);
    Some(length)
}
