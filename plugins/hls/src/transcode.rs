//! One sender's VP8, VP9 or AV1 to H.264, with GStreamer. Encoding costs a good part of a core, so a [`Budget`] says how many do
//! it at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crescendo_compose::decode::decoder;
use crescendo_compose::encode::{self, KeyRequests, Picture};
use crescendo_compose::pipeline::{self, AppLeakyType, Pipeline, PipelineError, make};
use crescendo_compose::{Budget, Place};
use crescendo_leg_api::Codec;

#[cfg(test)]
mod tests;

/// A transcoder that broke is replaced after this time, so that garbage from a sender costs little.
const BROKEN_FOR: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(crate) enum TranscodeError {
    #[error("{0:?} has to be transcoded, and as many legs as may (hls.transcodes = {1}) already are")]
    Budget(Codec, usize),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// Of one track.
#[derive(Debug)]
pub(crate) struct Transcoder {
    pub(crate) codec: Codec,
    kbps: u32,
    worker: Worker,
    /// The decoder goes on with a key frame.
    needs_key: bool,
    keys: KeyRequests,
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
        let place = budget.take().ok_or(TranscodeError::Budget(codec, budget.most()))?;
        let worker = Worker::Runs(open(codec, kbps)?);
        Ok(Self { codec, kbps, worker, needs_key: true, keys: KeyRequests::default(), _place: place })
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
        if let Worker::Runs(pipeline) = &self.worker {
            self.keys.ask(pipeline, now);
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
        encode::pictures(pipeline)
    }
}

fn open(codec: Codec, kbps: u32) -> Result<Pipeline, PipelineError> {
    pipeline::init()?;
    let (media, decoder) = decoder(codec)?;
    let ([encoder, parse], in_band) = encode::h264(kbps)?;
    // A decoder that lags loses nothing: what comes meanwhile is not pushed.
    Pipeline::start(&media, &[decoder, make("videoconvert")?, encoder, parse], &in_band, AppLeakyType::None)
}
