use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Action, Client, Question, Terms};
use super::doubt::Doubt;
use super::place::{Choice, PlaceId};
use super::socket::one_server;
use super::streams::Streams;
use super::{command, say};
use crate::config::TurnTransport;
use crate::host::{Entry, Refusal};
use crate::room::ids::ParticipantId;
use crate::room::{Direction, Kind, Reach};
use crate::signal::message::{ClientMessage, ErrorCode, IceServer, ServerMessage};
use crate::signal::outgoing::{Notice, Outgoing, Payload};

/// One socket whose rooms are played by the test.
struct Socket {
    client: Client,
    now: Instant,
}

impl Socket {
    fn new(streams: &Streams) -> Self {
        let terms = Terms {
            app: "live".into(),
            most_peers: 4,
            name_chars: 80,
            closed: false,
            publish_time: Duration::from_secs(10),
            doubt: Doubt::default(),
        };
        Self { client: Client::new(terms, streams.clone()), now: Instant::now() }
    }

    fn says(&mut self, said: Value) -> Vec<Action> {
        let mut out = Vec::new();
        self.client.hear(command::read(said.to_string().as_bytes()), self.now, &mut out);
        out
    }

    fn told(&mut self, place: u64, message: Value) -> Vec<Action> {
        let message: ServerMessage = serde_json::from_value(message).unwrap();
        let mut out = Vec::new();
        self.client.told(PlaceId(place), &Outgoing::from(message), self.now, &mut out);
        out
    }

    fn noticed(&mut self, place: u64, notice: Notice) -> Vec<Action> {
        let mut out = Vec::new();
        self.client.told(PlaceId(place), &Outgoing::Notice(notice), self.now, &mut out);
        out
    }

    /// Joins a room peer to peer as `p2`.
    fn joins(&mut self, room: &str, place: u64) {
        self.says(json!({ "command": "join", "streamId": room }));
        assert_eq!(said(&self.told(place, welcome("p2", "Guest"))), [json!("joined")]);
    }
}

fn welcome(you: &str, name: &str) -> Value {
    json!({ "type": "welcome", "version": 1, "you": { "id": you, "name": name, "away": false, "tracks":
            [{ "id": "t3", "source": "microphone", "muted": false }, { "id": "t4", "source": "camera", "muted": false }] },
            "secret": "", "resumed": false, "mode": "mesh", "epoch": 0, "legs": [], "iceServers": [],
            "participants": [{ "id": "p1", "name": "Ann", "away": false, "tracks":
                [{ "id": "t1", "source": "microphone", "muted": false }, { "id": "t2", "source": "camera", "muted": false }] }],
            "heartbeatMs": 1, "graceMs": 1, "maxMessageBytes": 1024, "messagesPerSecond": 1 })
}

/// Definition, or command, of all that was said.
fn said(out: &[Action]) -> Vec<Value> {
    let of = |said: &Value| said.get("definition").unwrap_or(&said["command"]).clone();
    out.iter().filter_map(|action| if let Action::Say(value) = action { Some(of(value)) } else { None }).collect()
}

fn sent(out: &[Action]) -> Vec<&ClientMessage> {
    out.iter()
        .filter_map(|action| if let Action::Send { message, .. } = action { Some(message) } else { None })
        .collect()
}

#[test]
fn the_first_link_has_the_id_of_the_room_and_others_their_own() {
    let mut socket = Socket::new(&Streams::default());
    socket.joins("duo", 1);
    let open = |peer, link| json!({ "type": "link-open", "peer": peer, "link": link, "polite": false, "data": true });
    let ids: Vec<_> = [("p1", 1), ("p3", 2)]
        .into_iter()
        .map(|(peer, link)| match &socket.told(1, open(peer, link))[..] {
            [Action::Say(start)] => start["streamId"].clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["duo", "duo.p3"]);
    socket.told(1, json!({ "type": "link-close", "peer": "p1", "link": 1 }));
    let [Action::Say(again)] = &socket.told(1, open("p4", 3))[..] else { panic!("one start") };
    assert_eq!(again["streamId"], "duo", "it is free again");
}

#[test]
fn candidates_wait_for_their_description_and_every_description_has_a_mapping() {
    let mut socket = Socket::new(&Streams::default());
    socket.joins("duo", 1);
    assert!(
        socket
            .told(1, json!({ "type": "link-open", "peer": "p1", "link": 1, "polite": true, "data": true }))
            .is_empty()
    );
    let candidate = json!({ "type": "link-candidate", "peer": "p1", "link": 1, "candidate": { "candidate": "c" } });
    assert!(socket.told(1, candidate).is_empty());
    let out = socket.told(
        1,
        json!({ "type": "link-description", "peer": "p1", "link": 1, "description": { "type": "offer", "sdp": "v=0" },
                "tracks": [{ "mid": "0", "track": "t1" }, { "mid": "1", "track": "t2" }] }),
    );
    let [Action::Say(description), Action::Say(candidate)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(description["idMapping"], json!({ "0": "ARDAMSaduo.p1", "1": "ARDAMSvduo.p1" }));
    assert_eq!((&candidate["command"], &candidate["candidate"]), (&json!("takeCandidate"), &json!("c")));
}

#[test]
fn a_description_says_which_track_each_m_line_carries_and_what_it_shows_then() {
    let mut socket = Socket::new(&Streams::default());
    socket.joins("duo", 1);
    socket.told(1, json!({ "type": "link-open", "peer": "p1", "link": 7, "polite": false, "data": true }));
    socket.told(1, json!({ "type": "path", "peer": "p1", "carrier": "mesh", "epoch": 3 }));
    let sdp = "v=0\r\nm=video 9 x 96\r\na=mid:v\r\na=sendrecv\r\nm=audio 9 x 111\r\na=mid:a\r\na=sendonly\r\n\
               m=video 9 x 96\r\na=mid:r\r\na=recvonly\r\nm=application 9 x y\r\na=mid:d\r\n";
    let out = socket.says(json!({ "command": "takeConfiguration", "streamId": "duo", "type": "offer", "sdp": sdp }));
    let [ClientMessage::LinkDescription { tracks, link: 7, .. }] = &sent(&out)[..] else { panic!("{out:?}") };
    let named: Vec<_> = tracks.iter().map(|track| (track.mid.as_str(), track.track.0.0)).collect();
    assert_eq!(named, [("v", 4), ("a", 3)]);
    let out = socket.told(
        1,
        json!({ "type": "link-description", "peer": "p1", "link": 7, "description": { "type": "answer", "sdp": "" },
                "tracks": [] }),
    );
    assert!(matches!(sent(&out)[..], [ClientMessage::Shown { epoch: 3, .. }]), "both ends are described: {out:?}");
}

#[test]
fn a_full_room_and_a_server_that_is_full_are_told_apart() {
    let mut socket = Socket::new(&Streams::default());
    for (place, code, definition) in
        [(1, ErrorCode::RoomFull, "NoSpaceForNewPeer"), (2, ErrorCode::ServerFull, "highResourceUsage")]
    {
        socket.says(json!({ "command": "join", "streamId": "duo" }));
        let mut out = Vec::new();
        socket.client.refused(PlaceId(place), &Refusal::new(code, "full"), &mut out);
        assert_eq!(said(&out), [json!(definition)]);
    }
}

#[test]
fn who_joins_again_starts_over_with_new_connections() {
    let mut socket = Socket::new(&Streams::default());
    socket.joins("duo", 1);
    socket.told(1, json!({ "type": "link-open", "peer": "p1", "link": 1, "polite": false, "data": true }));
    let out = socket.says(json!({ "command": "join", "streamId": "duo" }));
    assert_eq!(said(&out), [json!("stop")]);
    assert!(
        matches!(out[1..], [Action::Leave { place: PlaceId(1) }, Action::Enter { place: PlaceId(2), .. }]),
        "{out:?}"
    );
}

#[test]
fn publish_and_play_of_a_room_are_one_participant_and_end_one_by_one() {
    let streams = Streams::default();
    let mut socket = Socket::new(&streams);
    let out = socket.says(json!({ "command": "publish", "streamId": "me", "mainTrack": "hall", "metaData": "{}" }));
    assert!(
        matches!(&out[..], [Action::Enter { entry: Entry::Publish { data: true }, name, .. }] if name == "me"),
        "{out:?}"
    );
    let out = socket.says(json!({ "command": "play", "streamId": "hall", "userPublishId": "me" }));
    assert!(matches!(out[..], [Action::Reach { reach: Reach::Server { sends: true, receives: true }, .. }]), "{out:?}");
    socket.told(1, welcome("p2", "me"));
    assert_eq!(streams.live(&"me".parse().unwrap()).unwrap().participant, Some(ParticipantId(2)));

    let out = socket.noticed(1, Notice::MayOffer { generation: 1 });
    let [Action::Say(start)] = &out[..] else { panic!("{out:?}") };
    assert_eq!((&start["command"], &start["streamId"]), (&json!("start"), &json!("me")));
    let out = socket.says(json!({ "command": "takeConfiguration", "streamId": "me", "type": "offer", "sdp": "o" }));
    assert!(matches!(out[..], [Action::Offer { generation: 1, .. }]), "{out:?}");
    let out = socket.noticed(1, Notice::Media);
    let [Action::Say(started)] = &out[..] else { panic!("{out:?}") };
    assert_eq!((&started["definition"], &started["room"]), (&json!("publish_started"), &json!("hall")));
    assert!(socket.noticed(1, Notice::Media).is_empty(), "it is said once");

    let out = socket.says(json!({ "command": "stop", "streamId": "me" }));
    assert_eq!(said(&out), [json!("publish_finished")]);
    assert_eq!(sent(&out).len(), 2, "both tracks are unpublished");
    assert!(streams.live(&"me".parse().unwrap()).is_none());
    let out = socket.says(json!({ "command": "stop", "streamId": "hall" }));
    assert!(matches!(&out[..], [Action::Leave { .. }, Action::Say(_)]), "{out:?}");
    assert!(socket.says(json!({ "command": "stop", "streamId": "hall" })).is_empty(), "a second one is harmless");
}

#[test]
fn a_down_offer_names_streams_and_tracks_after_their_senders() {
    let mut socket = Socket::new(&Streams::default());
    socket.says(json!({ "command": "play", "streamId": "hall" }));
    socket.told(1, welcome("p2", "Viewer"));
    let sdp = "v=0\r\nm=audio 9 x 111\r\na=mid:a\r\na=inactive\r\nm=video 9 x 96\r\na=mid:2\r\na=msid:2 2\r\n";
    let slots = json!([{ "mid": "2", "track": "t2" }]);
    let out =
        socket.told(1, json!({ "type": "offer", "transport": "down", "generation": 1, "sdp": sdp, "slots": slots }));
    let [Action::Say(offer)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(offer["streamId"], "hall");
    assert_eq!(offer["idMapping"], json!({ "2": "ARDAMSvhall.p1" }));
    assert!(offer["sdp"].as_str().unwrap().ends_with("a=msid:hall.p1 ARDAMSvhall.p1\r\n"));
}

#[test]
fn what_was_switched_off_before_it_was_there_is_off_when_it_comes() {
    let mut socket = Socket::new(&Streams::default());
    socket.says(json!({ "command": "play", "streamId": "hall", "trackList": ["!hall.p1"] }));
    socket.told(1, welcome("p2", "Viewer"));
    let slots = json!([{ "mid": "1", "track": "t1" }, { "mid": "2", "track": "t2" }]);
    let out =
        socket.told(1, json!({ "type": "offer", "transport": "down", "generation": 1, "sdp": "", "slots": slots }));
    let off = out.iter().filter(|action| matches!(action, Action::Forward { on: false, .. })).count();
    assert_eq!(off, 2);
    let out =
        socket.says(json!({ "command": "toggleVideo", "streamId": "hall", "trackId": "hall.p1", "enabled": true }));
    assert!(matches!(out[..], [Action::Forward { on: true, .. }]), "{out:?}");
}

/// What is switched off stays so, and has the size that was asked for when it is switched on.
#[test]
fn a_quality_is_a_size_of_each_picture_that_is_played() {
    let mut socket = Socket::new(&Streams::default());
    socket.says(json!({ "command": "play", "streamId": "hall" }));
    socket.told(1, welcome("p2", "Viewer"));
    let sizes = |out: &[Action]| {
        let size = |action: &Action| match action {
            Action::Send { message: ClientMessage::View { track, width, height, .. }, .. } => {
                Some((track.0.0, *width, *height))
            }
            _ => None,
        };
        out.iter().filter_map(size).collect::<Vec<_>>()
    };
    let ask = |height: Value| json!({ "command": "forceStreamQuality", "streamId": "hall", "streamHeight": height });
    let out = socket.says(ask(360.into()));
    assert_eq!((sizes(&out), said(&out)), (vec![(2, 640, 360)], vec![json!("resolutionChangeInfo")]));
    assert_eq!(sizes(&socket.says(ask("auto".into()))), [(2, 15_360, 8_640)]);
    assert_eq!(sizes(&socket.says(ask("180".into()))), [(2, 320, 180)]);
    assert_eq!(sizes(&socket.says(ask(4_000_000_000_u32.into()))), [(2, 15_360, 8_640)]);
    let toggle = |on| json!({ "command": "toggleVideo", "streamId": "hall", "trackId": "hall.p1", "enabled": on });
    assert_eq!(sizes(&socket.says(toggle(false))), []);
    assert_eq!(sizes(&socket.says(ask(180.into()))), []);
    assert_eq!(sizes(&socket.says(toggle(true))), [(2, 320, 180)]);

    let joined = json!({ "type": "track-published", "participant": "p1",
        "track": { "id": "t7", "source": "screen", "muted": false } });
    socket.told(1, joined);
    let slots = json!([{ "mid": "2", "track": "t2" }, { "mid": "3", "track": "t7" }]);
    let offer = json!({ "type": "offer", "transport": "down", "generation": 1, "sdp": "", "slots": slots });
    assert_eq!(sizes(&socket.told(1, offer)), [(2, 320, 180), (7, 320, 180)], "also of one that comes later");
}

#[test]
fn a_player_is_told_of_the_end_when_nobody_sends_any_more() {
    let mut socket = Socket::new(&Streams::default());
    socket.says(json!({ "command": "play", "streamId": "cam" }));
    socket.told(1, welcome("p2", "Viewer"));
    let out = socket.told(1, json!({ "type": "participant-left", "participant": "p1", "reason": "left" }));
    assert_eq!(said(&out), [json!("subtrackRemoved"), json!("play_finished")]);
    assert!(matches!(out.last(), Some(Action::Leave { .. })));
}

#[test]
fn one_address_is_told_over_the_transport_that_is_asked_for() {
    let plain = |url: &str| IceServer { urls: vec![url.into()], username: None, credential: None };
    let urls = ["udp", "tcp"].map(|transport| format!("turn:192.0.2.1:3478?transport={transport}"));
    let relay = IceServer { urls: urls.to_vec(), username: Some("1:x".into()), credential: Some("pass".into()) };
    let servers = vec![plain("stun:192.0.2.1:3478"), relay];
    for (transport, url) in [TurnTransport::Udp, TurnTransport::Tcp].into_iter().zip(&urls) {
        let told = say::ice_server(&one_server(servers.clone(), transport).unwrap());
        assert_eq!(told["stunServerUri"], *url);
        assert_eq!([&told["turnServerUsername"], &told["turnServerCredential"]], ["1:x", "pass"]);
    }
    let stun = one_server(vec![plain("stun:192.0.2.2:3478")], TurnTransport::Tcp).unwrap();
    assert_eq!(say::ice_server(&stun)["stunServerUri"], "stun:192.0.2.2:3478");
    assert!(one_server(Vec::new(), TurnTransport::Udp).is_none());
}

#[test]
fn a_relay_is_asked_for_and_unknown_commands_are_passed_over() {
    let mut socket = Socket::new(&Streams::default());
    assert!(matches!(socket.says(json!({ "command": "getIceServerConfig" }))[..], [Action::TellIceServer]));
    assert!(socket.says(json!({ "command": "registerPushNotificationToken", "subscriberId": "s" })).is_empty());
}

#[test]
fn late_words_about_what_was_stopped_are_passed_over_and_others_are_errors() {
    let mut socket = Socket::new(&Streams::default());
    socket.joins("duo", 1);
    socket.told(1, json!({ "type": "link-open", "peer": "p1", "link": 1, "polite": false, "data": true }));
    socket.told(1, json!({ "type": "link-close", "peer": "p1", "link": 1 }));
    let candidate = |id| json!({ "command": "takeCandidate", "streamId": id, "label": 0, "candidate": "" });
    assert!(socket.says(candidate("duo")).is_empty());
    assert_eq!(said(&socket.says(candidate("other"))), [json!("no_peer_associated_before")]);
}

#[test]
fn a_room_that_is_not_there_is_answered_for() {
    let socket = Socket::new(&Streams::default());
    let mut out = Vec::new();
    socket.client.seen(Question::Broadcast("x".into()), None, &mut out);
    socket.client.seen(Question::SubtrackCount { id: "x".into(), role: String::new() }, None, &mut out);
    assert_eq!(said(&out), [json!("no_stream_exist"), json!("subtrackCount")]);
}

#[test]
fn only_names_that_somebody_can_have_are_kept_and_so_many_of_them() {
    let mut choice = Choice::default();
    choice.pick(&format!("{}.p4294967295", "r".repeat(64)), Kind::Audio, false);
    choice.pick(&"x".repeat(100_000), Kind::Audio, false);
    assert_eq!(choice.picked.len(), 1);
    (0..10_000).for_each(|number| choice.pick(&format!("hall.p{number}"), Kind::Video, false));
    assert_eq!(choice.picked.len(), 512);
}

#[test]
fn metadata_and_a_role_that_are_too_large_are_refused_and_leave_the_stream_as_it_was() {
    let streams = Streams::default();
    let mut socket = Socket::new(&streams);
    let large = "x".repeat(5_000);
    for wrong in [json!({ "metaData": large }), json!({ "role": large })] {
        let mut publish = json!({ "command": "publish", "streamId": "me" });
        publish.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(said(&socket.says(publish)), [json!("missingParameter")]);
    }
    socket.says(json!({ "command": "publish", "streamId": "me", "metaData": "small" }));
    let out = socket.says(json!({ "command": "updateStreamMetaData", "streamId": "me", "metaData": large }));
    assert_eq!(said(&out), [json!("missingParameter")]);
    assert_eq!(streams.live(&"me".parse().unwrap()).unwrap().meta_data, "small");
}

#[test]
fn a_publisher_that_never_connects_is_told_and_put_out_and_keeps_what_it_plays() {
    let streams = Streams::default();
    let mut socket = Socket::new(&streams);
    socket.says(json!({ "command": "publish", "streamId": "me", "mainTrack": "hall" }));
    socket.says(json!({ "command": "play", "streamId": "hall" }));
    socket.told(1, welcome("p2", "me"));
    socket.noticed(1, Notice::MayOffer { generation: 1 });
    assert_eq!(socket.client.poll_timeout(), Some(socket.now + Duration::from_secs(10)));
    socket.now += Duration::from_secs(9);
    socket.told(1, json!({ "type": "transport-close", "transport": "up", "generation": 1 }));
    socket.noticed(1, Notice::MayOffer { generation: 2 });
    let mut out = Vec::new();
    socket.client.handle_timeout(socket.now + Duration::from_secs(1), &mut out);
    assert_eq!(said(&out), [json!("publishTimeoutError"), json!("stop"), json!("publish_finished")]);
    assert!(matches!(out[4..], [.., Action::Reach { reach: Reach::Server { sends: false, receives: true }, .. }, _]));
    assert!(streams.live(&"me".parse().unwrap()).is_none());
    assert_eq!(socket.client.poll_timeout(), None);

    socket.says(json!({ "command": "publish", "streamId": "alone" }));
    socket.noticed(2, Notice::MayOffer { generation: 1 });
    socket.client.handle_timeout(socket.now + Duration::from_secs(10), &mut out);
    assert!(out.iter().any(|action| matches!(action, Action::Leave { place: PlaceId(2) })), "{out:?}");
}

#[test]
fn a_publisher_that_connects_has_no_deadline_and_its_broadcast_begins_with_its_media() {
    let mut socket = Socket::new(&Streams::default());
    socket.says(json!({ "command": "publish", "streamId": "cam" }));
    socket.noticed(1, Notice::MayOffer { generation: 1 });
    assert!(socket.noticed(1, Notice::Connected(Direction::Up)).is_empty());
    assert_eq!(socket.client.poll_timeout(), None);
    let out = socket.noticed(1, Notice::Media);
    assert!(matches!(&out[..], [Action::Say(_), Action::Broadcast { room }] if room.as_str() == "cam"), "{out:?}");
}

#[test]
fn who_plays_first_and_publishes_then_is_known_by_its_stream_to_everybody() {
    let streams = Streams::default();
    let (mut late, mut other) = (Socket::new(&streams), Socket::new(&streams));
    late.says(json!({ "command": "play", "streamId": "hall" }));
    other.says(json!({ "command": "play", "streamId": "hall" }));
    late.client.entered(PlaceId(1), ParticipantId(3));
    other.told(1, welcome("p2", "Viewer"));
    let viewer = json!({ "id": "p3", "name": "Viewer", "away": false, "tracks": [] });
    assert!(other.told(1, json!({ "type": "participant-joined", "participant": viewer })).is_empty());

    late.says(json!({ "command": "publish", "streamId": "me", "mainTrack": "hall" }));
    let track = json!({ "id": "t9", "source": "camera", "muted": false });
    let out = other.told(1, json!({ "type": "track-published", "participant": "p3", "track": track }));
    let [Action::Say(added), Action::Data { payload: Payload::Text(event), .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(event, r#"{"eventType":"TRACK_LIST_UPDATED","streamId":"hall"}"#);
    assert_eq!((&added["definition"], &added["trackId"]), (&json!("subtrackAdded"), &json!("me")));

    late.says(json!({ "command": "stop", "streamId": "me" }));
    let out = other.told(1, json!({ "type": "track-unpublished", "participant": "p3", "track": "t9" }));
    let [Action::Say(removed), Action::Data { .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(removed["trackId"], "me", "as it was told before");
    assert_eq!(streams.label(&"hall".parse().unwrap(), ParticipantId(3), "Viewer"), "hall.p3");
}

#[test]
fn what_is_sent_on_data_channels_is_a_message_of_the_room_and_the_other_way_round() {
    let streams = Streams::default();
    let mut socket = Socket::new(&streams);
    socket.says(json!({ "command": "play", "streamId": "hall" }));
    socket.told(1, welcome("p2", "Viewer"));
    let mut out = Vec::new();
    let heard = Outgoing::Data(Payload::Text("{\"eventType\":\"CHAT_MESSAGE\"}".into()));
    socket.client.told(PlaceId(1), &heard, Instant::now(), &mut out);
    let [Action::Send { message: ClientMessage::Message { to: None, data, binary: false, .. }, .. }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(*data, "{\"eventType\":\"CHAT_MESSAGE\"}".into());

    let told = |socket: &mut Socket, data: serde_json::Value, binary: bool| {
        let message = json!({ "type": "message", "number": 1, "from": "p1", "data": data, "binary": binary });
        let out = socket.told(1, message);
        let payload = |action| match action {
            Action::Data { payload, .. } => payload,
            other => panic!("{other:?}"),
        };
        out.into_iter().map(payload).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut socket, json!("hi"), false), [Payload::Text("hi".into())]);
    assert_eq!(told(&mut socket, json!({ "a": 1 }), false), [Payload::Text("{\"a\":1}".into())]);
    let pieces = told(&mut socket, json!("AP8H"), true);
    let [Payload::Bytes(head), Payload::Bytes(rest)] = &pieces[..] else { panic!("{pieces:?}") };
    assert_eq!((&head[4..], &rest[4..], &head[..4]), (&[3, 0, 0, 0][..], &[0, 255, 7][..], &rest[..4]));
}
