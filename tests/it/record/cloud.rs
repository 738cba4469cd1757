//! Uploads to a bucket, against moto's S3: installed by `scripts/setup.sh cloud` (`make test-cloud`).

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::api::recorded;
use crate::support::Server;

/// An S3 of this test's own.
pub(crate) struct S3 {
    child: Child,
    pub(crate) address: String,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl S3 {
    pub(crate) fn start() -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto");
        let mut child = Command::new("python3")
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONPATH", tools)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let address = lines.by_ref().find_map(|line| Some(line.ok()?.split_once("Running on http://")?.1.to_owned()));
        // It is not to wait for anybody who reads what else it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("moto is installed and says where it is") }
    }

    /// What a server has to know to use it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "somebody".into()),
            ("AWS_SECRET_ACCESS_KEY", "something".into()),
        ]
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let (head, body) = self.whole(method, path).await;
        (head[9..12].parse().expect("a status"), body)
    }

    /// The head of an answer, and what follows.
    pub(crate) async fn whole(&self, method: &str, path: &str) -> (String, Vec<u8>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.expect("it listens");
        let host = &self.address;
        // What is kept is its owner's alone; that the signature is right is not looked at.
        let owner =
            "AWS4-HMAC-SHA256 Credential=somebody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {owner}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("read");
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
        let body = answer.split_off(head);
        (String::from_utf8_lossy(&answer).into_owned(), body)
    }
}

#[tokio::test]
async fn a_recording_goes_to_a_bucket_once_there_is_one() {
    let (root, s3) = tokio::task::spawn_blocking(|| (recorded(), S3::start())).await.expect("started");
    let environment = s3.environment();
    let environment = environment.each_ref().map(|(key, value)| (*key, value.as_str()));
    let directory = format!("record.directory={}", root.path().display());
    let server = Server::start_in(&environment, &[&directory, "record.upload_to=s3://calls/all"]).await;
    server.counts("crescendo_recording_upload_failures_total", 1.0).await;
    let (status, answer) = s3.ask("PUT", "/calls").await;
    assert_eq!(status, 200, "the bucket is made: {}", String::from_utf8_lossy(&answer));
    server.counts("crescendo_recordings_uploaded_total", 1.0).await;

    let (_, list) = server.get("/api/v1/rooms/demo/recordings").await;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let recording = &list["recordings"][0];
    let path = format!("/calls/all/{}", recording["id"].as_str().expect("text").replace('~', "/"));
    let (status, sidecar) = s3.ask("GET", &format!("{path}/recording.json")).await;
    assert_eq!(status, 200);
    let sidecar: serde_json::Value = serde_json::from_slice(&sidecar).expect("JSON");
    let file = &sidecar["files"][0];
    let (status, media) = s3.ask("GET", &format!("{path}/{}", file["name"].as_str().expect("text"))).await;
    assert_eq!((status, media.len() as u64), (200, file["bytes"].as_u64().expect("a number")));
    assert_eq!(&media[4..8], b"ftyp");
    assert_eq!(recording["uploaded"]["moved"], true);
}
