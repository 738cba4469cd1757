use super::call::Offer;
use super::relay::IceUrl;
use super::*;

#[test]
fn the_urls_of_ice_servers_are_read_as_browsers_do() {
    let debug = |text: &str| IceUrl::parse(text).map(|url| format!("{url:?}"));
    for (text, read) in [
        ("stun:192.0.2.1:3478", r#"IceUrl { host: "192.0.2.1", port: 3478, way: Stun }"#),
        ("stun:call.example", r#"IceUrl { host: "call.example", port: 3478, way: Stun }"#),
        ("turn:[2001:db8::1]:99?transport=udp", r#"IceUrl { host: "2001:db8::1", port: 99, way: TurnUdp }"#),
        ("turn:[2001:db8::1]?transport=tcp", r#"IceUrl { host: "2001:db8::1", port: 3478, way: TurnTcp }"#),
        ("turns:call.example?transport=tcp", r#"IceUrl { host: "call.example", port: 5349, way: TurnTls }"#),
    ] {
        assert_eq!(debug(text).as_deref(), Some(read), "{text}");
    }
    for bad in ["", "stun", "http://call.example", "turn:a?transport=sctp", "turn:a:port", "turns:a?transport=udp"] {
        assert_eq!(IceUrl::parse(bad), None, "{bad}");
    }
}

#[test]
fn an_offer_says_where_to_and_under_which_name_once() {
    let section = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n\
                   a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\n\
                   a=candidate:2 1 udp 2130706175 2001:db8::1 50000 typ host\r\na=candidate:broken\r\n";
    let offer = Offer::parse(&format!("v=0\r\n{section}{section}")).expect("an offer");
    let text = format!("{offer:?}");
    assert!(text.contains("IceCredential(abcd)") && text.contains("[192.0.2.1:50000, [2001:db8::1]:50000]"), "{text}");
    assert_eq!(Offer::parse("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n"), None);
    assert_eq!(Offer::parse(""), None);
}

#[test]
fn a_table_says_what_to_do_about_what_failed() {
    let line = |what: &str, outcome| Line { what: what.into(), took_ms: 12, outcome };
    let good = line("pages", Outcome::Good { detail: "fine".into() });
    let off = line("STUN and TURN", Outcome::Untried { why: "none".into() });
    let report = Report { lines: vec![good.clone(), off.clone()] };
    assert!(report.is_good() && report.to_string().contains("Everything that was tried works."));
    let bad = line("media port", Outcome::Failed { why: "no answer".into(), advice: advice::MEDIA });
    let report = Report { lines: vec![good, bad, off] };
    assert!(!report.is_good() && report.to_string().contains(advice::MEDIA), "{report}");
}
