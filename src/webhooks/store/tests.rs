use super::*;

fn event(id: u64, room: &str) -> (Waiting, Vec<u8>) {
    let body = format!("body {id}").into_bytes();
    let waiting = Waiting { id, room: room.into(), bytes: body.len() as u64, since: SystemTime::now() };
    (waiting, body)
}

#[test]
fn what_waits_is_found_again_in_order_and_what_was_half_written_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (store, left) = Store::open(directory.path().join("queue")).unwrap();
    assert_eq!(left, []);
    let events = [event(10, "a-b"), event(9, "x.part"), event(11, "..a")];
    store.add(&events).unwrap();
    fs::write(directory.path().join("queue/00000000000000000012-a.part"), "half").unwrap();
    fs::write(directory.path().join("queue/notes.txt"), "somebody else's").unwrap();

    let (store, left) = Store::open(directory.path().join("queue")).unwrap();
    let found: Vec<_> = left.iter().map(|waiting| (waiting.id, waiting.room.as_str(), waiting.bytes)).collect();
    assert_eq!(found, [(9, "x.part", 6), (10, "a-b", 7), (11, "..a", 7)]);
    assert_eq!(store.read(&left[1]).unwrap(), b"body 10");
    store.remove(&left[1]).unwrap();
    let (_, left) = Store::open(directory.path().join("queue")).unwrap();
    assert_eq!(left.len(), 2);
    assert!(!directory.path().join("queue/00000000000000000012-a.part").exists());
}
