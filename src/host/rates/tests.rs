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
