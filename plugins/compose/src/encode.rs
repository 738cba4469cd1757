//! H.264 out of raw pictures, with the better encoder of those that are there. Key frames come when they are asked for.

use std::time::Duration;

use bytes::Bytes;
use crescendo_leg_api::Layer;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::pipeline::{Pipeline, PipelineError, make};

/// In pictures.
const KEY_AT_LEAST_EVERY: u32 = 300;

/// A key frame that the encoder was asked for is not asked for again before this.
const KEY_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// An encoded picture.
#[derive(Debug)]
pub struct Picture {
    /// Which of several sizes it has; of one size [`Layer::WHOLE`].
    pub layer: Layer,
    pub capture: Duration,
    pub key: bool,
    /// NAL units, each behind its length in 4 bytes.
    pub data: Bytes,
}

/// What a pipeline ends with to give H.264 of `kbps`, its parameter sets in band, and the caps of that.
pub fn h264(kbps: u32) -> Result<([gst::Element; 2], gst::Caps), PipelineError> {
    let parse = make("h264parse")?;
    parse.set_property("config-interval", -1);
    let in_band = gst::Caps::builder("video/x-h264").field("stream-format", "avc3").field("alignment", "au").build();
    Ok(([encoder(kbps)?, parse], in_band))
}

fn encoder(kbps: u32) -> Result<gst::Element, PipelineError> {
    if let Ok(x264) = make("x264enc") {
        x264.set_property_from_str("tune", "zerolatency");
        x264.set_property_from_str("speed-preset", "ultrafast");
        x264.set_property("bitrate", kbps);
        x264.set_property("key-int-max", KEY_AT_LEAST_EVERY);
        return Ok(x264);
    }
    let openh264 = make("openh264enc")?;
    openh264.set_property("bitrate", kbps.saturating_mul(1_000));
    openh264.set_property("gop-size", KEY_AT_LEAST_EVERY);
    Ok(openh264)
}

/// What such a pipeline has ready, as pictures of `layer`.
pub fn pictures(pipeline: &Pipeline, layer: Layer) -> Vec<Picture> {
    let pulled = std::iter::from_fn(|| pipeline.pull(gst::ClockTime::ZERO));
    pulled.filter_map(|(time, data)| Some(picture(layer, time?, data))).collect()
}

fn picture(layer: Layer, capture: Duration, data: Vec<u8>) -> Picture {
    let data = Bytes::from(data);
    let key = crescendo_cmaf::avc::nals(&data).any(|nal| nal[0] & 31 == 5);
    Picture { layer, capture, key, data }
}

/// When an encoder was last asked for a key frame.
#[derive(Debug, Default)]
pub struct KeyRequests(Option<Duration>);

impl KeyRequests {
    /// The next picture is to be a key frame.
    pub fn ask(&mut self, pipeline: &Pipeline, now: Duration) {
        if self.is_due(now) {
            pipeline.force_key();
        }
    }

    /// It is asked, and was not just before.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.0.is_none_or(|asked| now.saturating_sub(asked) >= KEY_AGAIN_AFTER);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}
