//! Recordings that leave the machine, against the real binary.

use serde_json::{Value, json};

use super::api::recorded;
use crate::support::Server;

#[tokio::test]
async fn a_recording_is_deleted_here_once_it_is_there_and_not_before() {
    let root = tokio::task::spawn_blocking(recorded).await.expect("recorded");
    let elsewhere = tempfile::tempdir().expect("a directory");
    // A store that is broken: a file where its directory should be.
    let store = elsewhere.path().join("store");
    std::fs::write(&store, "").expect("written");
    let to = format!("file://{}/bucket", store.display());
    let server =
        Server::start(&[&format!("record.directory={}", root.path().display()), &format!("record.upload_to={to}")])
            .await;
    server.counts("crescendo_recording_upload_failures_total", 1.0).await;
    let all = "/api/v1/rooms/demo/recordings";
    let list: Value = serde_json::from_str(&server.get(all).await.1).expect("JSON");
    let recording = &list["recordings"][0];
    assert_eq!(recording["uploaded"], Value::Null);
    let (id, name) = (recording["id"].as_str().expect("text"), recording["files"][0]["name"].as_str().expect("text"));
    let file = format!("{all}/{id}/{name}");
    assert_eq!(server.request("HEAD", &file, None, "").await.0, 200, "it is still here");
    let directory = id.replace('~', "/");
    let bytes = std::fs::read(root.path().join(&directory).join(name)).expect("here");

    std::fs::remove_file(&store).expect("repaired");
    server.counts("crescendo_recordings_uploaded_total", 1.0).await;
    let there = store.join("bucket").join(&directory);
    assert!(std::fs::read(there.join(name)).expect("there") == bytes);
    let sidecar: Value =
        serde_json::from_slice(&std::fs::read(there.join("recording.json")).expect("there")).expect("JSON");
    assert_eq!(sidecar["files"][0]["name"], name);
    assert!(!root.path().join(&directory).join(name).exists(), "and here no more");
    let one: Value = serde_json::from_str(&server.get(&format!("{all}/{id}")).await.1).expect("JSON");
    assert_eq!(one["uploaded"], json!({ "to": format!("{to}/{directory}"), "moved": true }));
    let (status, gone) = server.get(&file).await;
    assert!(status == 410 && gone.contains(&to), "{status} {gone}");
}
