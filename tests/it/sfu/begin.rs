//! How a receiver begins: with the last key frame while that is young, else with the next one.

use super::*;

/// Who comes while a key frame is young gets it, and all since, in the moment when its transport opens.
#[tokio::test]
async fn a_receiver_begins_with_the_last_key_frame_while_that_is_young() {
    let server = Server::with(|config| config.key_frame_reuse_ms = 900);
    let (mut up, mut down) = server.pair().await;
    let mut sequence = 99;
    let mut send = |key| {
        sequence += 1;
        video(sequence, key)
    };
    up.client.send(&send(true)).await;
    down.client.until("the room's first picture is there", |client| client.rtp.len() == 1).await;

    let camera = (publication(Source::Camera, 0), Source::Camera);
    let mut late = server.down(Dtls::Passive, &[camera]).await;
    let asked = count::<PictureLossIndication>(&up.client);
    up.client
        .until("a key frame is asked for ahead of the handshake", |client| {
            count::<PictureLossIndication>(client) > asked
        })
        .await;
    for n in 0..5 {
        up.client.send(&send(n == 1)).await;
    }
    down.client.until("they have come", |client| client.rtp.len() == 6).await;
    late.client.connect().await;
    late.client.until("it has all since the key frame", |client| client.rtp.len() >= 4).await;
    up.client.send(&send(false)).await;
    late.client.until("it goes on with the others", |client| client.rtp.len() >= 5).await;
    let first = late.client.rtp[0].header.sequence_number;
    for (n, packet) in (0_u16..).zip(&late.client.rtp) {
        assert_eq!(packet.payload, video(102 + n, n == 0).payload);
        assert_eq!(packet.header.sequence_number, first.wrapping_add(n));
    }
    down.client.until("the others go on", |client| client.rtp.len() >= 7).await;
    assert_eq!((late.client.rtp.len(), down.client.rtp.len()), (5, 7), "nobody gets anything twice");
}

/// The payload that a receiver begins with which comes some time after key frame 100, before key frame 102.
async fn first_of_a_late_one(change: impl FnOnce(&mut config::Sfu), later: Duration) -> Bytes {
    let server = Server::with(change);
    let (mut up, mut down) = server.pair().await;
    up.client.send(&video(100, true)).await;
    down.client.until("the first picture is there", |client| client.rtp.len() == 1).await;
    let camera = (publication(Source::Camera, 0), Source::Camera);
    let mut late = server.down(Dtls::Passive, &[camera]).await;
    up.client.run_for(later).await;
    late.client.connect().await;
    up.client.send(&video(101, false)).await;
    up.client.send(&video(102, true)).await;
    late.client.until("it has begun", |client| !client.rtp.is_empty()).await;
    late.client.rtp[0].payload.clone()
}

/// An old key frame would bring pictures that are long past.
#[tokio::test]
async fn a_receiver_that_comes_later_begins_with_the_next_key_frame() {
    let first = first_of_a_late_one(|config| config.key_frame_reuse_ms = 1, Duration::from_millis(50)).await;
    assert_eq!(first, video(102, true).payload);
}

/// What a link swallows at once is bounded: the rest begins with the next key frame.
#[tokio::test]
async fn a_receiver_is_sent_no_more_at_once_than_is_allowed() {
    let little = |config: &mut config::Sfu| (config.key_frame_reuse_ms, config.key_frame_reuse_bytes) = (900, 10);
    assert_eq!(first_of_a_late_one(little, Duration::ZERO).await, video(102, true).payload);
}

/// The first packets of a key frame have been sent on when the rest of it still gathers.
#[tokio::test]
async fn a_receiver_that_comes_in_the_middle_of_a_train_gets_everything_once() {
    let server = Server::with(|config| (config.key_frame_reuse_ms, config.train_us) = (900, 10_000));
    let (mut up, mut down) = server.pair().await;
    let camera = (publication(Source::Camera, 0), Source::Camera);
    let mut late = server.down(Dtls::Passive, &[camera]).await;
    up.client.send(&video(100, true)).await;
    down.client.until("the first picture is there", |client| client.rtp.len() == 1).await;
    let receiving = async {
        late.client.connect().await;
        let has_last =
            |client: &mut Client| client.rtp.last().is_some_and(|last| last.payload == video(400, false).payload);
        late.client.until("it has the last one", has_last).await;
    };
    let sending = async {
        for n in 101..=400 {
            up.client.send(&video(n, n % 7 == 0)).await;
            up.client.run_for(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(receiving, sending);
    let first = late.client.rtp[0].header.sequence_number;
    for (n, packet) in (0_u16..).zip(&late.client.rtp) {
        assert_eq!(packet.header.sequence_number, first.wrapping_add(n), "every number once, in order");
    }
}

/// A browser that is still busy with the answer when its transport opens drops what comes first, and asks for a key frame. It gets
/// the one that it missed: its sender is not asked until it says that this was not enough.
#[tokio::test]
async fn who_missed_the_beginning_gets_it_once_more() {
    let mut server = Server::with(|config| config.key_frame_reuse_ms = 900);
    server.rtx = true;
    let (mut up, mut down) = server.pair().await;
    up.client.send(&video(100, true)).await;
    up.client.send(&video(101, false)).await;
    down.client.until("both are there", |client| client.rtp.len() == 2).await;
    let camera = (publication(Source::Camera, 0), Source::Camera);
    let mut late = server.down(Dtls::Passive, &[camera]).await;
    late.client.connect().await;
    up.client.send(&video(102, false)).await;
    late.client.until("it has all", |client| client.rtp.len() == 3).await;
    // It was asked for one ahead of the handshake, which has come and is the one that it missed.
    up.client.send(&video(103, true)).await;
    late.client.until("it has that, too", |client| client.rtp.len() == 4).await;
    up.client.run_for(Duration::from_millis(100)).await;

    let asked = count::<PictureLossIndication>(&up.client);
    let media_ssrc = late.client.rtp[0].header.ssrc;
    let wish = PictureLossIndication { sender_ssrc: 1, media_ssrc };
    late.client.send_rtcp(&wish).await;
    late.client.until("it has come again", |client| client.rtp.len() == 8).await;
    let (began, again) = late.client.rtp.split_at(4);
    for (again, original) in again.iter().zip(began) {
        let sequence = original.header.sequence_number;
        assert_eq!(again.header.payload_type, 97);
        assert_eq!(again.payload, [&sequence.to_be_bytes()[..], &original.payload].concat());
    }
    up.client.run_for(Duration::from_millis(100)).await;
    assert_eq!(count::<PictureLossIndication>(&up.client), asked, "nobody else pays for it");
    late.client.send_rtcp(&wish).await;
    up.client.until("the second wish comes through", |client| count::<PictureLossIndication>(client) > asked).await;
    assert_eq!(late.client.rtp.len(), 8);
}
