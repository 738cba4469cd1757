use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn sfu() -> Sfu {
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    Sfu::start(&config::Sfu { listen, pin: false, ..config::Sfu::default() }).unwrap()
}

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

    let sfu = sfu();
    assert!(sfu.is_alive());
    sfu.stop();
    assert!(sfu.is_alive(), "it was told to stop");
}

#[test]
fn a_command_that_cannot_be_taken_comes_back() {
    let sfu = sfu();
    sfu.stop();
    let ShardFull(command) = sfu.send(ShardId(0), Command::Close { transport: TransportId(7) }).unwrap_err();
    assert!(matches!(*command, Command::Close { transport: TransportId(7) }));
}
