//! A playlist as it is given out: written and packed once, shared by everybody who asks for it.

use std::io::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The text of a playlist.
#[derive(Debug)]
pub struct Text {
    body: Bytes,
    tag: String,
    gzip: OnceLock<Bytes>,
}

impl Text {
    pub fn new(text: impl Into<Bytes>) -> Self {
        let body = text.into();
        // FNV-1a: two playlists that differ have different tags.
        let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { body, tag: format!("\"{hash:016x}\""), gzip: OnceLock::new() }
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Its ETag, with the quotes.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Packed (RFC 1952), at the first call.
    pub fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut packed = GzEncoder::new(Vec::with_capacity(self.body.len() / 4), Compression::fast());
            packed.write_all(&self.body).expect("a vector takes everything");
            packed.finish().expect("a vector takes everything").into()
        })
    }
}
