use serde_json::json;

use super::*;

fn event(room: &str, what: Happening) -> Event {
    Event { id: 7, time: "2026-11-22T16:00:00.250Z".into(), room: room.into(), what, hook: None }
}

fn stream(name: &str, meta_data: Value) -> StreamInfo {
    StreamInfo { stream: "cam".into(), app: "live".into(), name: name.into(), meta_data }
}

fn json_of(event: &Event) -> Value {
    serde_json::from_slice(&write(WebhookFormat::Antmedia, event).expect("an action")).expect("JSON")
}

#[test]
fn a_stream_is_told_as_ant_media_tells_it() {
    let started = event("cam", Happening::StreamStarted(stream("Front door", json!("{\"floor\":1}"))));
    let expected = json!({ "id": "cam", "action": "liveStreamStarted", "streamName": "Front door", "app": "live",
                           "metadata": { "floor": 1 }, "timestamp": "1795363200250" });
    assert_eq!(json_of(&started), expected);
    let ended = event("hall", Happening::StreamEnded(stream("", json!(null))));
    let expected = json!({ "id": "cam", "action": "liveStreamEnded", "mainTrackId": "hall", "roomId": "hall", "app": "live",
                           "timestamp": "1795363200250" });
    assert_eq!(json_of(&ended), expected, "what is blank is left out");
    let late = event("cam", Happening::StreamTimedOut(stream("", json!("no object"))));
    assert_eq!(
        (&json_of(&late)["action"], &json_of(&late)["metadata"]),
        (&json!("publishTimeoutError"), &json!("no object"))
    );
    let ready = event("cam", Happening::RecordingReady { recording: "cam/r-1".into() });
    let expected = json!({ "id": "cam", "action": "vodReady", "vodName": "cam/r-1", "vodId": "cam/r-1",
                           "timestamp": "1795363200250" });
    assert_eq!(json_of(&ready), expected);
}

#[test]
fn a_form_says_the_same_and_is_escaped() {
    let started = event("cam", Happening::StreamStarted(stream("A & B=C\n", json!({ "floor": 1 }))));
    let form = write(WebhookFormat::AntmediaForm, &started).expect("an action");
    let pairs: Vec<_> = form_urlencoded::parse(&form).into_owned().collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(value("action"), Some("liveStreamStarted"));
    assert_eq!((value("streamName"), value("metadata")), (Some("A & B=C\n"), Some("{\"floor\":1}")));
    assert_eq!(pairs.len(), 6, "{pairs:?}");
}

#[test]
fn what_ant_media_has_no_name_for_is_told_in_our_own_words_alone() {
    let opened = event("cam", Happening::RoomOpened {});
    assert_eq!(write(WebhookFormat::Antmedia, &opened), None);
    assert_eq!(write(WebhookFormat::AntmediaForm, &opened), None);
    let own = write(WebhookFormat::Standard, &opened).expect("an event");
    let own: Value = serde_json::from_slice(&own).expect("JSON");
    assert_eq!(own, json!({ "id": 7, "time": "2026-11-22T16:00:00.250Z", "room": "cam", "type": "room-opened" }));
    let started = event("cam", Happening::StreamStarted(stream("Front door", json!(null))));
    let own: Value =
        serde_json::from_slice(&write(WebhookFormat::Standard, &started).expect("an event")).expect("JSON");
    assert_eq!((&own["type"], &own["stream"], &own["app"]), (&json!("stream-started"), &json!("cam"), &json!("live")));
}
