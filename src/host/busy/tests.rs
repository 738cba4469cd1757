use super::*;

#[test]
fn cpu_time_is_read_behind_whatever_a_thread_is_called() {
    let stat = "4711 (media-0 (x) y) S 1 2 3 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000 200";
    assert_eq!(cpu_ticks(stat), Some(300));
    for bad in ["", "4711 (x", "4711 (x) S 1 2", "4711 (x) S 1 2 3 0 -1 4194560 100 0 0 0 a b"] {
        assert_eq!(cpu_ticks(bad), None, "{bad}");
    }
    let own = fs::read_to_string("/proc/self/stat").expect("Linux");
    assert!(cpu_ticks(&own).is_some());
}

#[test]
fn the_busiest_counts_be_it_the_process_or_one_media_thread() {
    let start = Instant::now();
    let sample =
        |seconds: u64, ticks: &[u64]| Sample { at: start + Duration::from_secs(seconds), ticks: ticks.to_vec() };
    let before = sample(0, &[1_000, 10, 20]);
    assert_eq!(busiest(&before, &sample(5, &[1_000, 10, 20]), 4), 0);
    assert_eq!(busiest(&before, &sample(5, &[2_800, 110, 20]), 4), 90, "18 s of 20 s");
    assert_eq!(busiest(&before, &sample(5, &[1_510, 10, 495]), 4), 95, "4.75 s of a thread's 5 s");
}

#[test]
fn the_process_has_a_clock() {
    assert!(clocks().first().is_some_and(|clock| clock.exists()));
}
