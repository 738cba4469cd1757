//! Who gets what.

use super::super::allocate::{Allocator, Grant, Track, wanted};
use super::*;
use crate::sfu::forward::layer::Layer;

const LOW: Grant = Grant::Most(Layer::LOW);
const MEDIUM: Grant = Grant::Most(Layer::MEDIUM);
const HIGH: Grant = Grant::Most(Layer::HIGH);

fn allocate(budget: Rate, tracks: &[Track]) -> Vec<Grant> {
    Allocator::default().allocate(budget, tracks).to_vec()
}

fn camera(shown: f32) -> Track {
    let rates = [Some(kbps(150)), Some(kbps(500)), Some(kbps(1_500))];
    Track { screen: false, shown, rates, before: Grant::Paused }
}

fn screen(rate: u32) -> Track {
    Track { screen: true, shown: f32::INFINITY, rates: [None, None, Some(kbps(rate))], before: Grant::Paused }
}

#[test]
fn with_enough_for_all_everybody_gets_what_is_wished_for() {
    let tracks = [camera(1e6), camera(1e5), screen(1_000)];
    assert_eq!(allocate(wanted(&tracks), &tracks), [HIGH, HIGH, HIGH]);
    assert_eq!(allocate(kbps(10_000), &[]), []);
}

#[test]
fn the_smallest_layers_come_first_then_screens_then_large_pictures() {
    let tracks = [camera(1e4), camera(1e6), screen(400)];
    assert_eq!(allocate(kbps(900), &tracks), [LOW, LOW, HIGH]);
    assert_eq!(allocate(kbps(1_300), &tracks), [LOW, MEDIUM, HIGH]);
    assert_eq!(allocate(kbps(2_400), &tracks), [LOW, HIGH, HIGH]);
    assert_eq!(allocate(kbps(2_900), &tracks), [MEDIUM, HIGH, HIGH]);
}

#[test]
fn equals_are_raised_in_turn() {
    let tracks = [camera(1e5), camera(1e5), camera(1e5)];
    assert_eq!(allocate(kbps(1_400), &tracks), [MEDIUM, MEDIUM, LOW]);
    assert_eq!(allocate(kbps(3_000), &tracks), [HIGH, MEDIUM, MEDIUM]);
}

#[test]
fn the_least_important_pause_when_not_even_the_smallest_fit() {
    let tracks = [camera(1e4), camera(1e6), camera(1e5)];
    assert_eq!(allocate(kbps(400), &tracks), [Grant::Paused, LOW, LOW]);
    assert_eq!(allocate(kbps(200), &tracks), [Grant::Paused, LOW, Grant::Paused]);
    assert_eq!(allocate(Rate::ZERO, &tracks), [Grant::Paused; 3]);
    assert_eq!(allocate(kbps(200), &[screen(1_000), camera(1e4)]), [Grant::Paused, LOW]);
}

#[test]
fn what_is_sent_is_kept_where_it_would_not_be_gone_up_to() {
    let mut tracks = [camera(1e6)];
    assert_eq!(allocate(kbps(1_550), &tracks), [MEDIUM]);
    for before in [HIGH, Grant::All] {
        tracks[0].before = before;
        assert_eq!(allocate(kbps(1_400), &tracks), [HIGH]);
        assert_eq!(allocate(kbps(1_300), &tracks), [MEDIUM]);
    }
}

#[test]
fn what_is_not_sent_takes_nothing() {
    let silent = Track { rates: [None; 3], ..camera(1e7) };
    assert_eq!(allocate(kbps(600), &[silent, camera(1e4)]), [LOW, MEDIUM]);
    assert_eq!(wanted(&[silent]), Rate::ZERO);
}
