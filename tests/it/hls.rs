//! A broadcast from RTP packets to what players are given: real H.264 and Opus, made by ffmpeg for the occasion.

mod check;
mod media;
mod scenes;
