//! Calls as they should be, and with clients that harm. Numbers of packets wrap in each of these.

use crate::server::{Server, is_whole, number};

#[test]
fn every_packet_comes_to_every_player_once() {
    let server = Server::start();
    let options =
        ["--rooms", "2", "--watchers", "4", "--hot", "4", "--frames", "30", "--packets", "12", "--seconds", "2"];
    let report = server.visit(&options);
    is_whole(&report, 4 * 2 * 30 * 12 * 9 / 10);
    let (offered, delivered) = (number(&report, "/offered"), number(&report, "/delivered"));
    // Machines that test much at once lose a packet that nobody asks for again.
    assert!(delivered >= offered * 99 / 100 && delivered <= offered * 101 / 100, "{report}");
}

#[test]
fn storms_of_key_frame_requests_and_players_that_vanish_take_nothing_from_the_others() {
    let server = Server::start();
    let options = ["--watchers", "8", "--hot", "2", "--packets", "12", "--seconds", "2", "--storm", "--vanish", "4"];
    let report = server.visit(&options);
    is_whole(&report, 2 * 2 * 30 * 12 * 9 / 10);
    // Both get each key frame; the sender is asked once in `sfu.pli_interval_ms`.
    let (asked, came) = (number(&report, "/looked/asked"), number(&report, "/looked/key_frames"));
    assert!(came >= 2 * 2 && came * 10 < asked, "{report}");
}
