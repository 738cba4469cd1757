//! The process that is measured: the real listeners and the real HLS routes, with a broadcast of made-up frames behind them.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use crescendo::config::Config;
use crescendo::http::hls::{HlsDirectory, router};
use crescendo::listen::{Beyond, Listeners, allow_open_files};
use crescendo_hls::{Answer, HlsLeg, Query, Store};
use crescendo_leg_api::{Codec, Frame, Layer, Leg as _, Track, TrackKey};

use super::{Said, nanoseconds};

/// 640×360, constrained baseline.
const SPS: [u8; 15] = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf0, 0x88, 0x46, 0xa0];
const FPS: u32 = 30;
const TRACK: TrackKey = TrackKey(1);

#[derive(Args)]
pub(crate) struct Options {
    #[arg(long)]
    part_ms: u64,
    #[arg(long)]
    segment_ms: u64,
    #[arg(long)]
    part_bytes: usize,
}

/// Serves until a line comes on stdin, which ends the broadcast; what it has made is served on until stdin ends.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut config = Config::default();
    config.http.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    // The crowd is there long before it asks.
    config.http.read_timeout_ms = 60_000;
    allow_open_files(&config);
    let (mut leg, store) = HlsLeg::new(crescendo_hls::Options {
        part: Duration::from_millis(options.part_ms),
        segment: Duration::from_millis(options.segment_ms),
        segments: 10,
        window: Duration::from_secs(60),
        audio_kbps: 96,
        transcodes: crescendo_hls::Budget::new(1),
        transcode_kbps: 500,
        ladder: Vec::new(),
        directory: None,
        of: None,
        composition: crescendo_hls::Composition::default(),
        started: SystemTime::now(),
    });
    leg.track_added(Track { key: TRACK, participant: "p1".into(), name: String::new(), screen: false, audio: false });
    let directory = HlsDirectory::default();
    directory.insert("bench".parse()?, store.clone());

    // One core, one worker.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listeners = runtime.block_on(Listeners::bind(&config))?;
    let http = listeners.http()[0];
    runtime.spawn(async move {
        listeners.serve(&config, router(directory), Beyond::default(), std::future::pending()).await
    });

    let over = Arc::new(AtomicBool::new(false));
    let frame_bytes = options.part_bytes * 1_000 / (options.part_ms as usize * FPS as usize);
    let broadcast = std::thread::spawn({
        let over = over.clone();
        move || {
            say(&Said::Listening { http, run: store.run().to_owned() });
            film(&mut leg, &store, frame_bytes, &over);
            leg.finish();
            say(&Said::Ended);
        }
    });
    let mut lines = std::io::stdin().lock().lines();
    lines.next().transpose()?;
    over.store(true, Ordering::Relaxed);
    broadcast.join().map_err(|_| anyhow::anyhow!("the broadcast panicked"))?;
    lines.next().transpose()?;
    Ok(())
}

/// Frames in real time, a key frame a second; says when the first part of each segment is there.
fn film(leg: &mut HlsLeg, store: &Store, frame_bytes: usize, over: &AtomicBool) {
    let started = Instant::now();
    let mut segment = 0;
    for index in 0.. {
        let capture = Duration::from_secs(1) * index / FPS;
        std::thread::sleep((started + capture).saturating_duration_since(Instant::now()));
        if over.load(Ordering::Relaxed) {
            return;
        }
        let frame = frame(index, frame_bytes, capture);
        let before = nanoseconds();
        leg.frame(frame);
        let first_part = Query { msn: Some(segment), part: Some(0), skip: false };
        if let Answer::Playlist(_) = store.get("video.m3u8", first_part) {
            say(&Said::Published { segment, at: before });
            segment += 1;
        }
        leg.tick(started.elapsed());
    }
}

fn frame(index: u32, bytes: usize, capture: Duration) -> Frame {
    let key = index.is_multiple_of(FPS);
    let mut slice = vec![0x5a; bytes.max(16)];
    slice[..2].copy_from_slice(if key { &[0x65, 0x88] } else { &[0x41, 0x9a] });
    let units: &[&[u8]] = if key { &[&SPS, &[0x68, 1], &slice] } else { &[&slice] };
    let mut data = Vec::with_capacity(bytes + 64);
    for unit in units {
        data.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        data.extend_from_slice(unit);
    }
    Frame { track: TRACK, layer: Layer::WHOLE, codec: Codec::H264, capture, key, data: data.into() }
}

fn say(said: &Said) {
    let mut out = std::io::stdout().lock();
    let line = serde_json::to_string(said).expect("it is JSON");
    // Who reads it may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
