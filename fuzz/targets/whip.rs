//! Bodies of WHIP and WHEP: an offer to publish or to watch, a line with three dashes, and what is said of ICE after it.
#![no_main]

use crescendo::sfu::sdp::{AnsweredDown, AnsweredUp, Fragment, Local};
use crescendo::sfu::{IceCredential, PublicationId, Source, VideoCodec};
use libfuzzer_sys::fuzz_target;

const CODECS: [VideoCodec; 4] = [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1];

fn ice(ufrag: &str) -> IceCredential {
    IceCredential { ufrag: ufrag.into(), pwd: "abcdefghijklmnopqrstuvwx".into() }
}

fn local() -> Local {
    Local {
        ice: ice("first"),
        fingerprint: [7; 32],
        candidates: vec![([192, 0, 2, 1], 50_000).into()],
        tcp_candidates: Vec::new(),
        max_message_bytes: 65_536,
        session: 1,
    }
}

fuzz_target!(|bodies: &[u8]| {
    let Ok(bodies) = std::str::from_utf8(bodies) else { return };
    let (offer, fragment) = bodies.split_once("---\r\n").unwrap_or((bodies, bodies));

    let mut session = None;
    let mut up = AnsweredUp::new(local(), &CODECS, 1_500, false);
    let answered = up.answer(offer, |source: Source| PublicationId(source as u64));
    if let Ok(sources) = AnsweredUp::sources(offer, &CODECS) {
        let (_, remote) = answered.as_ref().expect("what would be taken is taken");
        assert_eq!(sources.len(), remote.receive.len());
    }
    if let Ok((_, remote)) = &answered {
        session = up.ice(remote);
        assert!(session.is_some());
    }

    let mut down = AnsweredDown::new(local(), &CODECS);
    let decodes = AnsweredDown::decodes(offer, &CODECS);
    let answered = down.answer(offer);
    assert_eq!(decodes.is_ok(), answered.is_ok());
    if let Ok((answer, remote)) = &answered {
        assert!(answer.ends_with("\r\n"));
        session = down.ice(remote).or(session);
        let camera = down.assign(PublicationId(1), Source::Camera);
        assert!(camera.is_some() || decodes.is_ok_and(|decodes| decodes.is_empty()));
        if down.release(PublicationId(1)).is_some() {
            assert!(down.assign(PublicationId(2), Source::Camera).is_none(), "an m-line is for one in its life");
        }
        let mut packet = vec![0x90, 102, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x70, 5, 0x61, 1];
        let length = packet.len();
        remote.numbers.as_ref().expect("a client that offers has numbers").apply(&mut packet);
        assert_eq!(packet.len(), length);
    }

    if let (Ok(fragment), Some(mut session)) = (Fragment::parse(fragment), session)
        && session.is_restarted_by(&fragment)
    {
        let text = session.restart(&fragment, ice("second"));
        assert!(Fragment::parse(&text).is_ok(), "our own are good ones");
        assert!(!session.is_restarted_by(&fragment));
    }
});
