//! Real frames, and RTP packets of them.

use std::path::Path;
use std::process::Command;

use bytes::{BufMut, Bytes, BytesMut};
use rtc_rtp::codec::h264::H264Payloader;
use rtc_rtp::packetizer::Payloader;

/// Access units of constrained-baseline H.264 in Annex B, one key frame every `gop` pictures.
pub(crate) fn h264(directory: &Path, size: &str, fps: u32, seconds: u32, gop: u32) -> Vec<Bytes> {
    h264_of(directory, &format!("testsrc2=size={size}:rate={fps}:duration={seconds}"), gop)
}

/// The same of a source of ffmpeg's.
pub(crate) fn h264_of(directory: &Path, input: &str, gop: u32) -> Vec<Bytes> {
    let out = directory.join("made.h264");
    let x264 = format!("keyint={gop}:min-keyint={gop}:scenecut=0:aud=1:sliced-threads=0");
    run(
        &["-f", "lavfi", "-i", input, "-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune"],
        &["zerolatency", "-x264-params", &x264, "-f", "h264"],
        &out,
    );
    let stream = Bytes::from(std::fs::read(out).expect("ffmpeg wrote it"));
    // Each access unit begins with its delimiter.
    let delimiter = [0, 0, 0, 1, 9];
    let mut starts: Vec<usize> =
        stream.windows(5).enumerate().filter(|(_, w)| *w == delimiter).map(|(i, _)| i).collect();
    starts.push(stream.len());
    starts.windows(2).map(|pair| stream.slice(pair[0]..pair[1])).collect()
}

/// Frames of VP8, VP9 or AV1, one key frame a second, made by `encoder` of ffmpeg with `options`.
pub(crate) fn ivf(directory: &Path, encoder: &str, options: &[&str], size: &str, fps: u32, seconds: u32) -> Vec<Bytes> {
    ivf_of(directory, encoder, options, &format!("testsrc2=size={size}:rate={fps}:duration={seconds}"), fps)
}

/// The same of a source of ffmpeg's.
pub(crate) fn ivf_of(directory: &Path, encoder: &str, options: &[&str], input: &str, fps: u32) -> Vec<Bytes> {
    let out = directory.join("made.ivf");
    let gop = fps.to_string();
    let output = [&["-c:v", encoder, "-pix_fmt", "yuv420p", "-g", &gop, "-b:v", "300k", "-f", "ivf"], options].concat();
    run(&["-f", "lavfi", "-i", input], &output, &out);
    let stream = Bytes::from(std::fs::read(out).expect("ffmpeg wrote it"));
    let (mut frames, mut at) = (Vec::new(), 32);
    while let Some(length) = stream.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four")) as usize;
        frames.push(stream.slice(at + 12..at + 12 + length));
        at += 12 + length;
    }
    frames
}

/// Opus packets of 20 ms: a tone.
pub(crate) fn opus(directory: &Path, seconds: u32) -> Vec<Bytes> {
    let out = directory.join("tone.ogg");
    let input = format!("sine=frequency=440:duration={seconds}:sample_rate=48000");
    run(&["-f", "lavfi", "-i", &input, "-c:a", "libopus", "-b:a", "32k"], &["-ac", "2", "-f", "ogg"], &out);
    ogg_packets(&std::fs::read(out).expect("ffmpeg wrote it")).into_iter().skip(2).collect()
}

fn run(input: &[&str], output: &[&str], path: &Path) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(input)
        .args(output)
        .arg(path)
        .status()
        .expect("ffmpeg is installed");
    assert!(status.success(), "ffmpeg {output:?}");
}

/// RFC 3533: pages of segments; a packet ends with a segment shorter than 255 bytes.
fn ogg_packets(mut file: &[u8]) -> Vec<Bytes> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    while file.len() > 27 {
        assert_eq!(&file[..4], b"OggS");
        let count = usize::from(file[26]);
        let (lengths, mut rest) = file[27..].split_at(count);
        for &length in lengths {
            let (segment, after) = rest.split_at(usize::from(length));
            packet.extend_from_slice(segment);
            rest = after;
            if length < 255 {
                packets.push(std::mem::take(&mut packet).into());
            }
        }
        file = rest;
    }
    packets
}

/// Writes RTP packets of one SSRC.
pub(crate) struct Packetizer {
    ssrc: u32,
    sequence: u16,
    h264: H264Payloader,
}

impl Packetizer {
    pub(crate) fn new(ssrc: u32) -> Self {
        Self { ssrc, sequence: 65_500, h264: H264Payloader::default() }
    }

    pub(crate) fn video(&mut self, timestamp: u32, unit: &Bytes) -> Vec<Bytes> {
        let payloads = self.h264.payload(1_100, unit).expect("H.264");
        let last = payloads.len().saturating_sub(1);
        payloads.iter().enumerate().map(|(index, payload)| self.packet(timestamp, index == last, payload)).collect()
    }

    /// One frame of a codec whose payloads need no more than the frame.
    pub(crate) fn frame(&mut self, payloader: &mut dyn Payloader, timestamp: u32, frame: &Bytes) -> Vec<Bytes> {
        let payloads = payloader.payload(1_100, frame).expect("a frame");
        let last = payloads.len().saturating_sub(1);
        payloads.iter().enumerate().map(|(index, payload)| self.packet(timestamp, index == last, payload)).collect()
    }

    pub(crate) fn audio(&mut self, timestamp: u32, packet: &Bytes) -> Vec<Bytes> {
        vec![self.packet(timestamp, false, packet)]
    }

    fn packet(&mut self, timestamp: u32, marker: bool, payload: &Bytes) -> Bytes {
        let mut out = BytesMut::with_capacity(12 + payload.len());
        out.put_u8(0x80);
        out.put_u8(u8::from(marker) << 7 | 96);
        out.put_u16(self.sequence);
        out.put_u32(timestamp);
        out.put_u32(self.ssrc);
        out.put_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        out.freeze()
    }
}
