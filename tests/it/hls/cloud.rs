//! Broadcasts in a bucket, against moto's S3 (`make test-cloud`).

use std::fs;

use crate::record::cloud::S3;
use crate::support::Server;

#[tokio::test]
async fn a_broadcast_goes_to_a_bucket_once_there_is_one_with_what_caches_may_keep() {
    let s3 = tokio::task::spawn_blocking(S3::start).await.expect("started");
    let root = tempfile::tempdir().expect("a directory");
    let run = root.path().join("demo/19abc");
    fs::create_dir_all(&run).expect("made");
    let playlist =
        "#EXTM3U\n#EXT-X-MAP:URI=\"video-19abc-init.mp4\"\n#EXTINF:1.0,\nvideo-19abc-0.m4s\n#EXT-X-ENDLIST\n";
    let files = [
        ("video-19abc-init.mp4", "init"),
        ("video-19abc-0.m4s", "a segment"),
        ("video.m3u8", playlist),
        ("index.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n"),
    ];
    files.iter().for_each(|(name, text)| fs::write(run.join(name), text).expect("written"));

    let environment = s3.environment();
    let environment = environment.each_ref().map(|(key, value)| (*key, value.as_str()));
    let directory = format!("hls.directory={}", root.path().display());
    let server = Server::start_in(&environment, &[&directory, "hls.upload_to=s3://cdn/live"]).await;
    server.counts("crescendo_broadcast_upload_failures_total", 1.0).await;
    assert_eq!(s3.ask("PUT", "/cdn").await.0, 200, "the bucket is made");
    // Each file, and the index once more where the room's viewers look for it.
    server.counts("crescendo_broadcast_objects_uploaded_total", 5.0).await;

    let (head, segment) = s3.whole("GET", "/cdn/live/demo/19abc/video-19abc-0.m4s").await;
    assert_eq!(segment, b"a segment");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("cache-control: public, max-age=31536000, immutable\r\n"), "{head}");
    assert!(head.contains("content-type: video/mp4\r\n"), "{head}");
    let (head, index) = s3.whole("GET", "/cdn/live/demo/index.m3u8").await;
    assert_eq!(String::from_utf8_lossy(&index), "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n19abc/video.m3u8\n");
    assert!(head.to_ascii_lowercase().contains("cache-control: public, max-age=1\r\n"), "{head}");
    assert_eq!(s3.ask("GET", "/cdn/live/demo/19abc/video.m3u8").await.1, playlist.as_bytes());
}
