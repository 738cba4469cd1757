//! Decoders of what participants send.

use bytes::Bytes;
use crescendo_leg_api::Codec;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::pipeline::{PipelineError, make};

/// A decoder of pictures, and the caps of what goes into it; of H.264 see [`byte_stream`].
pub fn decoder(codec: Codec) -> Result<(gst::Caps, gst::Element), PipelineError> {
    let (media, decoder) = match codec {
        Codec::H264 => {
            let units =
                gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au");
            let decoder = make("avdec_h264")?;
            // A thread a picture would hold as many pictures back.
            decoder.set_property("max-threads", 1);
            (units.build(), decoder)
        }
        Codec::Vp9 => (gst::Caps::new_empty_simple("video/x-vp9"), make("vp9dec")?),
        Codec::Av1 => {
            let units = gst::Caps::builder("video/x-av1").field("stream-format", "obu-stream").field("alignment", "tu");
            (units.build(), make("av1dec")?)
        }
        Codec::Vp8 | Codec::Opus => (gst::Caps::new_empty_simple("video/x-vp8"), make("vp8dec")?),
    };
    // Hostile frames are no reason to stop.
    decoder.set_property("max-errors", -1);
    Ok((media, decoder))
}

/// NAL units behind start codes in place of lengths (ITU-T H.264 annex B).
pub fn byte_stream(unit: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(unit.len());
    for nal in crescendo_cmaf::avc::nals(unit) {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(&nal);
    }
    out.into()
}
