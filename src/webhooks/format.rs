//! What a message says: an event in our own words, or in those of Ant Media's servers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::config::WebhookFormat;
use crate::host::events::{Event, Happening, StreamInfo};

#[cfg(test)]
mod tests;

/// None for what has no name in the format.
pub(super) fn write(format: WebhookFormat, event: &Event) -> Option<Vec<u8>> {
    match format {
        WebhookFormat::Standard => Some(serde_json::to_vec(event).expect("an event is JSON")),
        WebhookFormat::Antmedia => Some(Value::from(action(event)?).to_string().into_bytes()),
        WebhookFormat::AntmediaForm => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in action(event)? {
                form.append_pair(&name, value.as_str().unwrap_or(&value.to_string()));
            }
            Some(form.finish().into_bytes())
        }
    }
}

/// An event as an action of Ant Media's. What is blank is left out there, and a time is text.
fn action(event: &Event) -> Option<Map<String, Value>> {
    let of_stream = |action, stream: &StreamInfo| {
        let room = if stream.stream == event.room { "" } else { &event.room };
        let metadata = match &stream.meta_data {
            // An object in a string is told as the object.
            Value::String(text) => {
                serde_json::from_str(text).ok().filter(Value::is_object).unwrap_or_else(|| text.as_str().into())
            }
            other => other.clone(),
        };
        vec![
            ("id", stream.stream.as_str().into()),
            ("action", Value::from(action)),
            ("streamName", stream.name.as_str().into()),
            ("mainTrackId", room.into()),
            ("roomId", room.into()),
            ("app", stream.app.as_str().into()),
            ("metadata", metadata),
        ]
    };
    let mut fields = match &event.what {
        Happening::StreamStarted(stream) => of_stream("liveStreamStarted", stream),
        Happening::StreamEnded(stream) => of_stream("liveStreamEnded", stream),
        Happening::StreamTimedOut(stream) => of_stream("publishTimeoutError", stream),
        Happening::RecordingReady { recording } => vec![
            ("id", event.room.as_str().into()),
            ("action", "vodReady".into()),
            ("vodName", recording.as_str().into()),
            ("vodId", recording.as_str().into()),
        ],
        Happening::RoomOpened {}
        | Happening::RoomClosed {}
        | Happening::ParticipantJoined { .. }
        | Happening::ParticipantLeft { .. }
        | Happening::TrackPublished { .. }
        | Happening::TrackUnpublished { .. }
        | Happening::ModeSwitched { .. }
        | Happening::LegStarted { .. }
        | Happening::LegLive { .. }
        | Happening::LegFailed { .. }
        | Happening::LegEnded { .. }
        | Happening::RecordingUploaded { .. } => return None,
    };
    fields.push(("timestamp", milliseconds(&event.time).to_string().into()));
    let is_blank = |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    fields.retain(|(_, value)| !is_blank(value));
    Some(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Of the Unix epoch.
fn milliseconds(time: &str) -> u128 {
    let at = humantime::parse_rfc3339(time).unwrap_or_else(|_| SystemTime::now());
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
