//! A broadcast from RTP packets to what players are given: real H.264 and Opus, made by ffmpeg for the occasion.

pub(crate) mod check;
#[cfg(feature = "cloud")]
mod cloud;
mod composite;
mod doors;
mod ladder;
pub(crate) mod media;
mod rungs;
mod scenes;
mod transcode;
