use super::*;

#[test]
fn relays_are_open_files_as_connections_are() {
    let mut config = Config::default();
    (config.limits.connections, config.turn.streams, config.turn.allocations) = (1, 20, 300);
    assert_eq!(wanted(&config), 321 + OTHERS);
    config.turn.enabled = false;
    assert_eq!(wanted(&config), 1 + OTHERS);
}
