use std::net::{IpAddr, Ipv4Addr};

use super::*;

#[test]
fn a_media_plane_is_alive_until_one_of_its_threads_ends_by_itself() {
    let watched = |run: fn() -> Ended| {
        let alive = AtomicBool::new(true);
        watch(0, &alive, run);
        alive.into_inner()
    };
    assert!(watched(|| Ended::Stopped));
    assert!(!watched(|| Ended::Broken));
    assert!(!watched(|| panic!("as asked")));

    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let sfu = Sfu::start(&config::Sfu { listen, pin: false, ..config::Sfu::default() }).unwrap();
    assert!(sfu.is_alive());
    sfu.stop();
    assert!(sfu.is_alive(), "it was told to stop");
}
