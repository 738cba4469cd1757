use std::time::Duration;

use super::ids::{Epoch, LegId, LinkId, ParticipantId, TrackId};
use super::*;

mod pace;
mod reach;
mod record;
mod relay;

const DEADLINE: Duration = Duration::from_secs(10);
const DEMOTE_AFTER: Duration = Duration::from_secs(20);
const GRACE: Duration = Duration::from_secs(15);

/// A room with an obedient host, and clients that show whatever they are sent to when asked.
struct Call {
    room: Room,
    now: Instant,
    /// Of the last input.
    out: Vec<Output>,
}

impl Call {
    /// Mesh up to 2, warm from 2.
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            mesh_limit: 2,
            warm_at: 2,
            demote_after: DEMOTE_AFTER,
            relayed_to_sfu: 0.5,
            switch_deadline: DEADLINE,
            moves_at_once: 4,
            resume_grace: GRACE,
            capacity: 5,
            publishers: 100,
            tracks_per_participant: 2,
            max_legs: 1,
            video_codecs: vec![VideoCodec::H264, VideoCodec::Vp8],
        };
        change(&mut settings);
        let now = Instant::now();
        Self { room: Room::new(settings, now), now, out: Vec::new() }
    }

    fn hand(&mut self, input: Input) -> Result<(), RoomError> {
        self.out.clear();
        self.room.handle(self.now, input, &mut self.out)
    }

    fn does(&mut self, input: Input) {
        self.hand(input).expect("it is allowed");
    }

    fn waits(&mut self, time: Duration) {
        self.now += time;
        self.does(Input::Timeout);
    }

    fn joins_as(&mut self, reach: Reach) -> ParticipantId {
        let tracks = vec![(Source::Camera, false)];
        self.does(Input::Join {
            name: "Ann".into(),
            tracks,
            decodes: [VideoCodec::H264].into(),
            encrypted: false,
            reach,
        });
        match self.out.first() {
            Some(Output::Tell { to, event: Event::Welcome { .. } }) => *to,
            other => panic!("{other:?} is no welcome"),
        }
    }

    fn joins(&mut self) -> ParticipantId {
        self.joins_as(Reach::Mesh { warm: true })
    }

    fn reports(&mut self, participant: ParticipantId, direction: Direction, report: TransportReport) {
        self.does(Input::Transport { participant, direction, report });
    }

    fn connects(&mut self, participant: ParticipantId) {
        self.reports(participant, Direction::Up, TransportReport::Connected);
        self.reports(participant, Direction::Down, TransportReport::Connected);
    }

    fn shows(&mut self, receiver: ParticipantId, sender: ParticipantId) {
        if let PathInfo::Arriving(carrier) | PathInfo::MovingTo(carrier) = self.room.path(receiver, sender) {
            let epoch = self.room.epoch();
            self.does(Input::Shown { receiver, sender, carrier, epoch });
        }
    }

    fn everybody_shows(&mut self) {
        let ids: Vec<_> = self.room.participants().map(|info| info.id).collect();
        for &receiver in &ids {
            for &sender in &ids {
                self.shows(receiver, sender);
            }
        }
    }

    /// Two who talk over mesh, with warm transports.
    fn of_two() -> (Self, ParticipantId, ParticipantId) {
        let mut call = Self::new();
        let (a, b) = (call.joins(), call.joins());
        call.connects(a);
        call.connects(b);
        call.everybody_shows();
        (call, a, b)
    }

    /// Three who talk over the SFU.
    fn of_three() -> (Self, ParticipantId, ParticipantId, ParticipantId) {
        let (mut call, a, b) = Self::of_two();
        let c = call.joins();
        call.connects(c);
        call.everybody_shows();
        assert_eq!(call.room.mode(), Mode::Sfu);
        (call, a, b, c)
    }

    fn link(&self, a: ParticipantId, b: ParticipantId) -> LinkId {
        self.room.link(a, b).expect("they are linked")
    }

    /// `end` reports of its link to `peer`.
    fn says_of_link(&mut self, end: ParticipantId, peer: ParticipantId, relayed: bool) {
        let link = self.link(end, peer);
        let report = LinkReport::Connected { relayed };
        self.does(Input::Link { participant: end, peer, link, report });
    }

    fn camera(&self, of: ParticipantId) -> TrackId {
        self.room.participant(of).expect("it is in the room").tracks[0].id
    }

    fn fails_link(&mut self, a: ParticipantId, b: ParticipantId) {
        let link = self.link(a, b);
        self.does(Input::Link { participant: a, peer: b, link, report: LinkReport::Failed });
    }

    fn told(&self, who: ParticipantId) -> impl Iterator<Item = &Event> {
        self.out.iter().filter_map(move |output| match output {
            Output::Tell { to, event } if *to == who => Some(event),
            _ => None,
        })
    }

    fn position(&self, wanted: impl Fn(&Output) -> bool) -> usize {
        self.out.iter().position(wanted).expect("it was put out")
    }

    fn moved_links(&self) -> bool {
        self.out.iter().any(|output| {
            matches!(output, Output::Tell { event: Event::OpenLink { .. } | Event::CloseLink { .. }, .. })
        })
    }
}

#[test]
fn two_talk_over_a_mesh_link_that_the_one_who_was_there_first_offers() {
    let mut call = Call::new();
    let (a, b) = (call.joins(), call.joins());
    let link = LinkId(1);
    assert!(call.told(a).any(|event| *event == Event::OpenLink { peer: b, link, polite: false }));
    assert!(call.told(b).any(|event| *event == Event::OpenLink { peer: a, link, polite: true }));
    call.everybody_shows();
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Mesh, PathInfo::On(Carrier::Mesh)));
}

#[test]
fn the_one_beyond_the_limit_is_seen_once_its_transports_are_proven() {
    let (mut call, a, b) = Call::of_two();
    let c = call.joins();
    assert_eq!((call.room.mode(), call.room.path(a, c)), (Mode::Promoting, PathInfo::None));
    call.connects(c);
    assert_eq!(call.room.path(c, a), PathInfo::Arriving(Carrier::Sfu));
    call.everybody_shows();
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Sfu, PathInfo::On(Carrier::Sfu)));
    assert_eq!(call.room.link(a, b), None);
}

#[test]
fn who_has_nothing_yet_is_subscribed_ahead_to_those_who_send_up() {
    let (mut call, a, b) = Call::of_two();
    let c = call.joins();
    call.connects(c);
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Sfu);
    let d = call.joins();
    let of = |receiver| move |o: &&Output| matches!(o, Output::Subscribe { receiver: to, .. } if *to == receiver);
    assert_eq!((call.out.iter().filter(of(d)).count(), call.room.path(d, a)), (3, PathInfo::None));
    assert_eq!(call.out.iter().filter(of(b)).count(), 0, "its up transport is not there yet");
    call.reports(a, Direction::Up, TransportReport::Failed);
    let is_less = |o: &Output| matches!(o, Output::Unsubscribe { .. });
    assert!(!call.out.iter().any(is_less), "a sender that is away for a moment has not left");
    call.connects(d);
    assert_eq!(call.out.iter().filter(of(d)).count(), 0, "it is subscribed already");
    assert_eq!(call.room.path(d, b), PathInfo::Arriving(Carrier::Sfu));
}

#[test]
fn an_order_onto_the_sfu_comes_after_the_subscription_and_the_sending() {
    let (mut call, a, b) = Call::of_two();
    call.joins();
    let path =
        call.position(|o| matches!(o, Output::Tell { to, event: Event::Path { peer, .. } } if (*to, *peer) == (a, b)));
    let subscribe = call.position(|o| matches!(o, Output::Subscribe { receiver, .. } if *receiver == a));
    let send = call.position(|o| *o == Output::Tell { to: b, event: Event::SendUp { active: true } });
    assert!(subscribe < path && send < path);
}

#[test]
fn a_mesh_link_stays_until_both_directions_have_left_it() {
    let (mut call, a, b) = Call::of_two();
    call.joins();
    call.shows(a, b);
    assert!(call.room.link(a, b).is_some());
    call.shows(b, a);
    assert_eq!(call.room.link(a, b), None);
}

#[test]
fn a_newcomer_who_cannot_reach_the_sfu_is_refused_and_the_call_goes_on_as_it_was() {
    let (mut call, a, b) = Call::of_two();
    let c = call.joins();
    call.everybody_shows();
    call.reports(c, Direction::Up, TransportReport::Failed);
    call.waits(DEADLINE);
    assert!(call.told(c).any(|event| *event == Event::SfuUnreachable));
    assert!(call.out.contains(&Output::Removed { participant: c, reason: Departure::SfuUnreachable }));
    assert_eq!(call.room.participants().count(), 2);
    call.everybody_shows();
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Mesh, PathInfo::On(Carrier::Mesh)));
}

#[test]
fn a_server_out_of_reach_for_all_costs_the_mesh_nothing() {
    let mut call = Call::new();
    let (a, b) = (call.joins(), call.joins());
    call.everybody_shows();
    let link = call.room.link(a, b);
    let c = call.joins();
    call.waits(DEADLINE);
    assert!(call.out.contains(&Output::Removed { participant: c, reason: Departure::SfuUnreachable }));
    assert_eq!((call.room.link(a, b), call.room.mode()), (link, Mode::Mesh));
    assert!(!call.moved_links());
}

#[test]
fn a_slow_pair_is_reported_once_stays_on_mesh_and_may_still_come() {
    let (mut call, a, b) = Call::of_two();
    let c = call.joins();
    call.connects(c);
    for (to, from) in [(b, a), (a, c), (c, a), (b, c), (c, b)] {
        call.shows(to, from);
    }
    assert_eq!(call.room.mode(), Mode::Promoting);
    call.waits(DEADLINE);
    let stuck = Event::PathStuck { peer: b, carrier: Carrier::Sfu };
    assert_eq!(call.told(a).filter(|event| **event == stuck).count(), 1);
    assert_eq!(call.room.mode(), Mode::Sfu);
    assert!(call.room.link(a, b).is_some());
    call.waits(DEADLINE);
    assert!(!call.told(a).any(|event| *event == stuck));
    call.shows(a, b);
    assert_eq!((call.room.path(a, b), call.room.link(a, b)), (PathInfo::On(Carrier::Sfu), None));
}

#[test]
fn what_is_shown_of_an_older_epoch_counts_for_nothing() {
    let (mut call, a, b) = Call::of_two();
    let old = call.room.epoch();
    call.joins();
    call.does(Input::Shown { receiver: a, sender: b, carrier: Carrier::Sfu, epoch: old });
    assert_eq!(call.room.path(a, b), PathInfo::MovingTo(Carrier::Sfu));
}

#[test]
fn a_room_that_has_been_small_for_long_goes_back_to_mesh() {
    let (mut call, a, b, c) = Call::of_three();
    call.does(Input::Leave { participant: c });
    call.waits(DEMOTE_AFTER - Duration::from_millis(1));
    assert_eq!(call.room.mode(), Mode::Sfu);
    call.waits(Duration::from_millis(1));
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Demoting, PathInfo::MovingTo(Carrier::Mesh)));
    call.everybody_shows();
    assert_eq!(call.room.mode(), Mode::Mesh);
    assert!(call.told(a).any(|event| *event == Event::SendUp { active: false }));
}

#[test]
fn a_relayed_link_calls_the_demotion_off_until_somebody_comes_or_goes() {
    let (mut call, a, b, c) = Call::of_three();
    call.does(Input::Leave { participant: c });
    call.waits(DEMOTE_AFTER);
    let link = call.link(a, b);
    call.does(Input::Link { participant: a, peer: b, link, report: LinkReport::Connected { relayed: true } });
    call.everybody_shows();
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Sfu, PathInfo::On(Carrier::Sfu)));
    call.waits(DEMOTE_AFTER * 2);
    assert_eq!((call.room.mode(), call.room.poll_timeout()), (Mode::Sfu, None));
}

#[test]
fn a_demotion_that_misses_its_deadline_is_called_off() {
    let (mut call, a, b, c) = Call::of_three();
    call.does(Input::Leave { participant: c });
    call.waits(DEMOTE_AFTER);
    call.waits(DEADLINE);
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Promoting, PathInfo::MovingTo(Carrier::Sfu)));
}

#[test]
fn a_switch_is_called_back_when_the_reason_for_it_leaves() {
    let (mut call, a, b) = Call::of_two();
    let c = call.joins();
    call.shows(a, b);
    call.does(Input::Leave { participant: c });
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Demoting, PathInfo::MovingTo(Carrier::Mesh)));
    call.everybody_shows();
    assert_eq!((call.room.mode(), call.room.epoch()), (Mode::Mesh, Epoch(2)));
}

#[test]
fn a_pair_whose_mesh_link_fails_goes_over_the_sfu_and_the_room_stays_a_mesh() {
    let (mut call, a, b) = Call::of_two();
    call.fails_link(a, b);
    assert_eq!((call.room.path(a, b), call.room.mode()), (PathInfo::Arriving(Carrier::Sfu), Mode::Mesh));
    call.everybody_shows();
    assert_eq!((call.room.path(b, a), call.room.mode()), (PathInfo::On(Carrier::Sfu), Mode::Mesh));
}

#[test]
fn a_room_that_cannot_mesh_is_an_sfu_room() {
    let mut call = Call::new();
    let (a, b) = (call.joins(), call.joins_as(Reach::Server { sends: true, receives: true }));
    call.connects(a);
    call.connects(b);
    call.everybody_shows();
    assert_eq!((call.room.mode(), call.room.path(a, b)), (Mode::Sfu, PathInfo::On(Carrier::Sfu)));
}

#[test]
fn a_pair_that_the_sfu_cannot_serve_falls_back_to_mesh_in_a_half_failed_room() {
    let (mut call, a, b) = Call::of_two();
    call.reports(b, Direction::Up, TransportReport::Failed);
    let c = call.joins();
    call.connects(c);
    call.everybody_shows();
    call.waits(DEADLINE);
    assert_eq!(call.room.path(c, a), PathInfo::On(Carrier::Sfu));
    assert_eq!(call.room.path(c, b), PathInfo::Arriving(Carrier::Mesh));
    assert_eq!(call.room.path(a, b), PathInfo::On(Carrier::Mesh));
}

#[test]
fn a_small_room_whose_server_dies_builds_its_mesh_at_once() {
    let (mut call, a, b, c) = Call::of_three();
    call.does(Input::Leave { participant: c });
    call.reports(a, Direction::Up, TransportReport::Failed);
    assert_eq!((call.room.mode(), call.room.path(b, a)), (Mode::Demoting, PathInfo::Arriving(Carrier::Mesh)));
}

#[test]
fn a_failed_transport_is_opened_again_ever_more_slowly_with_its_subscriptions() {
    let (mut call, a, b, _) = Call::of_three();
    let of_b = call.camera(b);
    for pause in [1, 2, 4, 8, 15, 15] {
        call.reports(a, Direction::Down, TransportReport::Failed);
        assert_eq!(call.room.poll_timeout(), Some(call.now + Duration::from_secs(pause)));
        call.waits(Duration::from_secs(pause));
        assert!(call.out.contains(&Output::OpenTransport { participant: a, direction: Direction::Down }));
        assert!(call.out.contains(&Output::Subscribe { receiver: a, track: of_b }));
    }
    call.reports(a, Direction::Down, TransportReport::Connected);
    call.reports(a, Direction::Down, TransportReport::Failed);
    assert_eq!(call.room.poll_timeout(), Some(call.now + Duration::from_secs(1)));
}

#[test]
fn one_who_vanished_keeps_the_place_for_the_grace_time_and_no_longer() {
    let (mut call, a, b) = Call::of_two();
    call.does(Input::Vanish { participant: b });
    assert!(call.told(a).any(|event| *event == Event::ParticipantAway { participant: b, away: true }));
    call.waits(GRACE - Duration::from_millis(1));
    assert_eq!(call.room.participants().count(), 2);
    call.waits(Duration::from_millis(1));
    assert!(call.out.contains(&Output::Removed { participant: b, reason: Departure::Vanished }));
}

#[test]
fn one_who_returns_is_welcomed_and_told_again_what_is_under_way() {
    let (mut call, a, b) = Call::of_two();
    call.does(Input::Vanish { participant: b });
    call.joins();
    assert_eq!(call.told(b).count(), 0);
    call.does(Input::Return { participant: b });
    let (link, epoch) = (call.link(a, b), call.room.epoch());
    assert!(matches!(call.out[0], Output::Tell { to, event: Event::Welcome { mode: Mode::Promoting, .. } } if to == b));
    for event in [
        Event::OpenLink { peer: a, link, polite: true },
        Event::SendUp { active: true },
        Event::Path { peer: a, carrier: Carrier::Sfu, epoch },
    ] {
        assert!(call.told(b).any(|told| *told == event), "{event:?}");
    }
}

#[test]
fn a_leg_takes_a_copy_and_leaves_mode_and_links_alone() {
    let mut call = Call::with(|settings| settings.warm_at = 9);
    let (a, b) = (call.joins(), call.joins());
    call.everybody_shows();
    call.does(Input::StartLeg { plan: LegPlan::new(LegKind::Hls, Some(a)), by: None });
    let of_a = call.camera(a);
    assert!(call.out.contains(&Output::OpenTransport { participant: a, direction: Direction::Up }));
    assert!(!call.out.contains(&Output::OpenTransport { participant: b, direction: Direction::Up }));
    assert!(call.out.contains(&Output::Tap { leg: LegId(1), track: of_a }));
    assert_eq!((call.room.mode(), call.moved_links()), (Mode::Mesh, false));
    call.reports(a, Direction::Up, TransportReport::Connected);
    assert!(call.told(a).any(|event| *event == Event::SendUp { active: true }));
    call.does(Input::StopLeg { leg: LegId(1) });
    assert!(call.out.contains(&Output::Untap { leg: LegId(1), track: of_a }));
    assert!(call.out.contains(&Output::CloseTransport { participant: a, direction: Direction::Up }));
    assert_eq!((call.room.mode(), call.moved_links(), call.room.legs().count()), (Mode::Mesh, false, 0));
}

#[test]
fn the_last_one_out_takes_the_legs_along() {
    let mut call = Call::new();
    let a = call.joins();
    call.does(Input::StartLeg { plan: LegPlan::new(LegKind::Hls, None), by: Some(a) });
    call.does(Input::Leave { participant: a });
    let end = call.out.split_off(call.out.len() - 2);
    assert_eq!(end, [Output::StopLeg { leg: LegId(1) }, Output::Empty]);
    assert!(call.room.is_empty() && call.room.links.is_empty() && call.room.ways.is_empty());
    assert_eq!(call.room.poll_timeout(), None);
}

#[test]
fn everybody_sends_the_first_codec_that_everybody_decodes() {
    let mut call = Call::new();
    let joins = |call: &mut Call, decodes: &[VideoCodec]| {
        let decodes = decodes.iter().copied().collect();
        call.does(Input::Join {
            name: "Ann".into(),
            tracks: vec![],
            decodes,
            encrypted: false,
            reach: Reach::Mesh { warm: true },
        });
    };
    joins(&mut call, &[VideoCodec::H264, VideoCodec::Vp8]);
    joins(&mut call, &[]);
    assert_eq!(call.room.preferred_codec(), Some(VideoCodec::H264));
    joins(&mut call, &[VideoCodec::Vp8]);
    assert!(call.out.contains(&Output::PreferCodec { codec: VideoCodec::Vp8 }));
    joins(&mut call, &[VideoCodec::Av1]);
    assert!(call.out.contains(&Output::PreferCodec { codec: VideoCodec::H264 }), "none in common: the first of all");
}

#[test]
fn what_is_refused_says_why() {
    let (mut call, a, b) = Call::of_two();
    let of_b = call.camera(b);
    let nobody = ParticipantId(99);
    let publish = |source| Input::Publish { participant: a, source, muted: false };
    assert_eq!(call.hand(publish(Source::Camera)), Err(RoomError::SourceTaken(Source::Camera)));
    call.does(publish(Source::Microphone));
    assert_eq!(call.hand(publish(Source::Screen)), Err(RoomError::TooManyTracks));
    assert_eq!(call.hand(Input::Unpublish { participant: a, track: of_b }), Err(RoomError::NotYourTrack(of_b)));
    let unknown = TrackId(99);
    let mute = Input::Mute { participant: a, track: unknown, muted: true };
    assert_eq!(call.hand(mute), Err(RoomError::UnknownTrack(unknown)));
    assert_eq!(call.hand(Input::Leave { participant: nobody }), Err(RoomError::UnknownParticipant(nobody)));
    assert_eq!(call.hand(Input::StopLeg { leg: LegId(9) }), Err(RoomError::UnknownLeg(LegId(9))));
    let start = || Input::StartLeg { plan: LegPlan::new(LegKind::Hls, None), by: None };
    call.does(start());
    assert_eq!(call.hand(start()), Err(RoomError::TooManyLegs));
    assert_eq!(Call::new().hand(start()), Err(RoomError::NobodyHere));
    let sealed = |encrypted| Input::Join {
        name: "Eve".into(),
        tracks: vec![],
        decodes: [].into(),
        encrypted,
        reach: Reach::Mesh { warm: true },
    };
    assert_eq!(call.hand(sealed(true)), Err(RoomError::RoomNotEncrypted));
    let mut encrypted = Call::new();
    encrypted.does(sealed(true));
    assert_eq!(encrypted.hand(sealed(false)), Err(RoomError::RoomEncrypted));
    assert_eq!(encrypted.hand(start()), Err(RoomError::LegOfEncrypted));
    for _ in 0..3 {
        call.joins();
    }
    assert_eq!(call.hand(sealed(false)), Err(RoomError::RoomFull));
    assert_eq!(call.out, []);
}
