use super::*;
use crate::sfu::Counts;

#[test]
fn what_went_over_transports_since_the_last_time_is_a_rooms_rate_until_they_are_gone() {
    let (rates, begun) = (Rates::default(), Instant::now());
    let [one, two] = ["one", "two"].map(|room| room.parse::<RoomName>().expect("a name"));
    let (first, second, third) = (Traffic::default(), Traffic::default(), Traffic::default());
    let tell = |traffic: &Traffic, bytes| traffic.tell(Counts { bytes, ..Counts::default() });
    tell(&first, 5_000_000);
    for (room, traffic) in [(&one, &first), (&one, &second), (&two, &third)] {
        rates.add(room, traffic);
    }
    rates.lock().measure(begun);
    assert_eq!((rates.of(&one), rates.of_all()), (0, 0), "what went before is not of now");
    tell(&first, 5_250_000);
    tell(&second, 125_000);
    tell(&third, 250_000);
    rates.lock().measure(begun + Duration::from_secs(1));
    assert_eq!((rates.of(&one), rates.of(&two), rates.of_all()), (3_000, 2_000, 5_000));
    drop((first, second));
    rates.lock().measure(begun + Duration::from_secs(2));
    assert_eq!((rates.of(&one), rates.of(&two), rates.lock().transports.len()), (0, 0, 1));
}

/// Of a time in which nothing could be measured only the whole is known.
#[tokio::test]
async fn after_a_stall_the_rate_is_that_of_the_whole_time() {
    let (rates, traffic) = (std::rc::Rc::new(Rates::default()), Traffic::default());
    let room = "stalled".parse::<RoomName>().expect("a name");
    rates.add(&room, &traffic);
    let watched = rates.clone();
    let local = tokio::task::LocalSet::new();
    local.spawn_local(async move { watched.watch_every(Duration::from_millis(20)).await });
    local
        .run_until(async {
            while rates.lock().at.is_none() {
                tokio::task::yield_now().await;
            }
            // 1,000 kbit/s, while nothing else runs on this thread.
            std::thread::sleep(Duration::from_millis(300));
            traffic.tell(Counts { bytes: 37_500, ..Counts::default() });
            while rates.of(&room) == 0 {
                tokio::task::yield_now().await;
            }
            assert!(rates.of(&room) <= 1_000, "{} kbit/s", rates.of(&room));
        })
        .await;
}
