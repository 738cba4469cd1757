//! A certificate from an authority: Pebble, Let's Encrypt's own test server, looks at the challenge on our port.

use std::process::{Child, Command, Stdio};

use super::{connect, get, own_certificate};
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

#[tokio::test]
async fn a_certificate_is_got_from_an_authority_kept_and_used_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let [dns, api, management, ours] = [(); 4].map(|()| free_port());

    // Every name leads to this machine.
    let names = format!("127.0.0.1:{dns}");
    let mut command = Command::new("pebble-challtestsrv");
    command.args(["-defaultIPv6", "", "-dns01", &names, "-http01", "", "-https01", "", "-tlsalpn01", ""]);
    command.args(["-management", &format!("127.0.0.1:{}", free_port())]);
    let _names = start(&mut command);

    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(file("ca.pem"), own.cert.pem()).expect("written");
    std::fs::write(file("ca-key.pem"), own.signing_key.serialize_pem()).expect("written");
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{api}"), "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": file("ca.pem"), "privateKey": file("ca-key.pem"), "httpPort": free_port(), "tlsPort": ours,
    } });
    std::fs::write(file("pebble.json"), config.to_string()).expect("written");
    let mut command = Command::new("pebble");
    command.arg("-config").arg(file("pebble.json")).args(["-dnsserver", &names]);
    // It would answer late, and refuse good requests now and then, on purpose.
    let authority = start(command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0"));

    let set = [
        format!("tls.listen=127.0.0.1:{ours}"),
        "tls.acme_domains=['call.example']".into(),
        "tls.acme_contact=['ann@call.example']".into(),
        format!("tls.acme_cache={}", file("cache").display()),
        format!("tls.acme_url=https://localhost:{api}/dir"),
        format!("tls.acme_root={}", file("ca.pem").display()),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let server = Server::start(&set).await;
    let https = server.https.expect("a listener");
    server.counts("crescendo_tls_certificate_expiry_timestamp_seconds", 1.0).await;

    let mut management = connect(
        &std::fs::read(file("ca.pem")).expect("readable"),
        "localhost",
        ([127, 0, 0, 1], management).into(),
        &[],
    )
    .await
    .expect("Pebble's other port");
    let answer = get(&mut management, "/roots/0").await;
    let (_, roots) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut stream =
        connect(roots.as_bytes(), "call.example", https, &[b"http/1.1"]).await.expect("a certificate for the name");
    let issued = own_certificate(&stream);
    assert!(get(&mut stream, "/healthz").await.starts_with("HTTP/1.1 200"));

    // The next start needs no authority.
    drop((server, authority));
    let server = Server::start(&set).await;
    server.counts("crescendo_tls_certificate_expiry_timestamp_seconds", 1.0).await;
    let stream = connect(roots.as_bytes(), "call.example", server.https.expect("a listener"), &[]).await.expect("TLS");
    assert_eq!(own_certificate(&stream), issued);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file("cache")).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o700, "keys are for this user alone");
}
