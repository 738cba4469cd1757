//! The multivariant playlist as one viewer gets it. Pure.

use std::fmt::Write as _;

use super::query::{Asked, VIEWER_DIGITS, Viewer};

/// `index` with what was asked for, and with the viewer in the addresses of its media playlists (RFC 8216 section 4.1: lines
/// without `#`, and URI attributes), so that who watches can be counted without a cookie.
pub(super) fn personal(index: &[u8], asked: &Asked, viewer: Viewer) -> String {
    let index = String::from_utf8_lossy(index);
    let mut text = String::with_capacity(index.len() + 128);
    for line in index.lines() {
        let uri = line.find(".m3u8").map(|at| line.split_at(at + ".m3u8".len()));
        match uri {
            Some((before, after)) => write!(text, "{before}?viewer={:0VIEWER_DIGITS$x}{after}", viewer.0),
            None => write!(text, "{line}"),
        }
        .expect("a string takes everything");
        text.push('\n');
        if let (true, Some(start)) = (line == "#EXTM3U", asked.start_s) {
            writeln!(text, "#EXT-X-START:TIME-OFFSET={start:.3},PRECISE=YES").expect("a string takes everything");
        }
    }
    text
}
