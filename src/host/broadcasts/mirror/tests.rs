//! What is in the store whenever one looks.

use std::fs;

use super::*;

const INDEX_TEXT: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"all\",URI=\"audio.m3u8\"\n\
                          #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nvideo.m3u8\n";

fn playlist(kind: &str, run: &str, segments: std::ops::Range<u32>, ended: bool) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-MAP:URI=\"{kind}-{run}-init.mp4\"\n");
    segments.for_each(|number| text.push_str(&format!("#EXTINF:1.0,\n{kind}-{run}-{number}.m4s\n")));
    if ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

struct World {
    root: tempfile::TempDir,
    run: Run,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("here/demo/1a")).expect("made");
        fs::create_dir(root.path().join("there")).expect("made");
        Self { root, run: Run { room: "demo".into(), name: "1a".into() } }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join("here/demo/1a").join(name), text).expect("written");
    }

    fn there(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.root.path().join("there/live").join(name)).ok()
    }

    fn mirrored(&self) -> Mirrored {
        let there = format!("file://{}/there/live", self.root.path().display());
        let config = Hls { directory: self.root.path().join("here"), upload_to: there, ..Hls::default() };
        Mirrored::new(Mirror::new(&config).expect("an address").expect("to be mirrored"), self.run.clone())
    }

    fn segments(&self, numbers: std::ops::Range<u32>, ended: bool) {
        for kind in ["video", "audio"] {
            self.write(&format!("{kind}-1a-init.mp4"), "init");
            numbers
                .clone()
                .for_each(|number| self.write(&format!("{kind}-1a-{number}.m4s"), &format!("{kind} {number}")));
            self.write(&format!("{kind}.m3u8"), &playlist(kind, "1a", numbers.clone(), ended));
        }
    }
}

#[tokio::test]
async fn a_broadcast_is_there_as_it_grows_and_over_when_it_is() {
    let world = World::new();
    let mut mirrored = world.mirrored();
    assert_eq!(mirrored.look().await.expect("nothing is wrong"), Seen::GoesOn, "nothing is offered");
    world.segments(0..2, false);
    assert_eq!(mirrored.look().await.expect("sent"), Seen::GoesOn);
    assert_eq!(world.there("demo/1a/video.m3u8"), None, "no index names it");
    world.write(INDEX, INDEX_TEXT);
    assert_eq!(mirrored.look().await.expect("sent"), Seen::GoesOn);
    assert_eq!(world.there("demo/1a/index.m3u8").as_deref(), Some(INDEX_TEXT));
    assert_eq!(world.there("demo/1a/video-1a-1.m4s").as_deref(), Some("video 1"));
    let rooms = world.there("demo/index.m3u8").expect("the room's own");
    assert!(rooms.contains("\n1a/video.m3u8\n") && rooms.contains("URI=\"1a/audio.m3u8\""), "{rooms}");
    world.segments(0..4, true);
    assert_eq!(mirrored.look().await.expect("sent"), Seen::Over);
    assert_eq!(world.there("demo/1a/audio-1a-3.m4s").as_deref(), Some("audio 3"));
    assert!(world.there("demo/1a/audio.m3u8").expect("there").ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test]
async fn nothing_is_named_that_is_not_there_while_the_store_is_away() {
    let world = World::new();
    world.segments(0..3, false);
    world.write(INDEX, INDEX_TEXT);
    // Where its objects would be is a file.
    let blocked = world.root.path().join("there/live");
    fs::write(&blocked, "in the way").expect("written");
    let mut mirrored = world.mirrored();
    assert!(mirrored.look().await.is_err());
    fs::remove_file(&blocked).expect("removed");
    // The first has left the window meanwhile.
    world.segments(1..5, false);
    fs::remove_file(world.root.path().join("here/demo/1a/video-1a-0.m4s")).expect("removed");
    assert_eq!(mirrored.look().await.expect("sent"), Seen::GoesOn);
    let text = world.there("demo/1a/video.m3u8").expect("there");
    assert_eq!(media(&text).count(), 5);
    assert!(media(&text).all(|name| world.there(&format!("demo/1a/{name}")).is_some()), "{text}");
}

#[tokio::test]
async fn what_an_earlier_server_sent_is_not_sent_again_and_an_older_broadcast_is_not_the_rooms() {
    let world = World::new();
    world.segments(0..3, true);
    world.write(INDEX, INDEX_TEXT);
    assert_eq!(world.mirrored().look().await.expect("sent"), Seen::Over);
    let segment = world.root.path().join("there/live/demo/1a/video-1a-0.m4s");
    fs::write(&segment, "as it was").expect("written");
    fs::create_dir(world.root.path().join("here/demo/1b")).expect("made");
    fs::remove_file(world.root.path().join("there/live/demo/index.m3u8")).expect("removed");
    assert_eq!(world.mirrored().look().await.expect("sent"), Seen::Over);
    assert_eq!(fs::read_to_string(segment).expect("there"), "as it was");
    assert_eq!(world.there("demo/index.m3u8"), None, "that is the newer one's");
    fs::remove_dir_all(world.root.path().join("here/demo/1a")).expect("removed");
    assert_eq!(world.mirrored().look().await.expect("nothing is wrong"), Seen::Over, "it is gone");
}

#[test]
fn only_names_without_a_path_are_followed() {
    let text = "#EXT-X-MAP:URI=\"../secret.mp4\"\n/etc/passwd.m4s\nvideo-1-0.m4s\nhttp://a/b.m4s\n";
    assert_eq!(media(text).collect::<Vec<_>>(), ["video-1-0.m4s"]);
    assert_eq!(named_playlists("../a.m3u8\nb.m3u8\n").into_iter().collect::<Vec<_>>(), ["b.m3u8"]);
}
