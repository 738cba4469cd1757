//! One sender's VP8, VP9 or AV1 to H.264, with GStreamer. Encoding costs a good part of a core, so a [`Budget`] says how many do
//! it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use crescendo_leg_api::Codec;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppLeakyType;

use crate::pipeline::{self, Pipeline, PipelineError, make};

#[cfg(test)]
mod tests;

/// A transcoder that broke is replaced after this time, so that garbage from a sender costs little.
const BROKEN_FOR: Duration = Duration::from_secs(2);

/// A key frame that the encoder was asked for is not asked for again before this.
const KEY_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// How many transcode at once.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    used: AtomicUsize,
}

/// A place in a [`Budget`], given back when dropped.
#[derive(Debug)]
struct Place(Arc<Budget>);

impl Budget {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, used: AtomicUsize::new(0) })
    }

    fn take(self: &Arc<Self>) -> Option<Place> {
        let more = |used| (used < self.most).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TranscodeError {
    #[error("{0:?} has to be transcoded, and as many broadcasts as may (hls.transcodes = {1}) already are")]
    Budget(Codec, usize),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// A picture that was encoded anew.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) capture: Duration,
    pub(crate) key: bool,
    /// NAL units, each behind its length in 4 bytes.
    pub(crate) data: Bytes,
}

/// Of one track.
#[derive(Debug)]
pub(crate) struct Transcoder {
    pub(crate) codec: Codec,
    kbps: u32,
    worker: Worker,
    /// The decoder goes on with a key frame.
    needs_key: bool,
    key_asked: Option<Duration>,
    _place: Place,
}

#[derive(Debug)]
enum Worker {
    Runs(Pipeline),
    Broken { until: Duration },
}

impl Transcoder {
    /// `kbps`: of what is encoded.
    pub(crate) fn open(codec: Codec, kbps: u32, budget: &Arc<Budget>) -> Result<Self, TranscodeError> {
        let place = budget.take().ok_or(TranscodeError::Budget(codec, budget.most))?;
        let worker = Worker::Runs(open(codec, kbps)?);
        Ok(Self { codec, kbps, worker, needs_key: true, key_asked: None, _place: place })
    }

    pub(crate) fn needs_key(&self) -> bool {
        self.needs_key
    }

    /// Frames were lost.
    pub(crate) fn gap(&mut self) {
        self.needs_key = true;
    }

    pub(crate) fn push(&mut self, capture: Duration, key: bool, data: &Bytes) {
        if self.needs_key && !key {
            return;
        }
        match &self.worker {
            // A picture that finds no room is as good as lost.
            Worker::Runs(pipeline) if pipeline.full() => self.needs_key = true,
            Worker::Runs(pipeline) => {
                self.needs_key = false;
                pipeline.push(capture, data);
            }
            Worker::Broken { .. } => {}
        }
    }

    /// The next picture of the encoder is to be a key frame.
    pub(crate) fn force_key(&mut self, now: Duration) {
        let again = self.key_asked.is_none_or(|asked| now.saturating_sub(asked) >= KEY_AGAIN_AFTER);
        if let (Worker::Runs(pipeline), true) = (&self.worker, again) {
            self.key_asked = Some(now);
            pipeline.force_key();
        }
    }

    /// What is ready.
    pub(crate) fn pull(&mut self, now: Duration) -> Vec<Picture> {
        let broke = match &self.worker {
            Worker::Runs(pipeline) => pipeline.error(),
            Worker::Broken { until } if now >= *until => {
                self.worker = match open(self.codec, self.kbps) {
                    Ok(pipeline) => Worker::Runs(pipeline),
                    Err(_) => Worker::Broken { until: now + BROKEN_FOR },
                };
                None
            }
            Worker::Broken { .. } => None,
        };
        if let Some(error) = broke {
            tracing::warn!(error, "a picture cannot be transcoded");
            self.worker = Worker::Broken { until: now + BROKEN_FOR };
            self.needs_key = true;
        }
        let Worker::Runs(pipeline) = &self.worker else { return Vec::new() };
        let pulled = std::iter::from_fn(|| pipeline.pull(gst::ClockTime::ZERO));
        pulled.filter_map(|(time, data)| Some(picture(time?, data))).collect()
    }
}

fn picture(capture: Duration, data: Vec<u8>) -> Picture {
    let data = Bytes::from(data);
    let key = crescendo_cmaf::avc::nals(&data).any(|nal| nal[0] & 31 == 5);
    Picture { capture, key, data }
}

fn open(codec: Codec, kbps: u32) -> Result<Pipeline, PipelineError> {
    pipeline::init()?;
    let (media, decoder) = match codec {
        Codec::Vp9 => (gst::Caps::new_empty_simple("video/x-vp9"), make("vp9dec")?),
        Codec::Av1 => {
            let units = gst::Caps::builder("video/x-av1").field("stream-format", "obu-stream").field("alignment", "tu");
            (units.build(), make("av1dec")?)
        }
        Codec::Vp8 | Codec::H264 | Codec::Opus => (gst::Caps::new_empty_simple("video/x-vp8"), make("vp8dec")?),
    };
    // Hostile frames are no reason to stop.
    decoder.set_property("max-errors", -1);
    let parse = make("h264parse")?;
    parse.set_property("config-interval", -1);
    let in_band = gst::Caps::builder("video/x-h264").field("stream-format", "avc3").field("alignment", "au").build();
    let chain = [decoder, make("videoconvert")?, encoder(kbps)?, parse];
    // A decoder that lags loses nothing: what comes meanwhile is not pushed.
    Pipeline::start(&media, &chain, &in_band, AppLeakyType::None)
}

/// The better one of those that are there. Key frames come when they are asked for.
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

/// In pictures.
const KEY_AT_LEAST_EVERY: u32 = 300;
