use super::*;

fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}

async fn next_id(reader: &mut Reader) -> u64 {
    match reader.next().await {
        Some(Told::Event(event)) => event.id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_reader_gets_every_event_in_order() {
    let events = Events::starting_at(100, 8);
    let mut readers = [events.read(), events.read()];
    for _ in 0..3 {
        events.tell(&room("demo"), Happening::RoomOpened {});
    }
    for reader in &mut readers {
        for id in 100..103 {
            assert_eq!(next_id(reader).await, id);
        }
        assert_eq!(reader.try_next(), None);
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_it_missed() {
    let events = Events::starting_at(100, 4);
    let mut slow = events.read();
    for _ in 0..10 {
        events.tell(&room("demo"), Happening::RoomOpened {});
    }
    assert_eq!(slow.next().await, Some(Told::Missed(Some(6))));
    assert_eq!(next_id(&mut slow).await, 106);
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let events = Events::starting_at(100, 4);
    for _ in 0..3 {
        events.tell(&room("demo"), Happening::RoomOpened {});
    }
    assert_eq!(next_id(&mut events.read_after(101)).await, 102);
    assert_eq!(events.read_after(102).try_next(), None);
    assert_eq!(events.read_after(u64::MAX).try_next(), None, "an id that has not been given is the end");
    let mut of_another_run = events.read_after(7);
    assert_eq!(of_another_run.next().await, Some(Told::Missed(None)));
    assert_eq!(next_id(&mut of_another_run).await, 100);
}

#[tokio::test]
async fn readers_get_what_is_there_and_then_the_end() {
    let events = Events::starting_at(100, 4);
    let mut reader = events.read();
    events.tell(&room("demo"), Happening::RoomClosed {});
    events.close();
    assert_eq!(next_id(&mut reader).await, 100);
    assert_eq!(reader.next().await, None);
}

#[test]
fn an_event_is_one_flat_object_whose_type_is_its_name() {
    let left = Happening::ParticipantLeft { participant: Id(ParticipantId(7)), reason: LeaveReason::Vanished };
    let event = Event { id: 5, time: "2026-11-22T16:00:00.000Z".into(), room: "demo".into(), what: left, hook: None };
    let shown = serde_json::to_value(&event).unwrap();
    let expected = serde_json::json!({
        "id": 5, "time": "2026-11-22T16:00:00.000Z", "room": "demo",
        "type": event.what.name(), "participant": "p7", "reason": "vanished",
    });
    assert_eq!(shown, expected);
}
