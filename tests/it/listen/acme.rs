//! A certificate from an authority: Pebble, Let's Encrypt's own test server, looks at the challenge on our port.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::{call, connect, get, own_certificate};
use crate::support::Server;

/// Ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago: what Pebble is told of cannot be asked back from it.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn start(command: &mut Command) -> Running {
    let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(started.expect("pebble and pebble-challtestsrv are installed; scripts/setup.sh test does it"))
}

/// Pebble, to which every name leads to this machine.
struct Authority {
    directory: tempfile::TempDir,
    ours: u16,
    management: u16,
    set: Vec<String>,
    pebble: Running,
    _names: Running,
}

impl Authority {
    /// Its certificates are good for so many seconds; five years unless given.
    fn new(validity_s: Option<u64>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join(name);
        let [dns, api, management, ours] = [(); 4].map(|()| free_port());

        let resolver = format!("127.0.0.1:{dns}");
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-defaultIPv6", "", "-dns01", &resolver, "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        command.args(["-management", &format!("127.0.0.1:{}", free_port())]);
        let names = start(&mut command);

        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(file("ca.pem"), own.cert.pem()).expect("written");
        std::fs::write(file("ca-key.pem"), own.signing_key.serialize_pem()).expect("written");
        let mut config = serde_json::json!({
            "listenAddress": format!("127.0.0.1:{api}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("ca.pem"), "privateKey": file("ca-key.pem"), "httpPort": free_port(), "tlsPort": ours,
        });
        if let Some(seconds) = validity_s {
            config["certificateValidityPeriod"] = seconds.into();
        }
        std::fs::write(file("pebble.json"), serde_json::json!({ "pebble": config }).to_string()).expect("written");
        let mut command = Command::new("pebble");
        command.arg("-config").arg(file("pebble.json")).args(["-dnsserver", &resolver]);
        // It would answer late, and refuse good requests now and then, on purpose.
        let pebble = start(command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0"));

        let set = vec![
            format!("tls.listen=127.0.0.1:{ours}"),
            "tls.acme_domains=['call.example']".into(),
            "tls.acme_contact=['ann@call.example']".into(),
            format!("tls.acme_cache={}", file("cache").display()),
            format!("tls.acme_url=https://localhost:{api}/dir"),
            format!("tls.acme_root={}", file("ca.pem").display()),
        ];
        Self { ours, management, set, pebble, _names: names, directory }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// A server with a certificate of its.
    async fn server(&self) -> Server {
        let set: Vec<&str> = self.set.iter().map(String::as_str).collect();
        let server = Server::start(&set).await;
        assert_eq!(server.https.map(|https| https.port()), Some(self.ours));
        server.counts(EXPIRY, 1.0).await;
        server
    }

    /// What its certificates are to be checked against.
    async fn roots(&self) -> Vec<u8> {
        let own = std::fs::read(self.file("ca.pem")).expect("readable");
        let to = ([127, 0, 0, 1], self.management).into();
        let mut management = connect(&own, "localhost", to, &[]).await.expect("Pebble's other port");
        let answer = get(&mut management, "/roots/0").await;
        let (_, roots) = answer.split_once("\r\n\r\n").expect("a head and a body");
        roots.as_bytes().to_vec()
    }
}

const EXPIRY: &str = "crescendo_tls_certificate_expiry_timestamp_seconds";

#[tokio::test]
async fn a_certificate_is_got_from_an_authority_kept_and_used_again() {
    let authority = Authority::new(None);
    let server = authority.server().await;
    let https = server.https.expect("a listener");
    let roots = authority.roots().await;
    let mut stream = connect(&roots, "call.example", https, &[b"http/1.1"]).await.expect("a certificate for the name");
    let issued = own_certificate(&stream);
    assert!(get(&mut stream, "/healthz").await.starts_with("HTTP/1.1 200"));

    // The next start needs no authority.
    drop(server);
    let mut authority = authority;
    authority.pebble.0.kill().expect("it ran");
    let server = authority.server().await;
    let stream = connect(&roots, "call.example", server.https.expect("a listener"), &[]).await.expect("TLS");
    assert_eq!(own_certificate(&stream), issued);
    let cache = std::fs::metadata(authority.file("cache")).expect("there");
    let mode = std::os::unix::fs::PermissionsExt::mode(&cache.permissions());
    assert_eq!(mode & 0o777, 0o700, "keys are for this user alone");
}

/// A certificate is renewed when two thirds of its time are over, and what was open stays open.
#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_and_a_call_goes_on() {
    let authority = Authority::new(Some(12));
    let server = authority.server().await;
    let https = server.https.expect("a listener");
    let roots = authority.roots().await;
    let stream = connect(&roots, "call.example", https, &[b"http/1.1"]).await.expect("a certificate for the name");
    let first = own_certificate(&stream);
    let mut ann = call(stream, "call.example").await;

    let expiry = server.metric(EXPIRY).await;
    server.counts(EXPIRY, expiry + 1.0).await;
    let stream = connect(&roots, "call.example", https, &[]).await.expect("one that is good still");
    assert_ne!(own_certificate(&stream), first);
    ann.send(json!({ "type": "ping", "at": 7 })).await;
    assert_eq!(ann.until("pong").await["at"], 7.0);
}
