//! What a broadcast of several in one picture costs: real frames in real time into a leg, and the CPU time of all its threads.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use crescendo_hls::{Budget, Composition, HlsLeg, Layout};
use crescendo_leg_api::{Codec, Frame, Layer, Leg, TICK, Track, TrackKey};

use crate::figures::spread;
use crate::server::cpu_ns;

/// Of the senders' pictures.
const FPS: u32 = 30;

#[derive(Args)]
pub(crate) struct Options {
    /// How many are in the picture.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 4, 9])]
    participants: Vec<u64>,
    /// Heights that the picture is encoded in, in pixels, the largest first; its own when there are none.
    #[arg(long, value_delimiter = ',')]
    ladder: Vec<usize>,
    /// Of each measurement, after two for warming up.
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Measurements of each number.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("crescendo-composite-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let made =
        [("640x360", Layer::Medium), ("320x180", Layer::Low)].map(|(size, layer)| Ok((h264(&directory, size)?, layer)));
    std::fs::remove_dir_all(&directory)?;
    let [medium, low]: [anyhow::Result<(Vec<Bytes>, Layer)>; 2] = made;
    let layers = [medium?, low?];
    println!("everybody sends H.264 of 640x360 and 320x180 at {FPS} a second; 1280x720 at 25 a second comes out");
    if !options.ladder.is_empty() {
        println!("it is encoded in the heights {:?}", options.ladder);
    }
    println!("layout   participants   % of a core: median (least to most)   pictures missed");
    for layout in [Layout::Grid, Layout::Speaker] {
        for &count in &options.participants {
            let rounds: Vec<(f64, u64)> =
                (0..options.rounds).map(|_| measure(layout, count, &layers, options)).collect::<Result<_, _>>()?;
            let [middle, least, most] = spread(rounds.iter().map(|(percent, _)| *percent)).context("no rounds")?;
            let missed: u64 = rounds.iter().map(|(_, missed)| missed).sum();
            let layout = format!("{layout:?}").to_lowercase();
            println!("{layout:<8} {count:>12}   {middle:>3.0} ({least:.0} to {most:.0})   {missed}");
        }
    }
    Ok(())
}

/// % of a core, and pictures that were not made in time.
fn measure(
    layout: Layout,
    count: u64,
    layers: &[(Vec<Bytes>, Layer)],
    options: &Options,
) -> anyhow::Result<(f64, u64)> {
    let (mut leg, _store) = HlsLeg::new(crescendo_hls::Options {
        part: Duration::from_millis(200),
        segment: Duration::from_secs(1),
        segments: 10,
        window: Duration::from_secs(60),
        audio_kbps: 96,
        transcodes: Budget::new(options.ladder.len().max(1)),
        transcode_kbps: 1_500,
        ladder: options.ladder.clone(),
        directory: None,
        of: None,
        composition: Composition { layout, ..Composition::default() },
        started: SystemTime::now(),
    });
    for number in 0..count {
        let (participant, name) = (format!("p{number}"), format!("Participant {number}"));
        leg.track_added(Track { key: TrackKey(number), participant, name, screen: false, audio: false });
    }
    let warm = Duration::from_secs(2);
    let own = Path::new("/proc/self");
    let (begun, mut fed, mut since) = (Instant::now(), 0, None);
    loop {
        let now = begun.elapsed();
        if now >= warm && since.is_none() {
            leg.dropped();
            since = Some((now, cpu_ns(own)?));
        }
        if let Some((from, before)) =
            since.filter(|(from, _)| now >= *from + Duration::from_secs(options.seconds.into()))
        {
            let spent = Duration::from_nanos(cpu_ns(own)?.saturating_sub(before));
            return Ok((100.0 * spent.as_secs_f64() / (now - from).as_secs_f64(), leg.dropped()));
        }
        while Duration::from_secs(1) * fed / FPS <= now {
            for number in 0..count {
                for (units, layer) in layers {
                    let data = units[fed as usize % units.len()].clone();
                    let key = fed.is_multiple_of(FPS);
                    let capture = Duration::from_secs(1) * fed / FPS;
                    leg.frame(Frame { track: TrackKey(number), layer: *layer, codec: Codec::H264, capture, key, data });
                }
            }
            fed += 1;
        }
        leg.tick(now);
        leg.wants_key();
        std::thread::sleep((now + TICK).saturating_sub(begun.elapsed()));
    }
}

/// Two seconds of moving pictures with a key frame a second, as units behind their lengths.
fn h264(directory: &Path, size: &str) -> anyhow::Result<Vec<Bytes>> {
    let out = directory.join(format!("{size}.h264"));
    let input = format!("testsrc2=size={size}:rate={FPS}:duration=2");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &input, "-c:v", "libx264", "-profile:v", "baseline"])
        .args([
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-x264-params",
            "keyint=30:scenecut=0:aud=1:sliced-threads=0",
        ])
        .args(["-f", "h264"])
        .arg(&out)
        .status()
        .context("ffmpeg is needed")?;
    anyhow::ensure!(status.success(), "ffmpeg failed");
    let stream = std::fs::read(out)?;
    let mut units: Vec<Vec<u8>> = Vec::new();
    for nal in nals(&stream) {
        // Each unit begins with its delimiter (type 9).
        if nal.first().is_some_and(|first| first & 31 == 9) {
            units.push(Vec::new());
        }
        let unit = units.last_mut().context("a delimiter comes first")?;
        unit.extend_from_slice(&u32::try_from(nal.len())?.to_be_bytes());
        unit.extend_from_slice(nal);
    }
    Ok(units.into_iter().map(Bytes::from).collect())
}

/// NAL units between start codes of 3 or 4 bytes.
fn nals(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let codes: Vec<usize> = (0..stream.len().saturating_sub(2)).filter(|&at| stream[at..at + 3] == [0, 0, 1]).collect();
    let ends: Vec<usize> = codes.iter().skip(1).copied().chain([stream.len()]).collect();
    codes.into_iter().zip(ends).map(|(code, end)| {
        let nal = &stream[code + 3..end];
        // The first byte of a code of 4, or trailing zeros.
        &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    })
}
