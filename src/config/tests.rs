use super::load::keys;
use super::*;

fn documented() -> std::path::PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/config/crescendo.toml").into()
}

fn set(assignments: &[&str]) -> Result<Config, String> {
    let owned: Vec<String> = assignments.iter().map(|s| s.to_string()).collect();
    load(None, &owned).map_err(|e| e.to_string())
}

#[test]
fn the_documented_file_is_the_default_and_names_every_key() {
    let config = load(Some(&documented()), &[]).expect("the documented file loads");
    assert_eq!(config, Config::default());

    let text = std::fs::read_to_string(documented()).expect("readable");
    let in_file = keys(&text.parse().expect("TOML"));
    let in_struct = keys(&toml::Table::try_from(Config::default()).expect("TOML"));
    assert_eq!(in_file, in_struct);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let error = set(&["room.mesh_limt=3"]).expect_err("a misspelt key");
    assert_eq!(error, "unknown key `room.mesh_limt`; the nearest known one is `room.mesh_limit`");
    assert!(set(&["romo.mesh_limit=3"]).expect_err("a misspelt section").contains("`room.mesh_limit`"));
    assert!(set(&["nonsense={}"]).is_err());
}

#[test]
fn set_lays_values_of_every_type_over_the_file() {
    let config = set(&["http.listen=127.0.0.1:0", "room.mesh_limit=2", "log.json=true", "sfu.announce=['192.0.2.7']"])
        .expect("valid");
    assert_eq!(config.http.listen[0].port(), 0);
    assert_eq!(config.room.mesh_limit, 2);
    assert!(config.log.json);
    assert_eq!(config.sfu.announce, ["192.0.2.7".parse::<IpAddr>().expect("an address")]);
}

#[test]
fn values_that_the_server_could_not_run_with_are_refused() {
    for bad in [
        "room.mesh_limit=0",
        "room.mesh_limit=-1",
        "room.mesh_limit=many",
        "sfu.history_packets=1000",
        "sfu.train_us=10001",
        "sfu.video_codecs=[]",
        "sfu.layer_enough=1.1",
        "sfu.key_frame_reuse_ms=901",
        "sfu.key_frame_reuse_bytes=1048577",
        "sfu.max_kbps=99",
        "sfu.down_min_kbps=9",
        "sfu.down_max_kbps=2999",
        "signal.max_message_bytes=10",
        "whip.max_body_bytes=10",
        "whip.request_burst=0",
        "antmedia.apps=['whip']",
        "antmedia.takeover_ms=0",
        "hls.part_ms=5",
        "http.listen=nowhere",
        "http.listen=[]",
        "http.max_header_bytes=10",
        "limits.exempt_networks=['10.0.0.0/64']",
        "turn.streams_per_address=0",
        "turn.address_allocations=0",
        "tls.cert=a.pem",
        "tls.listen=127.0.0.1:0",
        "http=1",
        "no-equals-sign",
        ".=1",
    ] {
        assert!(set(&[bad]).is_err(), "{bad} was accepted");
    }
}

#[test]
fn listeners_are_one_address_or_a_list() {
    let listen = |assignment: &str| set(&[assignment]).expect("valid").http.listen;
    assert_eq!(listen("http.listen=[::1]:5080"), ["[::1]:5080".parse::<SocketAddr>().expect("an address")]);
    assert_eq!(listen("http.listen=['127.0.0.1:8080', '127.0.0.1:5080']").len(), 2);
    let tls =
        set(&["http.listen=[]", "tls.listen=['0.0.0.0:443', '0.0.0.0:5443']", "tls.acme_domains=['call.example']"])
            .expect("valid")
            .tls;
    assert_eq!(tls.listen.len(), 2);
}

#[test]
fn a_certificate_comes_from_files_or_from_an_authority_and_not_from_both() {
    let (listen, files, acme) =
        ("tls.listen=127.0.0.1:0", ["tls.cert=a", "tls.key=b"], "tls.acme_domains=['a.example']");
    assert!(set(&[listen, files[0], files[1]]).is_ok());
    assert!(set(&[listen, acme]).is_ok());
    assert!(set(&[listen, files[0], files[1], acme]).is_err());
}
