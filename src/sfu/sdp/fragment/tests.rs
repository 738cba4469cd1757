use super::*;

/// As in RFC 9725 section 4.3.2.
const TRICKLE: &str = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n\
    a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
    a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
    a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw\r\n\
    a=end-of-candidates\r\n";

fn session() -> IceSession {
    let local = Local {
        ice: IceCredential { ufrag: "first".into(), pwd: "p".repeat(24) },
        fingerprint: [0; 32],
        candidates: vec!["192.0.2.2:50000".parse().unwrap()],
        tcp_candidates: Vec::new(),
        max_message_bytes: 65_536,
        session: 1,
    };
    let remote = IceCredential { ufrag: "EsAw".into(), pwd: "P2uYro0UCOQ4zxjKXaWCBui1".into() };
    IceSession::new(&local, &remote, (Kind::Video, "v".into()))
}

#[test]
fn candidates_of_the_same_credentials_are_no_restart_and_neither_are_candidates_without() {
    let session = session();
    assert!(!session.is_restarted_by(&Fragment::parse(TRICKLE).unwrap()));
    let bare = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 UDP 1 host.example 9 typ host\r\n";
    assert!(!session.is_restarted_by(&Fragment::parse(bare).unwrap()));
    assert!(!session.is_restarted_by(&Fragment::parse("a=end-of-candidates").unwrap()));
}

#[test]
fn new_credentials_restart_ice_and_are_answered_with_new_ones() {
    let mut session = session();
    let fragment = Fragment::parse("a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n").unwrap();
    assert!(session.is_restarted_by(&fragment));
    assert_eq!(session.entity_tag(), "first");
    let text = session.restart(&fragment, IceCredential { ufrag: "second".into(), pwd: "q".repeat(24) });
    assert_eq!(
        text,
        format!(
            "a=ice-options:trickle\r\na=ice-lite\r\nm=video 9 RTP/AVP 0\r\na=mid:v\r\na=ice-ufrag:second\r\n\
             a=ice-pwd:{}\r\na=candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host\r\na=end-of-candidates\r\n",
            "q".repeat(24)
        )
    );
    assert_eq!(session.entity_tag(), "second");
    assert!(!session.is_restarted_by(&fragment), "the same again is the same session");
}

#[test]
fn what_is_no_fragment_is_refused() {
    for bad in [
        "",
        "\r\n",
        "a=mid:0\r\n",
        "v=0\r\n",
        "nonsense",
        "a=ice-ufrag:ysXw\r\n",
        "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n",
        "a=ice-ufrag:y\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n",
        "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:other\r\n",
        "a=candidate:1 1 udp\r\n",
        "a=candidate:1 1 udp 1 192.0.2.1 99999 typ host\r\n",
    ] {
        assert!(Fragment::parse(bad).is_err(), "{bad:?} was taken");
    }
    let many = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(MAX_CANDIDATES + 1);
    assert!(Fragment::parse(&many).is_err());
}
