//! The end of the server, whenever it comes.

use crescendo::config::Turn as Settings;
use crescendo::turn::Turn;

#[test]
fn who_is_stopped_as_soon_as_it_has_started_stops() {
    let settings = Settings { listen: "127.0.0.1:0".parse().expect("an address"), pin: false, ..Settings::default() };
    for _ in 0..100 {
        Turn::start(&settings, Vec::new()).expect("it starts").stop();
    }
}
