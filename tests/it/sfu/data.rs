//! Data channels through a running shard.

use bytes::Bytes;
use crescendo::room::ids::ParticipantId;
use crescendo::sfu::data::{Client as Kind, Crowd, DataEnd, DataEvent, Frame, HubId, Kind as MessageKind, To};
use rtc_sctp::PayloadProtocolIdentifier as Protocol;

use super::*;

const HUB: HubId = HubId(1);

/// A connected transport with data channels, and what the host is told of them.
struct End<D> {
    link: Link<D>,
    events: mpsc::Receiver<DataEvent>,
}

impl Server {
    fn open_data(&self, transport: TransportId, participant: u32, client: Kind) -> mpsc::Receiver<DataEvent> {
        self.open_data_among(3, transport, participant, client)
    }

    fn open_data_among(
        &self,
        count: usize,
        transport: TransportId,
        participant: u32,
        client: Kind,
    ) -> mpsc::Receiver<DataEvent> {
        let (to, events) = mpsc::channel(16);
        let crowd = Crowd::default();
        crowd.set(count);
        let end = DataEnd { hub: HUB, participant: ParticipantId(participant), client, crowd, events: to };
        self.send(Command::OpenData { transport, end });
        events
    }

    async fn up_with_data(&self, participant: u32, client: Kind) -> End<Up> {
        let mut link = self.up(Dtls::Passive, u64::from(participant) * 10).await;
        let events = self.open_data(link.id, participant, client);
        link.client.until("SCTP is up", |client| client.sctp.is_up).await;
        End { link, events }
    }

    async fn down_with_data(&self, participant: u32, client: Kind) -> End<Down> {
        let mut link = self.down(Dtls::Passive, &[]).await;
        let events = self.open_data(link.id, participant, client);
        link.client.until("SCTP is up", |client| client.sctp.is_up).await;
        End { link, events }
    }
}

fn frame(kind: u8, to: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, u8::try_from(to.len()).unwrap()];
    to.iter().for_each(|number| frame.extend(number.to_be_bytes()));
    frame.extend(payload);
    frame
}

fn heard<D>(end: &End<D>) -> Vec<Vec<u8>> {
    end.link.client.sctp.heard.iter().map(|(_, _, bytes)| bytes.to_vec()).collect()
}

#[tokio::test]
async fn a_native_clients_messages_reach_the_down_transports_of_those_they_are_for() {
    let server = Server::start();
    let mut ann = server.up_with_data(1, Kind::Native).await;
    let mut own = server.down_with_data(1, Kind::Native).await;
    let mut ben = server.down_with_data(2, Kind::Native).await;
    let mut cleo = server.down_with_data(3, Kind::Native).await;
    ann.link.client.sctp.agree();
    for (to, text) in [(&[][..], "all"), (&[3], "cleo"), (&[2, 9], "ben")] {
        ann.link.client.sctp.send(0, Protocol::Binary, &frame(0, to, text.as_bytes()));
    }
    ann.link.client.run_for(Duration::from_millis(200)).await;
    ben.link.client.until("both are there", |client| client.sctp.heard.len() == 2).await;
    cleo.link.client.until("both are there", |client| client.sctp.heard.len() == 2).await;
    own.link.client.run_for(Duration::from_millis(50)).await;
    let framed = |text: &str| Frame::write(MessageKind::Text, ParticipantId(1), text.as_bytes()).to_vec();
    assert_eq!(heard(&ben), [framed("all"), framed("ben")]);
    assert_eq!(heard(&cleo), [framed("all"), framed("cleo")]);
    assert_eq!(heard(&own), Vec::<Vec<u8>>::new(), "nobody hears itself");
    let rest = timeout(PATIENCE, ann.events.recv()).await.unwrap().unwrap();
    assert_eq!(
        (rest.from, rest.to),
        (ParticipantId(1), To::These(vec![ParticipantId(9)])),
        "who has no transport here"
    );
}

#[tokio::test]
async fn whom_no_open_channel_reaches_is_for_the_host() {
    let server = Server::start();
    let mut link = server.up(Dtls::Passive, 10).await;
    let mut told = server.open_data_among(4, link.id, 1, Kind::Native);
    link.client.until("SCTP is up", |client| client.sctp.is_up).await;
    let mut ben = server.down_with_data(2, Kind::Native).await;
    // Cleo's transport is there, and Dan has none.
    let cleo = server.down(Dtls::Passive, &[]).await;
    let _cleo = server.open_data(cleo.id, 3, Kind::Native);
    link.client.sctp.agree();
    for (to, text) in [(&[][..], "all"), (&[2, 3], "two")] {
        link.client.sctp.send(0, Protocol::Binary, &frame(0, to, text.as_bytes()));
    }
    link.client.run_for(Duration::from_millis(100)).await;
    ben.link.client.until("both are there", |client| client.sctp.heard.len() == 2).await;
    let event = |to, bytes: &'static str| DataEvent {
        from: ParticipantId(1),
        to,
        kind: MessageKind::Text,
        bytes: Bytes::from_static(bytes.as_bytes()),
    };
    assert_eq!(told.recv().await, Some(event(To::AllBut(vec![ParticipantId(2)]), "all")));
    assert_eq!(told.recv().await, Some(event(To::These(vec![ParticipantId(3)]), "two")));
}

#[tokio::test]
async fn the_largest_frame_that_is_taken_is_forwarded() {
    let server = Server::start();
    let mut ann = server.up_with_data(1, Kind::Native).await;
    let mut ben = server.down_with_data(2, Kind::Native).await;
    ann.link.client.sctp.agree();
    for length in [65_532, 65_536] {
        let payload = vec![7; length - 2];
        ann.link.client.sctp.send(0, Protocol::Binary, &frame(1, &[], &payload));
        ann.link.client.run_for(Duration::from_millis(100)).await;
        let expected = Frame::write(MessageKind::Binary, ParticipantId(1), &payload);
        ben.link.client.until("it is there", |client| !client.sctp.heard.is_empty()).await;
        assert_eq!(ben.link.client.sctp.heard.pop().unwrap().2, expected);
    }
}

#[tokio::test]
async fn channels_are_opened_in_band_by_either_side_and_go_to_the_host_and_back() {
    let server = Server::start();
    let mut up = server.up_with_data(1, Kind::Other { open: None }).await;
    up.link.client.sctp.open(1, "cam");
    up.link.client.sctp.send(1, Protocol::String, b"hello");
    up.link.client.sctp.send(1, Protocol::BinaryEmpty, &[0]);
    up.link.client.run_for(Duration::from_millis(100)).await;
    let event = |kind, bytes: &'static [u8]| DataEvent {
        from: ParticipantId(1),
        to: To::All,
        kind,
        bytes: Bytes::from_static(bytes),
    };
    assert_eq!(up.events.recv().await, Some(event(MessageKind::Text, b"hello")));
    assert_eq!(up.events.recv().await, Some(event(MessageKind::Binary, b"")));
    let tell = |transport| server.send(Command::SendData { transport, kind: MessageKind::Text, bytes: "back".into() });
    tell(up.link.id);
    up.link.client.until("it is told", |client| !client.sctp.heard.is_empty()).await;
    assert_eq!(up.link.client.sctp.heard, [(1, Protocol::String, Bytes::from_static(b"back"))]);

    let mut down = server.down(Dtls::Passive, &[]).await;
    let _events = server.open_data(down.id, 2, Kind::Other { open: Some("hall".into()) });
    // Before there is a channel.
    tell(down.id);
    down.client.until("it is told", |client| !client.sctp.heard.is_empty()).await;
    assert_eq!(down.client.sctp.opened, [(0, "hall".to_owned())]);
}

#[tokio::test]
async fn media_is_not_touched_by_hostile_data() {
    let server = Server::start();
    let (mut media, mut receiver) = server.pair().await;
    let _up = server.open_data(media.id, 1, Kind::Native);
    media.client.until("SCTP is up", |client| client.sctp.is_up).await;
    for n in 0..2_000_u32 {
        let junk: Vec<u8> = (0..60).map(|at| (n.wrapping_mul(31) >> (at % 24)) as u8).collect();
        media.client.seal_and_send(&junk).await;
    }
    media.client.send(&video(100, true)).await;
    receiver.client.until("media goes on", |client| !client.rtp.is_empty()).await;
}
