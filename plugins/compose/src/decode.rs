//! Decoders of what participants send.

use bytes::Bytes;
use crescendo_leg_api::Codec;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::pipeline::{PipelineError, make};

/// What colours pictures have here, as GStreamer names them.
pub(crate) const COLOURS: &str = "bt601";

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
    if let Some(pad) = decoder.static_pad("src") {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, name_colours);
    }
    Ok((media, decoder))
}

/// Says what WebRTC's senders leave unsaid: their pictures are of BT.601 whatever their size. GStreamer, and players, take large ones
/// that say nothing for BT.709.
fn name_colours(_: &gst::Pad, info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    let Some(gst::PadProbeData::Event(event)) = &info.data else { return gst::PadProbeReturn::Ok };
    if let gst::EventView::Caps(said) = event.view()
        && said.caps().structure(0).is_some_and(|picture| !picture.has_field("colorimetry"))
    {
        let mut caps = said.caps_owned();
        caps.make_mut().set("colorimetry", COLOURS);
        info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
    }
    gst::PadProbeReturn::Ok
}

/// What decoded pictures of any size have to be for [`crate::Rungs`].
pub fn raw_pictures() -> gst::Caps {
    let picture = gst::Caps::builder("video/x-raw").field("format", "I420").field("colorimetry", COLOURS);
    picture.field("pixel-aspect-ratio", gst::Fraction::new(1, 1)).build()
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
