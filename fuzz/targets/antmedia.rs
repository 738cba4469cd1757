//! Frames of one socket of the second dialect, a line each, and now and then what a room says to its places.
#![no_main]

use std::time::{Duration, Instant};

use bytes::Bytes;
use crescendo::host::{Manner, Refusal};
use crescendo::signal::antmedia::client::{Action, Client, Terms};
use crescendo::signal::antmedia::command;
use crescendo::signal::antmedia::doubt::Doubt;
use crescendo::signal::antmedia::streams::Streams;
use crescendo::signal::message::{ErrorCode, ServerMessage};
use crescendo::signal::outgoing::{Outgoing, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frames: &[u8]| {
    let streams = Streams::default();
    let terms = Terms {
        app: "live".to_owned(),
        most_peers: 4,
        name_chars: 80,
        closed: false,
        publish_time: Duration::from_secs(10),
        doubt: Doubt::default(),
    };
    let mut client = Client::new(terms, streams.clone());
    let now = Instant::now();
    let mut places = Vec::new();
    for frame in frames.split(|byte| *byte == b'\n') {
        let mut out = Vec::new();
        match serde_json::from_slice::<ServerMessage>(frame) {
            Ok(message) => {
                let message = Outgoing::from(message);
                places.iter().for_each(|place| client.told(*place, &message, now, &mut out));
            }
            // What comes over a data channel.
            Err(_) if frame.starts_with(b"~") => {
                let piece = Outgoing::Data(Payload::Bytes(Bytes::copy_from_slice(&frame[1..])));
                places.iter().for_each(|place| client.told(*place, &piece, now, &mut out));
            }
            Err(_) => client.hear(command::read(frame), now, &mut out),
        }
        for action in out {
            match action {
                Action::Say(said) => {
                    assert!(said["command"].is_string());
                    assert!(said["command"] != "error" || said["streamId"].is_string(), "{said}");
                }
                Action::Enter { place, room, entry, .. } => {
                    let Manner::Plain(_) = Manner::Plain(entry) else { return };
                    places.push(place);
                    if room.as_str().starts_with('x') {
                        let full = Refusal::new(ErrorCode::RoomFull, "full");
                        client.refused(place, &full, &mut Vec::new());
                    }
                }
                Action::Look { question, .. } => client.seen(question, None, &mut Vec::new()),
                Action::Send { .. }
                | Action::Offer { .. }
                | Action::Reach { .. }
                | Action::Forward { .. }
                | Action::Data { .. }
                | Action::PutOut { .. }
                | Action::TellIceServer
                | Action::Broadcast { .. }
                | Action::Leave { .. } => {}
                Action::Ended(_) => unreachable!("the client takes these in"),
            }
        }
        client.handle_timeout(now, &mut Vec::new());
    }
    places.iter().for_each(|place| client.gone(*place, &mut Vec::new()));
    drop(client);
    assert!(streams.all().is_empty(), "a name is free once its socket is gone");
});
