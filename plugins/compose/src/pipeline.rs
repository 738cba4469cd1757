//! A GStreamer pipeline with an end on each side that is ours.
//!
//! What comes out is pulled on the leg's own thread and no element calls back, so nothing can wait for a lock of ours while a
//! pipeline is being stopped.

use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
pub use gstreamer_app::AppLeakyType;
use gstreamer_app::{AppSink, AppSrc};

/// Buffers between us and an element: 2 s of packets of sound.
const BUFFERS_MAX: u32 = 100;

#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error("GStreamer does not start: {0}")]
    Init(#[source] gst::glib::Error),
    #[error("the GStreamer element {0} is missing")]
    Missing(&'static str),
    #[error("a GStreamer pipeline cannot be built: {0}")]
    Build(#[source] gst::glib::BoolError),
    #[error("a GStreamer pipeline does not start")]
    Start,
    #[error("an encoder broke: {0}")]
    Encoder(String),
}

/// Once for the process; again is no work.
pub fn init() -> Result<(), PipelineError> {
    gst::init().map_err(PipelineError::Init)
}

pub fn make(element: &'static str) -> Result<gst::Element, PipelineError> {
    gst::ElementFactory::make(element).build().map_err(|_| PipelineError::Missing(element))
}

/// A picture that is not encoded.
#[derive(Debug)]
pub struct Raw {
    pub time: Option<Duration>,
    /// In pixels.
    pub width: usize,
    pub height: usize,
    pub planes: Vec<u8>,
}

/// appsrc, some elements, appsink. Stopped when dropped.
#[derive(Debug)]
pub struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    sink: AppSink,
}

impl Pipeline {
    pub fn start(
        input: &gst::Caps,
        elements: &[gst::Element],
        output: &gst::Caps,
        leaky: AppLeakyType,
    ) -> Result<Self, PipelineError> {
        // Looked for by name first: the typed builders panic where the plugin is missing.
        make("appsrc")?;
        make("appsink")?;
        let source = AppSrc::builder()
            .caps(input)
            .format(gst::Format::Time)
            .max_buffers(BUFFERS_MAX.into())
            .leaky_type(leaky)
            .build();
        let sink = AppSink::builder().caps(output).sync(false).max_buffers(BUFFERS_MAX).build();
        let pipeline = gst::Pipeline::new();
        let mut chain: Vec<&gst::Element> = vec![source.upcast_ref()];
        chain.extend(elements);
        chain.push(sink.upcast_ref());
        pipeline.add_many(&chain).map_err(PipelineError::Build)?;
        gst::Element::link_many(&chain).map_err(PipelineError::Build)?;
        let this = Self { pipeline, source, sink };
        this.pipeline.set_state(gst::State::Playing).map_err(|_| PipelineError::Start)?;
        Ok(this)
    }

    pub fn push(&self, time: Duration, data: &Bytes) {
        let mut buffer = gst::Buffer::from_slice(data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::try_from(time).ok());
        }
        // Refused only by a pipeline that has stopped, which its bus reports.
        let _ = self.source.push_buffer(buffer);
    }

    /// No more should be pushed now.
    pub fn full(&self) -> bool {
        self.source.current_level_buffers() >= u64::from(BUFFERS_MAX) / 2
    }

    /// Until it is let go again nothing is taken from the source.
    #[cfg(test)]
    pub(crate) fn hold(&self, held: bool) {
        let state = if held { gst::State::Paused } else { gst::State::Playing };
        self.pipeline.set_state(state).expect("a state that a pipeline knows");
    }

    pub fn end(&self) {
        let _ = self.source.end_of_stream();
    }

    /// Asks the encoder for a key frame: the next picture is one.
    pub fn force_key(&self) {
        let request = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
        // An encoder that does not know it makes key frames at its own pace.
        let _ = self.sink.send_event(gst::event::CustomUpstream::new(request));
    }

    /// The picture that is pushed next is to be a key frame, however many wait before it.
    pub fn force_key_next(&self) {
        let request = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
        // It goes the way of the pictures, in their order.
        let _ = self.source.send_event(gst::event::CustomDownstream::new(request));
    }

    /// What is pushed from now on is of another kind.
    pub fn set_input(&self, caps: &gst::Caps) {
        self.source.set_caps(Some(caps));
    }

    /// The next buffer, and its time, waiting for at most `patience`.
    pub fn pull(&self, patience: gst::ClockTime) -> Option<(Option<Duration>, Vec<u8>)> {
        let sample = self.sink.try_pull_sample(patience)?;
        Some((time(&sample), data(&sample)?))
    }

    /// The next raw picture that is ready.
    pub fn pull_picture(&self) -> Option<Raw> {
        let sample = self.sink.try_pull_sample(gst::ClockTime::ZERO)?;
        let length = |name| usize::try_from(sample.caps()?.structure(0)?.get::<i32>(name).ok()?).ok();
        let (width, height) = length("width").zip(length("height"))?;
        Some(Raw { time: time(&sample), width, height, planes: data(&sample)? })
    }

    pub fn error(&self) -> Option<String> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

fn data(sample: &gst::Sample) -> Option<Vec<u8>> {
    Some(sample.buffer()?.map_readable().ok()?.to_vec())
}

/// Encoders move their time stamps, to have room for negative ones, and say so in the segment.
fn time(sample: &gst::Sample) -> Option<Duration> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let time = segment.to_running_time(sample.buffer()?.pts()?);
    time.map(Duration::from)
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a GStreamer pipeline did not stop");
        }
    }
}
