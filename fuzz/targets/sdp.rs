//! Answers of a client to both server offers. The input is an answer for the up transport, a line with three dashes, and one
//! for the down transport; taken or refused, the next offer and its answer must still be possible.
#![no_main]

use crescendo::sfu::sdp::{AnsweredUp, Down, Local, Up};
use crescendo::sfu::{IceCredential, PublicationId, Source, VideoCodec};
use libfuzzer_sys::fuzz_target;

const CODECS: [VideoCodec; 4] = [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1];

fn local() -> Local {
    let ice = IceCredential { ufrag: "abcdefgh".into(), pwd: "abcdefghijklmnopqrstuvwx".into() };
    Local {
        ice,
        fingerprint: [7; 32],
        candidates: vec![([192, 0, 2, 1], 50_000).into()],
        tcp_candidates: Vec::new(),
        max_message_bytes: 65_536,
        session: 1,
    }
}

fuzz_target!(|answers: &[u8]| {
    let Ok(answers) = std::str::from_utf8(answers) else { return };
    let (up_answer, down_answer) = answers.split_once("---\r\n").unwrap_or((answers, answers));

    let mut up = Up::new(local(), &CODECS, 1_500);
    up.offer();
    let publication_of = |source: Source| PublicationId(source as u64);
    if let Ok(remote) = up.answer(up_answer, publication_of) {
        assert!(remote.receive.len() <= up.slots().len());
    }
    up.prefer(VideoCodec::Vp8);
    up.offer();
    let _ = up.answer(down_answer, publication_of);

    // Both are offers as well as they are answers.
    let mut answered = AnsweredUp::new(local(), &CODECS, 1_500, true);
    if let Ok((answer, remote)) = answered.answer(down_answer, publication_of) {
        assert!(answer.ends_with("\r\n") && (1..=4).contains(&remote.receive.len()));
    }

    let mut down = Down::new(local(), &CODECS, 2);
    down.assign(PublicationId(1), Source::Camera);
    down.assign(PublicationId(2), Source::Microphone);
    down.offer();
    match down.answer(down_answer) {
        Ok((_, sends)) => {
            assert!(sends.len() <= 2);
            down.release(PublicationId(1));
            down.assign(PublicationId(3), Source::Screen);
            assert!(down.offer().is_some());
            let _ = down.answer(up_answer);
        }
        Err(_) => assert!(down.offer().is_none(), "the first offer still waits for its answer"),
    }
});
