//! One picture encoded in several sizes, each once. Every size gets the same pictures with the same times, and its key frames where the
//! others have theirs, so that players can change between them there.

use std::time::Duration;

use bytes::Bytes;
use crescendo_leg_api::Layer;
use gstreamer_app::AppLeakyType;

use crate::composite::{Size, raw};
use crate::encode::{self, KeyRequests, Picture};
use crate::pipeline::{self, Pipeline, PipelineError, make};

#[cfg(test)]
mod tests;

/// Bit rate below which no size goes, in kbit/s.
const KBPS_MIN: u32 = 100;

/// Encoders of one picture.
#[derive(Debug)]
pub struct Rungs {
    heights: Vec<usize>,
    kbps: u32,
    /// Pictures a second; 0 where that varies.
    fps: u32,
    input: Option<Size>,
    running: Vec<Running>,
    keys: KeyRequests,
    key_due: bool,
}

#[derive(Debug)]
struct Running {
    rung: Rung,
    pipeline: Pipeline,
    /// It had a picture; the first is a key frame by itself.
    begun: bool,
}

/// One size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rung {
    layer: Layer,
    size: Size,
    kbps: u32,
    /// It may be smaller than the picture.
    scaled: bool,
}

impl Rungs {
    /// `heights`: in pixels, the largest first, no more than there are layers; none: one size, that of the picture. `kbps`: of the
    /// largest; `fps`: pictures a second, 0 where that varies.
    pub fn new(heights: &[usize], kbps: u32, fps: u32) -> Self {
        let heights = heights.iter().copied().take(Layer::ALL.len()).collect();
        Self { heights, kbps, fps, input: None, running: Vec::new(), keys: KeyRequests::default(), key_due: false }
    }

    /// Encodes a picture in `I420` of `size`. False where an encoder has no room: then none of them gets it.
    pub fn push(&mut self, capture: Duration, size: Size, data: &Bytes) -> Result<bool, PipelineError> {
        if self.input != Some(size) {
            self.resize(size)?;
        }
        if self.running.iter().any(|running| running.pipeline.full()) {
            return Ok(false);
        }
        let is_key = std::mem::take(&mut self.key_due);
        for Running { pipeline, begun, .. } in &mut self.running {
            if is_key && std::mem::replace(begun, true) {
                pipeline.force_key_next();
            }
            pipeline.push(capture, data);
        }
        Ok(true)
    }

    /// The next picture is to be a key frame, in every size.
    pub fn force_key(&mut self, now: Duration) {
        self.key_due |= self.keys.is_due(now);
    }

    /// What is ready, each size in its order.
    pub fn pictures(&self) -> Vec<Picture> {
        let of = |running: &Running| encode::pictures(&running.pipeline, running.rung.layer);
        self.running.iter().flat_map(of).collect()
    }

    pub fn error(&self) -> Option<String> {
        self.running.iter().find_map(|running| running.pipeline.error())
    }

    /// Encoders of sizes that stay go on, and all of them begin the new picture with a key frame.
    fn resize(&mut self, input: Size) -> Result<(), PipelineError> {
        let mut before = std::mem::take(&mut self.running);
        for rung in sizes(&self.heights, self.kbps, input) {
            let known = before.iter().position(|running| running.rung == rung && rung.scaled);
            let known = known.map(|index| before.swap_remove(index));
            if let Some(running) = &known {
                running.pipeline.set_input(&raw(input, Some(self.fps)));
            }
            self.running.push(match known {
                Some(running) => running,
                None => Running { rung, pipeline: open(rung, input, self.fps)?, begun: false },
            });
        }
        (self.input, self.key_due) = (Some(input), true);
        Ok(())
    }
}

/// The sizes that a picture is encoded in: none larger than itself, and one at least.
fn sizes(heights: &[usize], kbps: u32, input: Size) -> Vec<Rung> {
    let whole = Rung { layer: Layer::WHOLE, size: input, kbps, scaled: false };
    let largest = heights.first().copied().unwrap_or(input.height);
    let rung = |(layer, &height): (Layer, &usize)| {
        let width = (input.width * height / input.height.max(1)).max(2) & !1;
        // What a picture takes grows slower than its area: with the power 3/4 of that, 3/2 of its height.
        let share = (height as f64 / largest.max(1) as f64).powf(1.5);
        let kbps = ((f64::from(kbps) * share) as u32).max(KBPS_MIN.min(kbps));
        Rung { layer, size: Size { width, height }, kbps, scaled: true }
    };
    let all: Vec<Rung> = Layer::ALL.into_iter().rev().zip(heights).map(rung).collect();
    let fitting: Vec<Rung> = all.iter().filter(|rung| rung.size.height <= input.height).copied().collect();
    match (fitting.is_empty(), all.last()) {
        (false, _) => fitting,
        (true, Some(smallest)) => vec![Rung { size: input, scaled: false, ..*smallest }],
        (true, None) => vec![whole],
    }
}

fn open(rung: Rung, input: Size, fps: u32) -> Result<Pipeline, PipelineError> {
    pipeline::init()?;
    let (encoder, in_band) = encode::h264(rung.kbps)?;
    let mut chain = Vec::new();
    if rung.scaled {
        let size = make("capsfilter")?;
        gstreamer::prelude::ObjectExt::set_property(&size, "caps", raw(rung.size, None));
        chain.extend([make("videoscale")?, size]);
    }
    chain.extend(encoder);
    Pipeline::start(&raw(input, Some(fps)), &chain, &in_band, AppLeakyType::None)
}
