//! What grants do to a subscription.

use std::time::Duration;

use super::*;
use crate::sfu::Send;
use crate::sfu::bwe::allocate::Grant;
use crate::sfu::forward::layer::Wish;
use crate::sfu::publication::Origin;

const LIMITS: Limits = Limits {
    history_packets: 64,
    train: Duration::ZERO,
    layer_enough: 0.5,
    key_frame_reuse: Duration::ZERO,
    key_frame_reuse_bytes: 0,
    estimates: true,
};
const DEMAND: Demand =
    Demand { transport: TransportId(1), publication: PublicationId(1), at: 0, of: Use::Sound(Rate::ZERO) };

/// One receiver of three layers, who gets the largest.
fn publication(now: Instant) -> Publication {
    let mut publication = Publication::new(PublicationId(1));
    for layer in Layer::ALL {
        let source = Origin { transport: TransportId(2), ssrc: layer.index() as u32 };
        publication.encodings[layer.index()].get_or_insert_default().set_source(source, now);
    }
    let send = Send {
        mid: "0".into(),
        ssrc: 1,
        red: false,
        rtx: Some(2),
        transport_cc: true,
        screen: false,
        publication: PublicationId(1),
    };
    publication.subscribe(TransportId(1), send, Wish::default(), now, LIMITS);
    publication.subscriptions[0].gets = Some(Layer::HIGH);
    publication
}

#[test]
fn far_too_large_a_layer_stops_at_once_even_when_the_smaller_one_was_granted_before() {
    let now = Instant::now();
    let mut publication = publication(now);
    let grant = Grant::Most(Layer::LOW);
    publication.grant(&DEMAND, grant, false, now, LIMITS);
    assert_eq!(publication.subscriptions[0].gets, Some(Layer::HIGH), "it waits for a key frame");
    publication.grant(&DEMAND, grant, true, now, LIMITS);
    assert_eq!(publication.subscriptions[0].gets, None);
    assert_eq!(publication.subscriptions[0].wanted, Layer::LOW);
}

#[test]
fn a_layer_that_may_stay_goes_on_however_full_the_path_is() {
    let now = Instant::now();
    let mut publication = publication(now);
    publication.grant(&DEMAND, Grant::Most(Layer::HIGH), true, now, LIMITS);
    assert_eq!(publication.subscriptions[0].gets, Some(Layer::HIGH));
}
