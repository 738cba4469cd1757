//! `/{app}/streams/{id}.m3u8` and `{id}_adaptive.m3u8`: the broadcast of a room under the names that players of Ant Media's
//! look for. Both are the multivariant playlist, which leads on to `/hls/{room}/`.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use crescendo_hls::{Answer, Query};

use crate::http::hls::{self, HlsDirectory};
use crate::http::{App, access};
use crate::room::ids::RoomName;

const INDEX: &str = "index.m3u8";

pub(super) fn router(app: &App) -> Router {
    let routes = Router::new().route("/{app}/streams/{file}", get(playlist)).with_state(app.hls.clone());
    access::watched(app, routes).layer(hls::cors())
}

/// Whose broadcast a file of this door is.
pub(in crate::http) fn room_of(file: &str) -> Option<RoomName> {
    let id = file.strip_suffix(".m3u8")?;
    id.strip_suffix("_adaptive").unwrap_or(id).parse().ok()
}

/// Not found until there is something to play: players ask again.
async fn playlist(State(hls): State<HlsDirectory>, Path((_, file)): Path<(String, String)>) -> Response {
    let room = room_of(&file);
    let store = room.as_ref().and_then(|room| hls.get(room));
    let (Some(room), Some(store)) = (room, store) else { return StatusCode::NOT_FOUND.into_response() };
    match store.get(INDEX, Query::default()) {
        Answer::Playlist(index) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.apple.mpegurl")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            ];
            (headers, rooted(&String::from_utf8_lossy(index.body()), &room)).into_response()
        }
        Answer::Media(_) | Answer::Stored(_) | Answer::NotFound | Answer::BadQuery | Answer::Wait { .. } => {
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

/// The playlist with its relative addresses made absolute paths (RFC 8216 section 4.1: lines without `#`, and URI attributes).
fn rooted(playlist: &str, room: &RoomName) -> String {
    let mut text = String::with_capacity(playlist.len() + 64);
    for line in playlist.lines() {
        match line.split_once("URI=\"") {
            Some((before, after)) => text.push_str(&format!("{before}URI=\"/hls/{room}/{after}")),
            None if !line.is_empty() && !line.starts_with('#') => text.push_str(&format!("/hls/{room}/{line}")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_playlist_leads_to_the_files_of_the_room() {
        let room = "cam".parse().unwrap();
        let index = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"audio.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n";
        let expected = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"/hls/cam/audio.m3u8\"\n\
                        #EXT-X-STREAM-INF:BANDWIDTH=1\n/hls/cam/video.m3u8\n";
        assert_eq!(rooted(index, &room), expected);
    }
}
