//! Requests as encoders and players make them, and the offers that they come with.

use crescendo::sfu::IceCredential;
use crescendo::sfu::sdp::Local;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sfu::client::{Client, Dtls};
use crate::support::{PATIENCE, Server};

pub(super) const SDP: (&str, &str) = ("content-type", "application/sdp");
pub(super) const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");
pub(super) const ANY: (&str, &str) = ("if-match", "*");

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path of the session that was made.
    pub(super) fn session(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.body);
        self.header("location").expect("a place").to_owned()
    }

    /// The server's end, as the SDP or the fragment has it.
    pub(super) fn local(&self) -> Local {
        let of = |name: &str| {
            self.body.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}")).to_owned()
        };
        let candidate = of("a=candidate:");
        let words: Vec<&str> = candidate.split(' ').collect();
        Local {
            ice: IceCredential { ufrag: of("a=ice-ufrag:"), pwd: of("a=ice-pwd:") },
            fingerprint: [0; 32],
            candidates: vec![format!("{}:{}", words[4], words[5]).parse().expect("an address")],
            tcp_candidates: Vec::new(),
            max_message_bytes: 65_536,
            session: 0,
        }
    }
}

pub(super) async fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(server.http).await.expect("the server listens");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        server.http,
        body.len()
    );
    // Who refuses a body may do so before it was written.
    let _ = stream.write_all((head + body).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("in time");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

pub(super) async fn client() -> Client {
    let nobody = IceCredential { ufrag: "nobody".into(), pwd: "nobody".into() };
    let local = Local {
        ice: nobody,
        fingerprint: [0; 32],
        candidates: vec![([127, 0, 0, 1], 9).into()],
        tcp_candidates: Vec::new(),
        max_message_bytes: 65_536,
        session: 0,
    };
    Client::new(&local, Dtls::Passive).await
}

/// As OBS 30 offers: H.264 and Opus, streams known by their SSRC, no transport-wide feedback. The extensions are this test's.
pub(super) fn obs(client: &Client) -> String {
    format!(
        "v=0\r\no=rtc 3767197920 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=group:LS 0 1\r\n\
         a=msid-semantic:WMS *\r\na=setup:actpass\r\na=ice-ufrag:clnt\r\na=ice-pwd:clientclientclientclient\r\n\
         a=ice-options:ice2,trickle\r\na=fingerprint:sha-256 {}\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n\
         a=ssrc:{AUDIO_SSRC} cname:obs\r\na=ssrc:{AUDIO_SSRC} msid:obs audio\r\na=msid:obs audio\r\na=rtcp-mux\r\n\
         a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtpmap:111 opus/48000/2\r\n\
         a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\n\
         a=ssrc:{VIDEO_SSRC} cname:obs\r\na=ssrc:{VIDEO_SSRC} msid:obs video\r\na=msid:obs video\r\na=rtcp-mux\r\n\
         a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n\
         a=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
         a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1\r\n",
        client.fingerprint()
    )
}

pub(super) const AUDIO_SSRC: u32 = 0x1111_0001;
pub(super) const VIDEO_SSRC: u32 = 0x1111_0002;

/// As a player with numbers of its own offers; `codecs` are formats of the picture: (payload type, rtpmap, fmtp).
pub(super) fn player(client: &Client, codecs: &[(u8, &str, &str)]) -> String {
    let types: String = codecs.iter().map(|(payload_type, ..)| format!(" {payload_type}")).collect();
    let formats: String = codecs
        .iter()
        .map(|(payload_type, map, parameters)| {
            format!("a=rtpmap:{payload_type} {map}\r\na=fmtp:{payload_type} {parameters}\r\n")
        })
        .collect();
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\na=ice-options:trickle\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 109\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:clnt\r\na=ice-pwd:clientclientclientclient\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:a\r\na=recvonly\r\na=rtcp-mux\r\n\
         a=extmap:9 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtpmap:109 opus/48000/2\r\n\
         m=video 0 UDP/TLS/RTP/SAVPF{types}\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na=mid:v\r\na=recvonly\r\na=rtcp-mux\r\n\
         a=extmap:3 urn:3gpp:video-orientation\r\n{formats}",
        client.fingerprint()
    )
}

pub(super) const H264: (u8, &str, &str) =
    (120, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
pub(super) const VP8: (u8, &str, &str) = (121, "VP8/90000", "max-fs=12288");
