//! What an SDK is told: one JSON object a frame, `command` first.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::signal::message::IceServer;

/// A name of an error that the SDK's apps know. All carry the stream id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    NoStreamNameSpecified,
    InvalidStreamName,
    StreamIdInUse,
    AlreadyPublishing,
    AlreadyPlaying,
    NoStreamExist,
    NoActiveStreamsInRoom,
    NoPeerAssociatedBefore,
    NoSpaceForNewPeer,
    NotSetRemoteDescription,
    NoEncoderSettings,
    HighResourceUsage,
    ViewerLimitReached,
    MissingParameter,
    PublishTimeoutError,
    ServerError,
    UnauthorizedAccess,
}

impl Definition {
    pub fn text(self) -> &'static str {
        match self {
            Definition::NoStreamNameSpecified => "noStreamNameSpecified",
            Definition::InvalidStreamName => "invalidStreamName",
            Definition::StreamIdInUse => "streamIdInUse",
            Definition::AlreadyPublishing => "already_publishing",
            Definition::AlreadyPlaying => "already_playing",
            Definition::NoStreamExist => "no_stream_exist",
            Definition::NoActiveStreamsInRoom => "no_active_streams_in_room",
            Definition::NoPeerAssociatedBefore => "no_peer_associated_before",
            Definition::NoSpaceForNewPeer => "NoSpaceForNewPeer",
            Definition::NotSetRemoteDescription => "notSetRemoteDescription",
            Definition::NoEncoderSettings => "no_encoder_settings",
            Definition::HighResourceUsage => "highResourceUsage",
            Definition::ViewerLimitReached => "viewerLimitReached",
            Definition::MissingParameter => "missingParameter",
            Definition::PublishTimeoutError => "publishTimeoutError",
            Definition::ServerError => "server_error_check_logs",
            Definition::UnauthorizedAccess => "unauthorized_access",
        }
    }
}

/// `information` says in words what happened.
pub fn error(definition: Definition, stream_id: &str, information: &str) -> Value {
    let mut error = json!({ "command": "error", "definition": definition.text(), "streamId": stream_id });
    if !information.is_empty() {
        error["information"] = information.into();
    }
    if definition == Definition::NoStreamExist {
        error["error_code"] = "404".into();
    }
    error
}

pub fn notification(definition: &str, stream_id: &str) -> Value {
    json!({ "command": "notification", "definition": definition, "streamId": stream_id, "subscriberId": "" })
}

/// Make a peer connection for this id and offer.
pub fn start(stream_id: &str) -> Value {
    json!({ "command": "start", "streamId": stream_id, "subscriberId": "" })
}

/// Close the peer connection of this id.
pub fn stop(stream_id: &str) -> Value {
    json!({ "command": "stop", "streamId": stream_id })
}

/// `id_mapping`: mid to track id. It always goes along: the SDK looks into it for every track.
pub fn take_configuration(stream_id: &str, kind: &str, sdp: &str, id_mapping: &BTreeMap<String, String>) -> Value {
    json!({ "command": "takeConfiguration", "streamId": stream_id, "type": kind, "sdp": sdp,
            "idMapping": id_mapping, "subscriberId": "", "linkSession": "" })
}

pub fn take_candidate(stream_id: &str, label: u16, id: &str, candidate: &str) -> Value {
    json!({ "command": "takeCandidate", "streamId": stream_id, "label": label, "id": id, "candidate": candidate })
}

pub fn pong() -> Value {
    json!({ "command": "pong" })
}

/// Where a server wants no credentials, they are empty.
pub(super) fn ice_server(server: &IceServer) -> Value {
    json!({ "command": "iceServerConfig", "stunServerUri": server.urls.first(),
            "turnServerUsername": server.username.as_deref().unwrap_or_default(),
            "turnServerCredential": server.credential.as_deref().unwrap_or_default() })
}
