//! Answers of real browsers are in `tests/data/sdp`; its README says where they come from.

use super::answer::{MAX_BYTES, MAX_SECTIONS};
use super::*;
use crate::room::{Kind, Source, VideoCodec};
use crate::sfu::{DtlsRole, PublicationId};

const CODECS: [VideoCodec; 4] = [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1];
const CHROMIUM_UP: &str = include_str!("../../../tests/data/sdp/chromium-up.sdp");
const FIREFOX_UP: &str = include_str!("../../../tests/data/sdp/firefox-up.sdp");
const CHROMIUM_DOWN: &str = include_str!("../../../tests/data/sdp/chromium-down.sdp");
const FIREFOX_DOWN: &str = include_str!("../../../tests/data/sdp/firefox-down.sdp");

fn local() -> Local {
    Local {
        ice: IceCredential { ufrag: "ufragufr".into(), pwd: "passwordpasswordpassword".into() },
        fingerprint: [0xab; 32],
        candidates: vec!["192.0.2.2:50000".parse().unwrap(), "[2001:db8::1]:50000".parse().unwrap()],
        tcp_candidates: vec!["192.0.2.2:443".parse().unwrap()],
        max_message_bytes: 65_536,
        session: 42,
    }
}

fn up() -> Up {
    Up::new(local(), &CODECS, 1_500)
}

fn publication(source: Source) -> PublicationId {
    PublicationId(source as u64 + 10)
}

/// A client's answer: everything is taken, in the direction that fits, except the mids in `rejected`.
fn answer_to(offer: &str, rejected: &[&str]) -> String {
    let mut sections = offer.split("m=").map(str::to_owned);
    let mut answer = sections.next().unwrap();
    for section in sections {
        let reject =
            section.contains(" 0 UDP") || rejected.iter().any(|mid| section.contains(&format!("a=mid:{mid}\r")));
        let section = section
            .replace("a=setup:active", "a=setup:passive")
            .replace("recvonly", "SEND")
            .replace("sendonly", "recvonly")
            .replace("SEND", "sendonly");
        answer += "m=";
        answer += &if reject { section.replacen(" 9 ", " 0 ", 1) } else { section };
    }
    answer
}

#[test]
fn an_up_offer_has_what_browsers_need() {
    let mut up = up();
    let offer = up.offer();
    assert!(offer.starts_with("v=0\r\no=- 42 1 IN IP4 127.0.0.1\r\n"));
    assert!(offer.contains("a=group:BUNDLE 0 1 2 3 d\r\n") && offer.contains("a=ice-lite\r\n"));
    assert_eq!(offer.matches("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n").count(), 2);
    assert_eq!(offer.matches("m=video 9 UDP/TLS/RTP/SAVPF 102 103 104 105 96 97 98 99 45 46\r\n").count(), 2);
    assert_eq!(offer.matches("a=recvonly\r\n").count(), 4);
    assert_eq!(offer.matches("x-google-start-bitrate=1500\r\n").count(), 10);
    assert_eq!(offer.matches("transport-cc\r\n").count(), 2 + 10);
    assert!(offer.contains("a=candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host\r\n"));
    assert!(offer.contains("a=candidate:2 1 udp 2130706175 2001:db8::1 50000 typ host\r\n"));
    // RFC 6544 section 4.2: below every UDP one.
    assert!(offer.contains("a=candidate:3 1 tcp 1520435199 192.0.2.2 443 typ host tcptype passive\r\n"));
    assert!(offer.contains(&format!("a=fingerprint:sha-256 {}AB\r\n", "AB:".repeat(31))));
    assert!(offer.contains("a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"));
    assert_eq!(offer.matches("repaired-rtp-stream-id").count(), 2);
    assert!(up.offer().starts_with("v=0\r\no=- 42 2 "));
    assert_eq!(up.slots()[1], ("1".to_owned(), Source::Camera));
}

#[test]
fn a_camera_is_asked_for_in_three_sizes() {
    let offer = up().with_simulcast(true).offer();
    let sizes = "a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h\r\n";
    assert_eq!(offer.matches(sizes).count(), 1);
    let camera = offer.split("m=").find(|section| section.contains("a=mid:1\r\n")).unwrap();
    assert!(camera.contains(sizes) && camera.contains("sdes:rtp-stream-id"));
    assert!(!up().offer().contains("simulcast"), "not unless it is wanted");
}

#[test]
fn the_preferred_codec_comes_first() {
    let mut up = up();
    assert!(!up.prefer(VideoCodec::H264));
    assert!(up.prefer(VideoCodec::Vp9));
    assert!(up.offer().contains("SAVPF 98 99 102 103 104 105 96 97 45 46\r\n"));
    assert!(!Up::new(local(), &[VideoCodec::Vp8], 1_000).prefer(VideoCodec::Av1), "not offered");
}

#[test]
fn answers_of_browsers_to_an_up_offer_are_read() {
    for (sdp, ssrc) in [(CHROMIUM_UP, 1_389_248_591), (FIREFOX_UP, 895_910_105)] {
        let mut up = up();
        assert_eq!(up.answer(sdp, publication), Err(SdpError::Unasked));
        up.offer();
        let remote = up.answer(sdp, publication).unwrap();
        assert_eq!(remote.dtls, DtlsRole::Client);
        assert!(remote.ice.ufrag.len() >= 4 && remote.ice.pwd.len() >= 22);
        assert_ne!(remote.fingerprint, [0; 32]);
        let camera = &remote.receive[1];
        assert_eq!((camera.mid.as_str(), camera.kind, camera.ssrc), ("1", Kind::Video, Some(ssrc)));
        assert_eq!(camera.publication, publication(Source::Camera));
        assert!(remote.receive.len() == 4 && remote.data);
    }
}

#[test]
fn answers_of_browsers_to_a_down_offer_are_read() {
    for sdp in [CHROMIUM_DOWN, FIREFOX_DOWN] {
        let mut down = Down::new(local(), &CODECS, 2);
        assert_eq!(down.assign(PublicationId(1), Source::Microphone), Assigned::NeedsOffer);
        assert_eq!(down.assign(PublicationId(2), Source::Camera), Assigned::NeedsOffer);
        down.offer().unwrap();
        let (remote, sends) = down.answer(sdp).unwrap();
        assert_eq!(remote.dtls, DtlsRole::Client);
        let sent: Vec<_> = sends.iter().map(|send| (send.mid.as_str(), send.publication.0)).collect();
        assert_eq!(sent, [("1", 1), ("2", 2)]);
    }
}

#[test]
fn a_reserved_m_line_costs_no_offer() {
    let mut down = Down::new(local(), &CODECS, 1);
    assert!(down.needs_offer());
    let offer = down.offer().unwrap();
    assert!(offer.contains("a=group:BUNDLE a 1 2\r\n"));
    assert_eq!(down.offer(), None, "one is outstanding");
    assert_eq!(down.answer(&answer_to(&offer, &[])).unwrap().1, []);
    assert!(!down.needs_offer());

    let Assigned::Ready(send) = down.assign(PublicationId(7), Source::Camera) else {
        panic!("there was one in reserve")
    };
    assert!(offer.contains(&format!("a=ssrc:{} cname:", send.ssrc)));
    assert_eq!(down.assign(PublicationId(7), Source::Camera), Assigned::Ready(send.clone()), "it keeps it");
    assert!(!down.needs_offer());
    assert_eq!(down.slots(), [("1".to_owned(), None), (send.mid, Some(PublicationId(7)))]);

    assert_eq!(down.assign(PublicationId(8), Source::Screen), Assigned::NeedsOffer);
    assert!(down.needs_offer());
    let offer = down.offer().unwrap();
    assert!(!down.needs_offer());
    let (_, sends) = down.answer(&answer_to(&offer, &[])).unwrap();
    assert_eq!(sends.iter().map(|send| send.publication.0).collect::<Vec<_>>(), [8]);
    assert!(matches!(down.assign(PublicationId(9), Source::Camera), Assigned::Ready(_)), "the reserve is full again");
}

#[test]
fn retransmissions_go_on_their_own_stream_to_clients_that_take_them() {
    for takes in [true, false] {
        let mut down = Down::new(local(), &CODECS, 0);
        down.assign(PublicationId(1), Source::Camera);
        down.assign(PublicationId(2), Source::Microphone);
        let offer = down.offer().unwrap();
        let mut answer = answer_to(&offer, &[]);
        if !takes {
            // One of the formats that are kept has none.
            answer = answer.replace(" 103 ", " ");
        }
        let sends = down.answer(&answer).unwrap().1;
        let [video, audio] = &sends[..] else { panic!("both are sent") };
        assert_eq!((video.rtx.is_some(), audio.rtx), (takes, None));
        if let Some(rtx) = video.rtx {
            assert!(offer.contains(&format!("a=ssrc-group:FID {} {rtx}\r\n", video.ssrc)));
        }
    }
}

#[test]
fn packets_have_transport_wide_numbers_for_clients_that_tell_when_they_come() {
    for (kept, tells) in [("transport-cc", true), ("goog-remb", false)] {
        let mut down = Down::new(local(), &CODECS, 0);
        down.assign(PublicationId(1), Source::Screen);
        down.assign(PublicationId(2), Source::Microphone);
        let offer = down.offer().unwrap();
        assert_eq!(offer.matches("transport-wide-cc-extensions-01\r\n").count(), 2);
        let sends = down.answer(&answer_to(&offer, &[]).replace("transport-cc\r", &format!("{kept}\r"))).unwrap().1;
        assert!(sends.iter().all(|send| send.transport_cc == tells));
        assert_eq!(sends.iter().map(|send| send.screen).collect::<Vec<_>>(), [true, false]);
    }
}

#[test]
fn a_released_m_line_comes_back_as_another_one() {
    let mut down = Down::new(local(), &CODECS, 0);
    down.assign(PublicationId(1), Source::Camera);
    let offer = down.offer().unwrap();
    let first = down.answer(&answer_to(&offer, &[])).unwrap().1.remove(0);

    assert_eq!(down.release(PublicationId(1)), Some(first.mid.clone()));
    assert_eq!(down.release(PublicationId(1)), None);
    assert!(down.needs_offer() && down.slots().is_empty());
    let offer = down.offer().unwrap();
    assert!(offer.contains("a=group:BUNDLE a\r\n") && offer.contains("m=video 0 UDP"));
    assert_eq!(down.assign(PublicationId(2), Source::Camera), Assigned::NeedsOffer);
    down.answer(&answer_to(&offer, &[])).unwrap();

    // The place of the closed one is taken by the next that is planned after the client knows.
    down.assign(PublicationId(3), Source::Microphone);
    let offer = down.offer().unwrap();
    let sends = down.answer(&answer_to(&offer, &[])).unwrap().1;
    assert_eq!(offer.matches("m=").count(), 3);
    assert_eq!(sends.len(), 2);
    assert!(sends.iter().all(|send| send.mid != first.mid && send.ssrc != first.ssrc));
}

#[test]
fn a_publication_that_is_gone_before_the_answer_is_not_sent() {
    let mut down = Down::new(local(), &CODECS, 0);
    down.assign(PublicationId(1), Source::Camera);
    assert_eq!(down.release(PublicationId(1)), None, "the client never heard of it");
    down.assign(PublicationId(1), Source::Camera);
    let offer = down.offer().unwrap();
    assert!(down.release(PublicationId(1)).is_some());
    assert_eq!(down.answer(&answer_to(&offer, &[])).unwrap().1, []);
    assert!(down.needs_offer(), "the m-line has to be closed");
}

#[test]
fn an_m_line_that_the_client_rejects_carries_nothing() {
    let mut down = Down::new(local(), &CODECS, 0);
    down.assign(PublicationId(1), Source::Camera);
    down.assign(PublicationId(2), Source::Microphone);
    let offer = down.offer().unwrap();
    let sends = down.answer(&answer_to(&offer, &["1"])).unwrap().1;
    assert_eq!(sends.iter().map(|send| send.publication.0).collect::<Vec<_>>(), [2]);
    assert_eq!(down.slots().len(), 1);
}

#[test]
fn only_so_many_m_lines_are_made() {
    let mut down = Down::new(local(), &CODECS, 0);
    for n in 1..MAX_SECTIONS as u64 {
        assert_eq!(down.assign(PublicationId(n), Source::Camera), Assigned::NeedsOffer);
    }
    assert_eq!(down.assign(PublicationId(5_000), Source::Camera), Assigned::Full);
}

#[test]
fn bad_answers_are_refused_with_a_reason() {
    let mut up = up();
    let good = answer_to(&up.offer(), &[]);
    let mut refused = |sdp: &str| up.answer(sdp, publication).expect_err("it is bad");
    assert_eq!(refused(""), SdpError::Ice);
    assert_eq!(refused("hello"), SdpError::Line(1));
    assert_eq!(refused("v=0\r\nm=audio x RTP 0"), SdpError::Line(2));
    assert_eq!(refused(&"a".repeat(MAX_BYTES + 1)), SdpError::TooLong);
    assert_eq!(refused(&"m=audio 9 RTP 0\r\n".repeat(MAX_SECTIONS + 1)), SdpError::TooManySections);
    assert_eq!(refused(&good.replace("a=ice-pwd:passwordpasswordpassword", "a=ice-pwd:short")), SdpError::Ice);
    assert_eq!(refused(&good.replace("ufragufr", "uf rag")), SdpError::Ice);
    assert_eq!(refused(&good.replace("sha-256", "sha-1")), SdpError::Fingerprint);
    assert_eq!(refused(&good.replace("AB:AB", "AB:ÄB")), SdpError::Fingerprint);
    assert_eq!(refused(&good.replace(":AB\r\n", ":AB:AB\r\n")), SdpError::Fingerprint);
    assert_eq!(refused(&good.replace("setup:passive", "setup:actpass")), SdpError::Setup);
    assert_eq!(refused(&good.replace("a=mid:2", "a=mid:9")), SdpError::Sections);
    assert_eq!(refused(good.rsplit_once("m=").unwrap().0), SdpError::Sections);
    for end in (0..good.len()).step_by(7) {
        // Cut anywhere it is refused or read, and never a panic.
        let _ = up.answer(&good[..end], publication);
    }
}

/// The offer of a client with numbers of its own: Opus and three ways of H.264, VP8, a data channel.
const FOREIGN_OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
    a=fingerprint:sha-256 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20\r\n\
    a=setup:actpass\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 63 109\r\na=mid:0\r\na=sendrecv\r\n\
    a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=rtpmap:63 red/48000/2\r\na=rtpmap:109 opus/48000/2\r\na=fmtp:109 minptime=10\r\na=rtcp-fb:109 transport-cc\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 120 39 40 41\r\na=mid:1\r\na=sendrecv\r\n\
    a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:2 urn:unknown\r\n\
    a=rtpmap:120 VP8/90000\r\na=rtcp-fb:120 nack\r\na=rtcp-fb:120 nack pli\r\na=rtcp-fb:120 goog-remb\r\n\
    a=rtpmap:39 H264/90000\r\na=fmtp:39 packetization-mode=0;profile-level-id=42e01f\r\n\
    a=rtpmap:40 H264/90000\r\na=fmtp:40 packetization-mode=1;profile-level-id=42e01f\r\n\
    a=rtpmap:41 H264/90000\r\na=fmtp:41 packetization-mode=1;profile-level-id=64001f\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

#[test]
fn a_clients_offer_is_answered_with_what_both_know_in_the_servers_order() {
    let mut up = AnsweredUp::new(local(), &CODECS, 1_500, true);
    let (answer, remote) = up.answer(FOREIGN_OFFER, publication).unwrap();
    assert!(answer.contains("a=group:BUNDLE 0 1 2\r\n") && answer.contains("a=ice-lite\r\n"));
    assert!(answer.contains("m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n"));
    assert!(
        answer.contains("m=video 9 UDP/TLS/RTP/SAVPF 40 120\r\n"),
        "H.264 first, and only what is forwarded: {answer}"
    );
    let data = answer.split("m=").last().unwrap();
    assert!(data.starts_with("application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n") && data.contains("a=mid:2\r\n"));
    assert!(data.ends_with("a=sctp-port:5000\r\na=max-message-size:65536\r\n") && remote.data);
    assert_eq!(answer.matches("a=recvonly\r\n").count(), 2);
    assert!(answer.contains("a=setup:active\r\n"), "the server speaks first");
    assert!(answer.contains("a=extmap:7 http") && !answer.contains("urn:unknown"));
    assert!(answer.contains("a=rtcp-fb:120 nack pli\r\n") && !answer.contains("goog-remb"));
    assert!(!answer.contains("a=rtcp-fb:40"), "nothing is asked for that was not offered");
    assert_eq!(remote.dtls, DtlsRole::Client);
    let received: Vec<_> = remote.receive.iter().map(|r| (r.mid.as_str(), r.kind, r.publication)).collect();
    let expected =
        [("0", Kind::Audio, publication(Source::Microphone)), ("1", Kind::Video, publication(Source::Camera))];
    assert_eq!(received, expected);

    let mut packet = vec![0x80, 40, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    assert!(remote.numbers.unwrap().apply(&mut packet));
    assert_eq!(packet[1], 102);
}

#[test]
fn what_is_rejected_is_in_no_bundle_and_there_is_none_that_was_not_offered() {
    let mut up = AnsweredUp::new(local(), &CODECS, 1_500, false);
    let (answer, remote) = up.answer(FOREIGN_OFFER, publication).unwrap();
    assert!(answer.contains("a=group:BUNDLE 0 1\r\n") && !remote.data);
    let rejected = answer.split("m=").last().unwrap();
    assert_eq!(
        rejected,
        "application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=inactive\r\n"
    );

    let (session, sections) = FOREIGN_OFFER.split_at(FOREIGN_OFFER.find("m=audio").unwrap());
    let sound = &sections[..sections.find("m=video").unwrap()];
    let alone = session.replace("a=group:BUNDLE 0 1 2\r\n", "") + sound;
    assert!(!up.answer(&alone, publication).unwrap().0.contains("a=group"));

    // A place that is free, as the client has it after it was rejected before.
    let closed = "m=audio 0 UDP/TLS/RTP/SAVPF 109\r\na=mid:3\r\na=inactive\r\n";
    let again = session.replace("BUNDLE 0 1 2", "BUNDLE 0 1") + sections + closed;
    assert_eq!(AnsweredUp::sources(&again, &CODECS), Ok(vec![Source::Microphone, Source::Camera]));
}

#[test]
fn m_lines_of_a_later_offer_stay_what_they_were() {
    let mut up = AnsweredUp::new(local(), &CODECS, 1_500, true);
    let (session, sections) = FOREIGN_OFFER.split_at(FOREIGN_OFFER.find("m=audio").unwrap());
    let video = &sections[sections.find("m=video").unwrap()..sections.find("m=application").unwrap()];
    let line = |mid: &str| video.replace("a=mid:1", &format!("a=mid:{mid}"));
    let mut answer = |mids: &[&str]| {
        let offer: String = mids.iter().fold(session.to_owned(), |offer, mid| offer + &line(mid));
        let (_, remote) = up.answer(&offer, publication).unwrap();
        remote.receive.into_iter().map(|r| (r.mid, r.publication)).collect::<Vec<_>>()
    };
    let of = |mid: &str, source| (mid.to_owned(), publication(source));
    assert_eq!(answer(&["a", "b"]), [of("a", Source::Camera), of("b", Source::Screen)]);
    assert_eq!(answer(&["b"]), [of("b", Source::Screen)]);
    assert_eq!(answer(&["c", "b", "d"]), [of("c", Source::Camera), of("b", Source::Screen)], "only two are taken");
}

#[test]
fn an_offer_with_nothing_to_take_is_refused() {
    let mut up = AnsweredUp::new(local(), &CODECS, 1_500, true);
    let no_codec = FOREIGN_OFFER.replace("opus", "PCMU").replace("VP8", "VP7").replace("H264", "H261");
    assert_eq!(up.answer(&no_codec, publication), Err(SdpError::Nothing));
    let receives = FOREIGN_OFFER.replace("sendrecv", "recvonly");
    assert_eq!(up.answer(&receives, publication), Err(SdpError::Nothing));
    let setup = FOREIGN_OFFER.replace("actpass", "holdconn");
    assert_eq!(up.answer(&setup, publication), Err(SdpError::Setup));
}
