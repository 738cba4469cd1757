//! A broadcast from RTP packets to what players are given: real H.264 and Opus, made by ffmpeg for the occasion.

mod check;
pub(crate) mod media;
mod scenes;
