use super::*;
use crate::sfu::IceCredential;

const CODECS: [VideoCodec; 4] = [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1];
const OFFER: &str = include_str!("../../../../tests/data/sdp/chromium-up.sdp");

/// A browser's numbers, as of somebody who wants to receive.
fn offer() -> String {
    OFFER.replace("a=sendonly", "a=recvonly").replace("a=inactive", "a=recvonly")
}

fn down() -> AnsweredDown {
    let ice = IceCredential { ufrag: "ufragufr".into(), pwd: "passwordpasswordpassword".into() };
    let candidates = vec!["192.0.2.2:50000".parse().unwrap()];
    AnsweredDown::new(
        Local {
            ice,
            fingerprint: [0xab; 32],
            candidates,
            tcp_candidates: Vec::new(),
            max_message_bytes: 65_536,
            session: 42,
        },
        &CODECS,
    )
}

fn h264(formats: &[(u8, &str)]) -> String {
    let types: String = formats.iter().map(|(payload_type, _)| format!(" {payload_type}")).collect();
    let lines: String = formats
        .iter()
        .map(|(payload_type, profile)| {
            format!(
                "a=rtpmap:{payload_type} H264/90000\r\n\
                 a=fmtp:{payload_type} packetization-mode=1;profile-level-id={profile}\r\n"
            )
        })
        .collect();
    format!(
        "v=0\r\na=ice-ufrag:clnt\r\na=ice-pwd:clientclientclientclient\r\na=setup:actpass\r\na=fingerprint:sha-256 {}\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF{types}\r\na=mid:v\r\na=recvonly\r\n{lines}",
        ["AB"; 32].join(":")
    )
}

/// Which of the client's payload types a packet of the server's gets.
fn number(offer: &str, ours: u8) -> Option<u8> {
    let (_, remote) = down().answer(offer).unwrap();
    let mut packet = [0x80, ours, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    remote.numbers.unwrap().apply(&mut packet).then_some(packet[1])
}

#[test]
fn one_m_line_of_each_kind_is_taken_and_has_a_stream_of_its_own() {
    let mut down = down();
    let (answer, remote) = down.answer(&offer()).unwrap();
    assert_eq!(answer.matches("a=sendonly\r\n").count(), 2);
    assert_eq!(answer.matches("a=inactive\r\n").count(), 3, "the others are rejected");
    assert_eq!(answer.matches(" cname:crescendo\r\n").count(), 2);
    assert!(!answer.contains("transport-cc") && answer.contains("a=ice-options:trickle\r\n"));
    assert!(remote.receive.is_empty());
    let camera = down.assign(PublicationId(1), Source::Camera).unwrap();
    let microphone = down.assign(PublicationId(2), Source::Microphone).unwrap();
    assert_ne!(camera.ssrc, microphone.ssrc);
    assert!(answer.contains(&format!("a=ssrc:{} cname", camera.ssrc)));
    assert_eq!(down.sent(PublicationId(1)), Some(camera));
    assert_eq!(down.assign(PublicationId(3), Source::Screen), None, "there is one picture");
    assert_eq!(down.answer(&offer()), Err(SdpError::Unasked), "and one offer");
}

#[test]
fn an_m_line_is_for_one_publication_in_its_life() {
    let mut down = down();
    down.answer(&offer()).unwrap();
    let camera = down.assign(PublicationId(1), Source::Camera).unwrap();
    assert_eq!(down.release(PublicationId(1)), Some(camera.mid));
    assert_eq!(down.release(PublicationId(1)), None);
    assert_eq!(down.assign(PublicationId(1), Source::Camera), None, "the same key stream would seal other packets");
    assert_eq!(down.assign(PublicationId(2), Source::Screen), None);
}

#[test]
fn h264_goes_to_the_closest_profile_that_decodes_it() {
    assert_eq!(number(&h264(&[(100, "42001f"), (101, "42e01f")]), 102), Some(101));
    assert_eq!(number(&h264(&[(100, "42001f"), (101, "42e01f")]), 104), Some(100));
    assert_eq!(number(&h264(&[(101, "42c01f")]), 104), Some(101));
    assert_eq!(number(&h264(&[(101, "64001f")]), 102), Some(101), "who decodes high decodes baseline");
    assert_eq!(number(&h264(&[(101, "42e01f")]), 96), None, "VP8 is not sent to who did not ask for it");
    let interleaved = h264(&[(101, "42e01f")]).replace("packetization-mode=1", "packetization-mode=2");
    assert_eq!(down().answer(&interleaved), Err(SdpError::Nothing));
}

#[test]
fn what_a_player_decodes_is_what_it_offered() {
    assert_eq!(AnsweredDown::decodes(&h264(&[(101, "42e01f")]), &CODECS), Ok(vec![VideoCodec::H264]));
    assert_eq!(AnsweredDown::decodes(&offer(), &CODECS), Ok(CODECS.to_vec()));
    let (head, video) = (offer(), "m=video");
    let sound = &head[..head.find(video).unwrap()];
    assert_eq!(AnsweredDown::decodes(sound, &CODECS), Ok(Vec::new()), "sound alone has no say");
    assert_eq!(AnsweredDown::decodes(OFFER, &CODECS), Err(SdpError::Nothing), "who only sends watches nothing");
}

#[test]
fn m_lines_that_do_not_share_a_transport_are_refused() {
    let apart: String =
        offer().lines().filter(|line| !line.starts_with("a=group")).map(|l| format!("{l}\r\n")).collect();
    assert_eq!(down().answer(&apart), Err(SdpError::Bundle));
}
