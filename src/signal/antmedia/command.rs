//! What an SDK says. Fields that are unset come as empty strings or not at all, so all are optional here.

use serde::{Deserialize, Deserializer};

use crate::room::ids::ROOM_NAME_MAX;

/// From the client: `{"command": …}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    Ping {},
    GetIceServerConfig {},
    /// Peer to peer.
    Join {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        /// `play` for one who only watches.
        #[serde(default, deserialize_with = "text")]
        mode: String,
        #[serde(default, deserialize_with = "text")]
        token: String,
    },
    Leave {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    Publish(Publish),
    Play(Play),
    /// Ends what was published or played under this id.
    Stop {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    TakeConfiguration {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        #[serde(rename = "type", default, deserialize_with = "text")]
        kind: String,
        #[serde(default, deserialize_with = "text")]
        sdp: String,
    },
    TakeCandidate {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        #[serde(default)]
        label: Option<u16>,
        #[serde(default)]
        id: Option<String>,
        #[serde(default, deserialize_with = "text")]
        candidate: String,
    },
    PeerMessageCommand {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        #[serde(default)]
        definition: serde_json::Value,
        #[serde(default)]
        data: serde_json::Value,
    },
    GetBroadcastObject {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    GetSubtracks {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        #[serde(default, deserialize_with = "text")]
        role: String,
        #[serde(default)]
        offset: Option<i64>,
        #[serde(default)]
        size: Option<i64>,
    },
    GetSubtracksCount {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        #[serde(default, deserialize_with = "text")]
        role: String,
    },
    GetTrackList {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    GetRoomInfo {
        #[serde(default, deserialize_with = "text")]
        room: String,
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    GetStreamInfo {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    GetSubscriberCount {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
    },
    UpdateStreamMetaData {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        #[serde(default)]
        meta_data: serde_json::Value,
    },
    /// Both kinds of one participant's media.
    EnableTrack(Toggle),
    ToggleVideo(Toggle),
    ToggleAudio(Toggle),
    ForceStreamQuality {
        #[serde(default, deserialize_with = "text")]
        stream_id: String,
        /// Lines of the picture; 0 for as many as there are.
        #[serde(default, deserialize_with = "lines")]
        stream_height: u32,
        /// One stream of those that are played together; empty for all.
        #[serde(default, deserialize_with = "text")]
        track_id: String,
    },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    #[serde(default, deserialize_with = "text")]
    pub stream_id: String,
    #[serde(default, deserialize_with = "text")]
    pub stream_name: String,
    /// The room, where it is one of several.
    #[serde(default, deserialize_with = "text")]
    pub main_track: String,
    #[serde(default = "yes")]
    pub video: bool,
    #[serde(default = "yes")]
    pub audio: bool,
    #[serde(default)]
    pub meta_data: serde_json::Value,
    #[serde(default, deserialize_with = "text")]
    pub role: String,
    #[serde(default, deserialize_with = "text")]
    pub token: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Play {
    #[serde(default, deserialize_with = "text")]
    pub stream_id: String,
    /// Stream ids to be forwarded from the start; with `!` in front, not to be. Empty: all.
    #[serde(default)]
    pub track_list: Vec<String>,
    #[serde(default)]
    pub disable_tracks_by_default: bool,
    #[serde(default, deserialize_with = "text")]
    pub token: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toggle {
    /// What is played.
    #[serde(default, deserialize_with = "text")]
    pub stream_id: String,
    /// Whose media is meant.
    #[serde(default, deserialize_with = "text")]
    pub track_id: String,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A string, or nothing.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(from).map(Option::unwrap_or_default)
}

/// Apps pass a number, its digits or `auto`, which is 0 as whatever is no number is.
fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let given = Option::<serde_json::Value>::deserialize(from)?;
    let number = given.and_then(|given| given.as_u64().or_else(|| given.as_str()?.parse().ok()));
    Ok(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0))
}

/// Why a frame is no command that is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// A command of the protocol that this server has no use for, or of a later SDK.
    Unknown,
    /// No JSON object with a `command`, or a field of the wrong type; for the stream that it names.
    Malformed { stream_id: String, why: String },
}

/// Reads one text frame.
pub fn read(frame: &[u8]) -> Result<Command, Unread> {
    let malformed = |stream_id, why| Unread::Malformed { stream_id, why };
    let value: serde_json::Value =
        serde_json::from_slice(frame).map_err(|error| malformed(named(frame), error.to_string()))?;
    let of = |key: &str| value.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let (name, stream_id) = (of("command"), of("streamId"));
    if name.is_empty() {
        return Err(malformed(stream_id, "no command".into()));
    }
    if !KNOWN.contains(&name.as_str()) {
        return Err(Unread::Unknown);
    }
    serde_json::from_value(value).map_err(|error| malformed(stream_id, error.to_string()))
}

/// The stream id in a frame that cannot be read, or is too long to be: what follows the first `"streamId":`.
pub fn named(frame: &[u8]) -> String {
    let text = String::from_utf8_lossy(frame);
    let after = text.split_once("\"streamId\"").map(|(_, after)| after.trim_start_matches([' ', ':']));
    let id = after.and_then(|after| after.strip_prefix('"')).and_then(|after| after.split_once('"'));
    id.map(|(id, _)| id.chars().take(ROOM_NAME_MAX).collect()).unwrap_or_default()
}

const KNOWN: [&str; 22] = [
    "ping",
    "getIceServerConfig",
    "join",
    "leave",
    "publish",
    "play",
    "stop",
    "takeConfiguration",
    "takeCandidate",
    "peerMessageCommand",
    "getBroadcastObject",
    "getSubtracks",
    "getSubtracksCount",
    "getTrackList",
    "getRoomInfo",
    "getStreamInfo",
    "getSubscriberCount",
    "updateStreamMetaData",
    "enableTrack",
    "toggleVideo",
    "toggleAudio",
    "forceStreamQuality",
];
