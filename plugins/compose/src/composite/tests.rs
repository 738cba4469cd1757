use gstreamer as gst;
use gstreamer::prelude::*;

use super::image::{Place, Size};
use super::layout::places;
use crate::pipeline::{AppLeakyType, Pipeline};

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
const CANVAS: Size = Size { width: 1_280, height: 720 };

fn overlap(one: &Place, other: &Place) -> bool {
    let apart = |a: usize, a_length: usize, b: usize, b_length: usize| a + a_length <= b || b + b_length <= a;
    !apart(one.x, one.size.width, other.x, other.size.width)
        && !apart(one.y, one.size.height, other.y, other.size.height)
}

#[test]
fn tiles_lie_within_the_canvas_side_by_side_however_many_there_are() {
    for canvas in [CANVAS, Size { width: 320, height: 180 }, Size { width: 720, height: 1_280 }] {
        for layout in [Layout::Grid, Layout::Speaker] {
            for count in 1..=49 {
                let places = places(layout, canvas, count);
                assert_eq!(places.len(), count);
                for (index, place) in places.iter().enumerate() {
                    assert!(place.size.width >= 8 && place.size.height >= 2, "{layout:?} of {count}: {place:?}");
                    assert!(
                        place.size.width % 8 == 0 && [place.x, place.y, place.size.height].iter().all(|n| n % 2 == 0)
                    );
                    assert!(place.x + place.size.width <= canvas.width && place.y + place.size.height <= canvas.height);
                    assert!(!places[..index].iter().any(|other| overlap(place, other)), "{layout:?} of {count}");
                }
            }
        }
    }
    assert!(places(Layout::Grid, CANVAS, 0).is_empty());
}

#[test]
fn four_are_two_by_two_and_who_speaks_is_larger_than_the_others() {
    let grid = places(Layout::Grid, CANVAS, 4);
    assert!(grid.iter().all(|place| place.size == Size { width: 640, height: 360 }), "{grid:?}");
    let speaker = places(Layout::Speaker, CANVAS, 4);
    assert_eq!(speaker[0].size, Size { width: 1_280, height: 576 });
    assert!(speaker[1..].iter().all(|place| place.size == Size { width: 256, height: 144 }), "{speaker:?}");
}

#[test]
fn an_image_is_painted_in_the_middle_and_cut_where_it_is_larger() {
    let (white, black) = (235, 16);
    let mut canvas = Image::flat(Size { width: 32, height: 8 }, black);
    let place = Place { x: 16, y: 0, size: Size { width: 16, height: 8 } };
    canvas.paint(&Image::flat(Size { width: 8, height: 4 }, white), place);
    let luma = |canvas: &Image, x: usize, y: usize| canvas.data[y * 32 + x];
    for (x, y, expected) in
        [(0, 0, black), (16, 2, black), (20, 1, black), (20, 2, white), (27, 5, white), (28, 2, black)]
    {
        assert_eq!(luma(&canvas, x, y), expected, "{x}, {y}");
    }
    canvas.paint(&Image::flat(Size { width: 64, height: 64 }, white), place);
    for (x, y, expected) in [(15, 0, black), (16, 0, white), (31, 7, white)] {
        assert_eq!(luma(&canvas, x, y), expected, "{x}, {y}");
    }
    assert_eq!(canvas.data.len(), canvas.size.bytes());
}

fn composite(layout: Layout, tiles: usize, first: Option<&str>) -> Composite {
    let how =
        Composition { layout, size: Size { width: 320, height: 176 }, fps: 25, kbps: 500, tiles, ladder: Vec::new() };
    Composite::new(how, first.map(str::to_owned), Budget::new(1))
}

fn track(key: u64, participant: &str, audio: bool, screen: bool) -> Track {
    Track {
        key: TrackKey(key),
        participant: participant.into(),
        name: format!("<b>{participant}</b> & co"),
        screen,
        audio,
    }
}

#[test]
fn who_speaks_comes_first_then_a_screen_and_who_was_named_before_both() {
    for (first, screen, expected) in [(None, false, 1), (None, true, 3), (Some("p3"), true, 2)] {
        let mut composite = composite(Layout::Speaker, 16, first);
        for (key, participant) in [(1, "p1"), (2, "p2"), (3, "p3")] {
            composite.add(&track(key, participant, true, false));
        }
        if screen {
            composite.add(&track(4, "p1", false, true));
        }
        composite.tick(MS(100), Some("p2"));
        let order = composite.order(MS(100));
        assert_eq!(order[0], expected, "{first:?} {screen}");
        assert_eq!(order.len(), 3 + usize::from(screen));
    }
}

#[test]
fn one_more_than_there_are_tiles_is_seen_while_speaking() {
    let mut composite = composite(Layout::Grid, 2, None);
    for (key, participant) in [(1, "p1"), (2, "p2"), (3, "p3")] {
        composite.add(&track(key, participant, true, false));
    }
    assert_eq!(composite.order(MS(0)), [0, 1]);
    composite.tick(MS(100), Some("p3"));
    assert_eq!(composite.order(MS(100)), [0, 2]);
    composite.remove(TrackKey(3));
    assert_eq!(composite.order(MS(100)), [0, 1]);
}

/// The picture goes on as its clock says, with the cards of who sends none, and names that are not markup.
#[test]
fn a_card_with_a_name_is_drawn_for_who_sends_no_picture() {
    let mut composite = composite(Layout::Grid, 16, None);
    composite.add(&track(1, "p1", true, false));
    let mut pictures = Vec::new();
    let begun = std::time::Instant::now();
    let mut now = Duration::ZERO;
    // The name is bright upon the dark card, in the middle of the canvas.
    let bright = |composite: &Composite| {
        let Size { width, height } = composite.how.size;
        let rows = composite.canvas.data[..width * height].chunks(width).skip(height / 3).take(height / 3);
        rows.flatten().filter(|luma| **luma > 180).count()
    };
    while pictures.len() < 30 || bright(&composite) < 50 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} pictures and no name", pictures.len());
        now += MS(20);
        pictures.extend(composite.tick(now, None));
        std::thread::yield_now();
    }
    assert!(pictures[0].key);
    let times: Vec<_> = pictures.iter().map(|picture| picture.capture.as_millis() % 40).collect();
    assert!(times.iter().all(|time| *time == 0), "{times:?}");
    assert_eq!(composite.refusal(), None);
}

#[test]
fn who_finds_the_budget_spent_composes_nothing_and_says_why() {
    let how = Composition { layout: Layout::Grid, size: CANVAS, fps: 25, kbps: 500, tiles: 4, ladder: Vec::new() };
    let mut composite = Composite::new(how, None, Budget::new(0));
    composite.add(&track(1, "p1", true, false));
    assert!(composite.tick(MS(500), None).is_empty());
    let why = composite.refusal().expect("a reason");
    assert!(why.contains("hls.transcodes = 0"), "{why}");
}

#[test]
fn garbage_from_one_breaks_neither_the_picture_nor_the_tiles_of_others() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut composite = composite(Layout::Speaker, 16, None);
    let codecs = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];
    for key in 0..4 {
        composite.add(&track(key, &format!("p{key}"), false, false));
    }
    let (mut now, mut made) = (Duration::ZERO, 0);
    for _ in 0..150 {
        now += MS(20);
        for (key, codec) in codecs.into_iter().enumerate() {
            let mut data = vec![0; random.usize(0..300)];
            random.fill(&mut data);
            let layer = Layer::ALL[random.usize(0..3)];
            let frame = Frame {
                track: TrackKey(key as u64),
                layer,
                codec,
                capture: now,
                key: random.bool(),
                data: data.into(),
            };
            composite.frame(&frame);
        }
        made += composite.tick(now, None).len();
    }
    let begun = std::time::Instant::now();
    while made == 0 && begun.elapsed() < Duration::from_secs(60) {
        now += MS(20);
        made += composite.tick(now, None).len();
    }
    assert!(made > 0);
}

/// What goes through `description`, of a picture of `size` pixels in a colour that matrices disagree about.
fn coloured(description: &str, size: Size) -> Vec<Bytes> {
    pipeline::init().expect("installed");
    let launch = format!(
        "videotestsrc num-buffers=25 pattern=solid-color foreground-color=0xff008700 ! \
         video/x-raw,format=I420,width={},height={},framerate=25/1,{description} ! appsink name=out sync=false",
        size.width, size.height
    );
    let pipeline =
        gst::parse::launch(&launch).expect("elements are installed").downcast::<gst::Pipeline>().expect("one");
    let out = pipeline.by_name("out").and_downcast::<gstreamer_app::AppSink>().expect("an end");
    pipeline.set_state(gst::State::Playing).expect("it starts");
    let bytes = |sample: gst::Sample| sample.buffer().expect("data").map_readable().expect("readable").to_vec().into();
    let all = std::iter::from_fn(|| out.pull_sample().ok()).map(bytes).collect();
    pipeline.set_state(gst::State::Null).expect("it stops");
    all
}

/// Red, green and blue in the middle of a picture of `size` that was encoded as this, as a player has it.
fn shown(encoded: &Bytes, size: Size) -> [u8; 3] {
    let units = gst::Caps::builder("video/x-h264").field("stream-format", "avc3").field("alignment", "au").build();
    let rgb = gst::Caps::builder("video/x-raw").field("format", "RGB").build();
    let chain = ["h264parse", "avdec_h264", "videoconvert"].map(|name| pipeline::make(name).expect("installed"));
    let player = Pipeline::start(&units, &chain, &rgb, AppLeakyType::None).expect("it starts");
    player.push(Duration::ZERO, encoded);
    player.end();
    let (_, pixels) = player.pull(gst::ClockTime::from_seconds(20)).expect("a picture");
    let middle = 3 * (size.width * size.height / 2 + size.width / 2);
    pixels[middle..middle + 3].try_into().expect("three")
}

/// Senders of WebRTC say nothing of their colours and mean BT.601; one that says BT.709 is believed.
#[test]
fn colours_are_those_that_were_filmed() {
    let vp8 = "colorimetry=bt601 ! vp8enc deadline=1 keyframe-max-dist=1";
    let h264 = "colorimetry=bt709 ! x264enc speed-preset=ultrafast tune=zerolatency key-int-max=1 ! \
                h264parse config-interval=-1 ! video/x-h264,stream-format=avc3,alignment=au";
    for (codec, description) in [(Codec::Vp8, vp8), (Codec::H264, h264)] {
        let mut composite = Composite::new(
            Composition { layout: Layout::Grid, size: CANVAS, fps: 25, kbps: 2_000, tiles: 1, ladder: Vec::new() },
            None,
            Budget::new(1),
        );
        composite.add(&track(1, "p1", false, false));
        let mut frames = coloured(description, CANVAS).into_iter().cycle();
        let (mut now, mut seen, begun) = (Duration::ZERO, [0; 3], std::time::Instant::now());
        let close = |seen: [u8; 3]| seen.into_iter().zip([0, 0x87, 0]).all(|(one, other)| one.abs_diff(other) < 8);
        while !close(seen) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{codec:?}: {seen:?}");
            now += MS(40);
            let data = frames.next().expect("pictures");
            let (track, layer) = (TrackKey(1), Layer::High);
            composite.frame(&Frame { track, layer, codec, capture: now, key: true, data });
            if let Some(picture) = composite.tick(now, None).iter().rfind(|picture| picture.key) {
                seen = shown(&picture.data, CANVAS);
            }
            composite.force_key(now);
            std::thread::yield_now();
        }
    }
}
