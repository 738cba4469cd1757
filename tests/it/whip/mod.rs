//! WHIP and WHEP against the real server, with a client of the webrtc-rs family's crates at the other end.

#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test says where")]

mod doors;
mod hooks;
mod http;
mod traces;

use std::time::Duration;

use bytes::Bytes;
use http::{ANY, AUDIO_SSRC, Answer, FRAGMENT, H264, SDP, VIDEO_SSRC, VP8, ask, client, obs, player};
use rtc_rtp::header::{Extension, Header};
use rtc_rtp::packet::Packet;
use rtc_shared::marshal::Unmarshal;
use serde_json::Value;

use crate::hls::media::{Packetizer, h264, opus};
use crate::sfu::client::Client;
use crate::support::{PATIENCE, Server};

/// A round of packets every so often.
const PACE: Duration = Duration::from_millis(20);

fn packet(ssrc: u32, payload_type: u8, sequence_number: u16, ticks: u32, payload: &[u8]) -> Packet {
    // The level of sound, and when a picture was taken.
    let extension = match payload_type {
        111 => Extension { id: 5, payload: Bytes::from_static(&[0x85]) },
        _ => Extension { id: 6, payload: Bytes::from_static(&[1; 8]) },
    };
    let header = Header {
        version: 2,
        marker: true,
        payload_type,
        sequence_number,
        timestamp: u32::from(sequence_number).wrapping_mul(ticks),
        ssrc,
        extension: true,
        extension_profile: 0xbede,
        extensions: vec![extension],
        ..Default::default()
    };
    Packet { header, payload: Bytes::copy_from_slice(payload) }
}

/// A sound and a picture that is a key frame: one IDR slice.
async fn send(encoder: &mut Client, number: u16) {
    encoder.send(&packet(AUDIO_SSRC, 111, number, 960, format!("opus {number}").as_bytes())).await;
    encoder.send(&packet(VIDEO_SSRC, 96, number, 3_000, &[&[0x65][..], &number.to_be_bytes()].concat())).await;
}

/// An encoder whose media is open.
async fn publish(server: &Server, path: &str) -> (Client, Answer) {
    let mut encoder = client().await;
    let answer = ask(server, "POST", path, &[SDP], &obs(&encoder)).await;
    encoder.meet(&answer.local());
    encoder.connect().await;
    (encoder, answer)
}

async fn room(server: &Server, name: &str) -> Value {
    let (_, body) = server.get(&format!("/api/v1/rooms/{name}")).await;
    serde_json::from_str(&body).unwrap()
}

/// Waits until `done` of what the API says of the room; both clients work meanwhile.
async fn until_room(server: &Server, name: &str, clients: &mut [&mut Client], done: impl Fn(&Value) -> bool) {
    let work = async {
        while !done(&room(server, name).await) {
            for client in &mut *clients {
                client.run_for(PACE).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("the room {name} never was so"));
}

#[tokio::test]
async fn what_an_encoder_sends_a_player_gets_with_its_own_numbers() {
    let server = Server::start(&[]).await;
    let (mut encoder, published) = publish(&server, "/whip/studio?name=Stage%201").await;
    assert!(published.session().starts_with("/whip/studio/"));
    assert_eq!(published.header("content-type"), Some("application/sdp"));
    let links: Vec<_> = published.all("link").collect();
    assert!(links.iter().any(|link| {
        link.starts_with("<turn:")
            && link.contains("; rel=\"ice-server\"; username=\"")
            && link.contains("credential=\"")
    }));
    assert_eq!(published.body.matches("a=recvonly\r\n").count(), 2);
    assert!(published.body.contains("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"), "{}", published.body);
    let view = room(&server, "studio").await;
    assert_eq!(view["participants"][0]["name"], "Stage 1");
    assert_eq!(view["participants"][0]["tracks"].as_array().unwrap().len(), 2);

    let mut watcher = client().await;
    let played = ask(&server, "POST", "/whep/studio", &[SDP], &player(&watcher, &[VP8, H264])).await;
    let shows = played.session();
    assert!(played.body.contains("m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n"), "{}", played.body);
    assert!(played.body.contains("m=video 9 UDP/TLS/RTP/SAVPF 120 121\r\n"), "bundle-only is no rejection");
    assert!(played.body.contains("a=extmap:9 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"));
    assert!(!played.body.contains("video-orientation"));
    watcher.meet(&played.local());
    watcher.connect().await;

    for number in 0.. {
        send(&mut encoder, number).await;
        watcher.run_for(PACE).await;
        encoder.run_for(Duration::from_millis(1)).await;
        let came = |payload_type| watcher.rtp.iter().filter(|p| p.header.payload_type == payload_type).count();
        if came(109) > 3 && came(120) > 3 {
            break;
        }
        assert!(number < 400, "{} packets", watcher.rtp.len());
    }
    for packet in &watcher.rtp {
        let Header { payload_type, ssrc, extensions, .. } = &packet.header;
        assert!(played.body.contains(&format!("a=ssrc:{ssrc} cname")));
        let extensions: Vec<_> = extensions.iter().map(|e| (e.id, e.payload.to_vec())).collect();
        match payload_type {
            109 => {
                assert!(packet.payload.starts_with(b"opus "));
                assert_eq!(extensions, [(9, vec![0x85])], "the level, under the player's number");
            }
            120 => {
                assert_eq!(packet.payload[0], 0x65);
                assert!(extensions.is_empty(), "what the player has no number for is not sent: {extensions:?}");
            }
            other => panic!("payload type {other}"),
        }
    }
    until_room(&server, "studio", &mut [&mut encoder, &mut watcher], |view| view["mode"] == "sfu").await;

    let ended = ask(&server, "DELETE", &published.session(), &[("if-match", "\"whatever\"")], "").await;
    assert_eq!((ended.status, ended.body.as_str()), (200, ""));
    watcher.until("the player hears that it is over", |watcher| watcher.closed).await;
    let gone = async { while ask(&server, "GET", &shows, &[], "").await.status != 404 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("the player's session ends with what it shows");
    assert_eq!(server.get("/api/v1/rooms/studio").await.0, 404, "nobody is left");
    assert_eq!(server.metric("crescendo_whip_sessions{door=\"whip\"}").await, 0.0);
}

#[tokio::test]
async fn a_player_that_cannot_decode_what_an_encoder_will_send_is_told_so() {
    let server = Server::start(&[]).await;
    // Nothing is sent.
    let (_encoder, _) = publish(&server, "/whip/studio").await;
    let asked = ask(&server, "POST", "/whep/studio", &[SDP], &player(&client().await, &[VP8])).await;
    assert_eq!(asked.status, 406);
    assert!(asked.body.contains("H264"), "{}", asked.body);
}

#[tokio::test]
async fn a_player_that_turns_out_not_to_decode_what_comes_is_let_go() {
    let server = Server::start(&[]).await;
    let mut encoder = client().await;
    let both = obs(&encoder).replace("SAVPF 96\r\n", "SAVPF 96 97\r\n") + "a=rtpmap:97 VP8/90000\r\n";
    let answer = ask(&server, "POST", "/whip/studio", &[SDP], &both).await;
    encoder.meet(&answer.local());
    encoder.connect().await;
    let watcher = client().await;
    let sessions = [
        ask(&server, "POST", "/whep/studio", &[SDP], &player(&watcher, &[VP8])).await.session(),
        ask(&server, "POST", "/whep/studio", &[SDP], &player(&watcher, &[VP8, H264])).await.session(),
    ];
    for number in 0.. {
        send(&mut encoder, number).await;
        encoder.run_for(PACE).await;
        if ask(&server, "GET", &sessions[0], &[], "").await.status == 404 {
            break;
        }
        assert!(number < 100, "it was sent H.264");
    }
    assert_eq!(ask(&server, "GET", &sessions[1], &[], "").await.status, 204);
}

#[tokio::test]
async fn a_player_goes_on_with_what_remains_of_whom_it_shows() {
    let server = Server::start(&[]).await;
    let mut ann = server.socket().await;
    let mut join = crate::support::join("talk", "Ann");
    join["tracks"] = serde_json::json!([{ "source": "microphone" }, { "source": "camera" }]);
    ann.send(join).await;
    let you = ann.until("welcome").await["you"].clone();
    let mut watcher = client().await;
    let played = ask(&server, "POST", "/whep/talk", &[SDP], &player(&watcher, &[VP8, H264])).await;
    watcher.meet(&played.local());
    watcher.connect().await;
    let unpublish = |track: &Value| serde_json::json!({ "type": "unpublish", "track": track["id"] });
    ann.send(unpublish(&you["tracks"][1])).await;
    ann.until("track-unpublished").await;
    watcher.run_for(Duration::from_millis(300)).await;
    assert_eq!(ask(&server, "GET", &played.session(), &[], "").await.status, 204, "there is sound");
    ann.send(unpublish(&you["tracks"][0])).await;
    watcher.until("there is nothing left", |watcher| watcher.closed).await;
    let gone = async { while ask(&server, "GET", &played.session(), &[], "").await.status != 404 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("its session has ended");
}

#[tokio::test]
async fn a_room_with_an_encoder_is_an_sfu_room_and_a_mesh_again_without() {
    let server = Server::start(&["room.demote_after_ms=300"]).await;
    let (mut ann, _) = server.join("talk", "Ann").await;
    let (_ben, _) = server.join("talk", "Ben").await;
    let (_encoder, published) = publish(&server, "/whip/talk?name=Stage").await;
    let joined = ann.until("participant-joined").await;
    assert_ne!(joined["participant"]["name"], "Stage", "Ben comes first");
    assert_eq!(ann.until("participant-joined").await["participant"]["name"], "Stage");
    assert_eq!(ann.until("mode").await["mode"], "promoting");
    assert_eq!(ask(&server, "DELETE", &published.session(), &[], "").await.status, 200);
    assert_eq!(ann.until("participant-left").await["reason"], "left");
    assert_eq!(ann.until("mode").await["mode"], "demoting");
}

#[tokio::test]
async fn media_goes_on_after_ice_has_begun_anew() {
    let server = Server::start(&[]).await;
    let (mut encoder, published) = publish(&server, "/whip/studio").await;
    let (session, former) = (published.session(), published.local());
    // What is on its way is answered with the old password.
    encoder.checks = false;
    encoder.run_for(Duration::from_millis(100)).await;
    let new = "a=ice-ufrag:anew\r\na=ice-pwd:anewanewanewanewanewanew\r\n";
    let restarted = ask(&server, "PATCH", &session, &[FRAGMENT, ANY], new).await;
    assert_eq!((restarted.status, restarted.header("content-type")), (200, Some(FRAGMENT.1)));
    assert!(restarted.body.contains("a=ice-lite\r\n") && restarted.body.contains("m=audio 9 RTP/AVP 0\r\na=mid:0\r\n"));
    assert_ne!(restarted.header("etag"), published.header("etag"));
    let current = restarted.local();
    assert_ne!(current.ice.ufrag, former.ice.ufrag);

    let checked = encoder.checked;
    encoder.checks = true;
    encoder.until("the former is still good", |encoder| encoder.checked > checked).await;
    encoder.checks = false;
    encoder.run_for(Duration::from_millis(100)).await;
    encoder.meet(&current);
    encoder.checks = true;
    let checked = encoder.checked;
    encoder.until("the current is good", |encoder| encoder.checked > checked).await;

    let refused = "crescendo_dropped_datagrams_total{reason=\"stun\"}";
    let before = server.metric(refused).await;
    encoder.checks = false;
    encoder.meet(&former);
    encoder.check(&former.ice.pwd).await;
    server.counts(refused, before + 1.0).await;

    encoder.meet(&current);
    encoder.checks = true;
    let mut watcher = client().await;
    let played = ask(&server, "POST", "/whep/studio", &[SDP], &player(&watcher, &[H264])).await;
    watcher.meet(&played.local());
    watcher.connect().await;
    for number in 0..400 {
        send(&mut encoder, number).await;
        encoder.run_for(Duration::from_millis(1)).await;
        watcher.run_for(PACE).await;
        if !watcher.rtp.is_empty() {
            return;
        }
    }
    panic!("nothing came after the restart");
}

#[tokio::test]
async fn who_never_connects_and_who_falls_silent_is_gone_in_time() {
    let server = Server::start(&["sfu.handshake_ms=500", "sfu.consent_ms=500"]).await;
    let gauge = "crescendo_whip_sessions{door=\"whip\"}";
    let silent = client().await;
    let never = ask(&server, "POST", "/whip/never", &[SDP], &obs(&silent)).await.session();
    let (mut encoder, published) = publish(&server, "/whip/once").await;
    assert_eq!(server.metric(gauge).await, 2.0);
    encoder.checks = false;
    for session in [never, published.session()] {
        let gone = async {
            while ask(&server, "PATCH", &session, &[FRAGMENT, ANY], "a=end-of-candidates\r\n").await.status != 404 {
                encoder.run_for(PACE).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("it is freed");
    }
    let empty = async { while server.metric(gauge).await > 0.0 {} };
    tokio::time::timeout(PATIENCE, empty).await.expect("the places are free");
    assert_eq!(server.get("/api/v1/rooms").await.1, "{\"rooms\":[]}");
}

#[tokio::test]
async fn a_stream_of_ant_medias_apps_is_published_by_whip_under_its_id() {
    let server = Server::start(&[]).await;
    let (mut encoder, published) = publish(&server, "/live/whip/cam").await;
    assert!(published.session().starts_with("/live/whip/cam/"), "{}", published.session());
    let second = ask(&server, "POST", "/live/whip/cam", &[SDP], &obs(&encoder)).await;
    assert_eq!(second.status, 409, "somebody publishes under this id");
    let status = async || -> Value {
        let (_, broadcast) = server.get("/live/rest/v2/broadcasts/cam").await;
        serde_json::from_str::<Value>(&broadcast).unwrap()["status"].clone()
    };
    assert_eq!(status().await, "preparing");
    for number in 0.. {
        send(&mut encoder, number).await;
        encoder.run_for(PACE).await;
        if room(&server, "cam").await["legs"].as_array().is_some_and(|legs| !legs.is_empty()) {
            assert_eq!(status().await, "broadcasting");
            break;
        }
        assert!(number < 100, "a stream of its own is broadcast");
    }
    assert_eq!(ask(&server, "DELETE", &published.session(), &[], "").await.status, 200);
    let again = ask(&server, "POST", "/LiveApp/whip/cam", &[SDP], &obs(&encoder)).await;
    assert!(again.session().starts_with("/LiveApp/whip/cam/"), "the id is free as soon as the answer is there");
    assert_eq!(ask(&server, "POST", "/other/whip/cam", &[SDP], &obs(&encoder)).await.status, 404);
}

#[tokio::test]
async fn what_an_encoder_sends_is_broadcast() {
    let directory = tempfile::tempdir().unwrap();
    let (pictures, sounds) = (h264(directory.path(), "320x180", 25, 8, 25), opus(directory.path(), 8));
    let server = Server::start(&[]).await;
    let (mut encoder, _) = publish(&server, "/whip/studio").await;
    let (status, leg) = server.request("POST", "/api/v1/rooms/studio/legs", Some("{\"kind\":\"hls\"}"), "").await;
    assert_eq!(status, 201, "{leg}");
    let (mut picture, mut sound) = (Packetizer::new(VIDEO_SSRC), Packetizer::new(AUDIO_SSRC));
    let mut sounds = sounds.into_iter().enumerate();
    for (number, unit) in pictures.iter().enumerate() {
        for packet in picture.video(number as u32 * 3_600, unit) {
            encoder.send(&Packet::unmarshal(&mut &packet[..]).unwrap()).await;
        }
        for (number, unit) in sounds.by_ref().take(2) {
            for packet in sound.audio(number as u32 * 960, &unit) {
                let mut packet = Packet::unmarshal(&mut &packet[..]).unwrap();
                packet.header.payload_type = 111;
                encoder.send(&packet).await;
            }
        }
        encoder.run_for(Duration::from_millis(40)).await;
        let (status, playlist) = server.get("/hls/studio/index.m3u8").await;
        if status == 200 && playlist.contains("avc3.") && playlist.contains("mp4a") {
            return;
        }
    }
    panic!("no broadcast: {}", room(&server, "studio").await);
}
