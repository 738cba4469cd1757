//! One sender's VP8, VP9 or AV1 to H.264 with GStreamer, or any codec to H.264 of several sizes: decoded once, and encoded once each. Encoding costs a good part of a core, so a [`Budget`] says how many do
//! it at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crescendo_compose::decode::{byte_stream, decoder, raw_pictures};
use crescendo_compose::encode::{self, KeyRequests, Picture};
use crescendo_compose::pipeline::{self, AppLeakyType, Pipeline, PipelineError, make};
use crescendo_compose::{Budget, Place, Rungs, Size};
use crescendo_leg_api::{Codec, Layer};

#[cfg(test)]
mod tests;

/// A transcoder that broke is replaced after this time, so that garbage from a sender costs little.
const BROKEN_FOR: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(crate) enum TranscodeError {
    #[error(
        "{0:?} has to be transcoded to {1} size(s), and of the places for that (hls.transcodes = {2}) not as many are free"
    )]
    Budget(Codec, usize, usize),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// What is made of a picture.
#[derive(Debug, Clone)]
pub(crate) struct How {
    /// Of the largest size.
    pub(crate) kbps: u32,
    /// In pixels, the largest first; none: one size, that which comes.
    pub(crate) heights: Vec<usize>,
}

/// Of one track.
#[derive(Debug)]
pub(crate) struct Transcoder {
    pub(crate) codec: Codec,
    how: How,
    worker: Worker,
    /// The decoder goes on with a key frame.
    needs_key: bool,
    keys: KeyRequests,
    _place: Place,
}

#[derive(Debug)]
enum Worker {
    /// It decodes and encodes.
    Runs(Pipeline),
    /// It decodes, for encoders of several sizes.
    Ladder {
        decoder: Pipeline,
        rungs: Rungs,
    },
    Broken {
        until: Duration,
    },
}

impl Transcoder {
    /// Takes a place of the budget for each size.
    pub(crate) fn open(codec: Codec, how: How, budget: &Arc<Budget>) -> Result<Self, TranscodeError> {
        let sizes = how.heights.len().max(1);
        let place = budget.take(sizes).ok_or(TranscodeError::Budget(codec, sizes, budget.most()))?;
        let worker = open(codec, &how)?;
        Ok(Self { codec, how, worker, needs_key: true, keys: KeyRequests::default(), _place: place })
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
        let (Worker::Runs(pipeline) | Worker::Ladder { decoder: pipeline, .. }) = &self.worker else { return };
        // A picture that finds no room is as good as lost.
        self.needs_key = pipeline.full();
        if self.needs_key {
            return;
        }
        if self.codec == Codec::H264 {
            pipeline.push(capture, &byte_stream(data));
        } else {
            pipeline.push(capture, data);
        }
    }

    /// The next picture of the encoder is to be a key frame.
    pub(crate) fn force_key(&mut self, now: Duration) {
        match &mut self.worker {
            Worker::Runs(pipeline) => self.keys.ask(pipeline, now),
            Worker::Ladder { rungs, .. } => rungs.force_key(now),
            Worker::Broken { .. } => {}
        }
    }

    /// What is ready.
    pub(crate) fn pull(&mut self, now: Duration) -> Vec<Picture> {
        let broke = match &mut self.worker {
            Worker::Runs(pipeline) => pipeline.error(),
            Worker::Ladder { decoder, rungs } => scale(decoder, rungs),
            Worker::Broken { until } if now >= *until => {
                self.worker = open(self.codec, &self.how).unwrap_or(Worker::Broken { until: now + BROKEN_FOR });
                None
            }
            Worker::Broken { .. } => None,
        };
        if let Some(error) = broke {
            tracing::warn!(error, "a picture cannot be transcoded");
            self.worker = Worker::Broken { until: now + BROKEN_FOR };
            self.needs_key = true;
        }
        match &self.worker {
            Worker::Runs(pipeline) => encode::pictures(pipeline, Layer::WHOLE),
            Worker::Ladder { rungs, .. } => rungs.pictures(),
            Worker::Broken { .. } => Vec::new(),
        }
    }
}

/// Gives the encoders what was decoded; says what is wrong, if something is.
fn scale(decoder: &Pipeline, rungs: &mut Rungs) -> Option<String> {
    while let Some(raw) = decoder.pull_picture() {
        let (Some(capture), size) = (raw.time, Size { width: raw.width, height: raw.height }) else { continue };
        // A picture that finds no room is left out of every size.
        if let Err(error) = rungs.push(capture, size, &raw.planes.into()) {
            return Some(error.to_string());
        }
    }
    decoder.error().or_else(|| rungs.error())
}

fn open(codec: Codec, how: &How) -> Result<Worker, PipelineError> {
    pipeline::init()?;
    let (media, decoder) = decoder(codec)?;
    // A decoder that lags loses nothing: what comes meanwhile is not pushed.
    let start = |chain: &[_], output: &_| Pipeline::start(&media, chain, output, AppLeakyType::None);
    if how.heights.is_empty() {
        let ([encoder, parse], in_band) = encode::h264(how.kbps)?;
        return Ok(Worker::Runs(start(&[decoder, make("videoconvert")?, encoder, parse], &in_band)?));
    }
    let decoder = start(&[decoder, make("videoconvert")?, make("videoscale")?], &raw_pictures())?;
    Ok(Worker::Ladder { decoder, rungs: Rungs::new(&how.heights, how.kbps, 0) })
}
