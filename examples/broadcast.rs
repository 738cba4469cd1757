//! A broadcast without a browser: ffmpeg sends a test picture and a tone as RTP, and whoever opens
//! `http://127.0.0.1:PORT/hls/demo/index.m3u8` watches it. The first line it prints is that address.
//!
//! `cargo run --example broadcast [SECONDS]`

use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use crescendo::config::{Hls, Legs};
use crescendo::http::hls::{HlsDirectory, router};
use crescendo::legs::{LegEvent, spawn};
use crescendo::sfu::tap::{Tap, TapId, Tapped};
use crescendo::sfu::{Codec, Layer, PublicationId, VideoCodec};
use crescendo_hls::{Composition, HlsLeg, Options};
use crescendo_leg_api::{Track, TrackKey};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

const PICTURE: PublicationId = PublicationId(1);
const SOUND: PublicationId = PublicationId(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(60), |text| text.parse()).context("seconds")?;

    let settings = Hls::default();
    let (leg, store) = HlsLeg::new(Options {
        part: Duration::from_millis(settings.part_ms.into()),
        segment: Duration::from_millis(settings.segment_ms.into()),
        segments: settings.segments,
        window: Duration::from_secs(settings.window_s.into()),
        audio_kbps: settings.audio_kbps,
        transcodes: crescendo_hls::Budget::new(1),
        transcode_kbps: 500,
        ladder: Vec::new(),
        directory: None,
        of: None,
        composition: Composition::default(),
        started: SystemTime::now(),
    });
    let (to, mut events) = mpsc::channel(64);
    let host = spawn(Box::new(leg), "hls-demo".into(), &Legs::default(), to);
    for (publication, audio) in [(PICTURE, false), (SOUND, true)] {
        let (participant, name) = ("p1".to_owned(), "ffmpeg".to_owned());
        host.add(publication, Track { key: TrackKey(publication.0), participant, name, screen: false, audio });
    }

    let (video, video_port) = receiver(host.tap(TapId(1)), PICTURE, Codec::Video(VideoCodec::H264)).await?;
    let (audio, audio_port) = receiver(host.tap(TapId(1)), SOUND, Codec::Opus).await?;
    let mut senders = [send_picture(video_port)?, send_sound(audio_port)?];

    let directory = HlsDirectory::default();
    directory.insert("demo".parse()?, store);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/hls/demo/index.m3u8", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, router(directory)).await });
    let log = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            // Key frames come on their own: this sender takes no requests.
            if let LegEvent::State(state) = event {
                eprintln!("{state:?}");
            }
        }
    });

    tokio::time::sleep(Duration::from_secs(seconds)).await;
    for sender in &mut senders {
        sender.kill()?;
        sender.wait()?;
    }
    video.abort();
    audio.abort();
    let ended = host.stop();
    tokio::task::spawn_blocking(move || ended.join()).await?.map_err(|_| anyhow::anyhow!("the leg panicked"))?;
    log.await?;
    server.abort();
    Ok(())
}

fn ffmpeg(arguments: &[&str], port: u16) -> anyhow::Result<Child> {
    Command::new("ffmpeg")
        .args(["-v", "error", "-re", "-f", "lavfi", "-i"])
        .args(arguments)
        .args(["-f", "rtp", &format!("rtp://127.0.0.1:{port}?pkt_size=1200")])
        .stdout(std::process::Stdio::null())
        .spawn()
        .context("ffmpeg")
}

fn send_picture(port: u16) -> anyhow::Result<Child> {
    let x264 = ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency"];
    let arguments = [&["testsrc2=size=640x360:rate=30"], x264.as_slice(), &["-threads", "1", "-g", "30"]].concat();
    ffmpeg(&arguments, port)
}

fn send_sound(port: u16) -> anyhow::Result<Child> {
    ffmpeg(&["sine=frequency=330:sample_rate=48000", "-c:a", "libopus", "-b:a", "32k", "-ac", "2"], port)
}

/// Takes RTP at a port and RTCP at the next one (RFC 3550 section 11), as ffmpeg sends them.
async fn receiver(
    tap: Tap,
    publication: PublicationId,
    codec: Codec,
) -> anyhow::Result<(tokio::task::JoinHandle<()>, u16)> {
    let (rtp, rtcp, port) = loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").await?;
        let port = rtp.local_addr()?.port();
        let Some(next) = port.checked_add(1) else { continue };
        if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", next)).await {
            break (rtp, rtcp, port);
        }
    };
    let task = tokio::spawn(async move {
        let (mut media, mut control) = ([0; 2_048], [0; 2_048]);
        loop {
            tokio::select! {
                Ok(length) = rtp.recv(&mut media) => {
                    let (arrival, packet) = (Instant::now(), Bytes::copy_from_slice(&media[..length]));
                    tap.push(Tapped::Rtp { publication, layer: Layer::WHOLE, codec, arrival, packet });
                }
                Ok(length) = rtcp.recv(&mut control) => {
                    if let Some((ntp, rtp)) = sender_report(&control[..length]) {
                        tap.push(Tapped::SenderReport { publication, layer: Layer::WHOLE, ntp, rtp, arrival: Instant::now() });
                    }
                }
            }
        }
    });
    Ok((task, port))
}

/// NTP and RTP time of a compound packet that begins with a sender report (RFC 3550 section 6.4.1).
fn sender_report(packet: &[u8]) -> Option<(u64, u32)> {
    if *packet.get(1)? != 200 {
        return None;
    }
    let ntp = u64::from_be_bytes(packet.get(8..16)?.try_into().ok()?);
    let rtp = u32::from_be_bytes(packet.get(16..20)?.try_into().ok()?);
    Some((ntp, rtp))
}
