//! How long an Opus packet lasts.

#[cfg(test)]
mod tests;

/// 20 ms of silence, CELT at full band, stereo: what stands where a sender sent nothing.
pub const SILENCE: [u8; 3] = [0xfc, 0xff, 0xfe];

/// Samples of [`SILENCE`] at 48 kHz.
pub const SILENCE_LENGTH: u32 = 960;

/// Samples of a packet at 48 kHz (RFC 6716 section 3.1). None where it breaks the rules: it is empty, or longer than 120 ms.
pub fn length(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame = match config {
        0..12 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        12..16 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let length = frame * frames;
    (1..=5_760).contains(&length).then_some(length)
}
