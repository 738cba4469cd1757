use super::*;

const PART: u64 = 18_000;

fn sample(time: u64, key: bool) -> Sample {
    Sample { time, key, data: Bytes::from_static(&[0, 0, 0, 1, 0x65]) }
}

/// Frames of `step` units up to `end`; at the times in `keys` are key frames and segments end.
fn run(step: u64, end: u64, keys: &[u64]) -> Vec<Chunk> {
    let mut chunker = Chunker::new(Boundary::Told(None), PART);
    let mut chunks = Vec::new();
    for time in (0..end).step_by(step as usize) {
        if time > 0 && keys.contains(&time) {
            chunker.end_segment_at(time);
        }
        chunks.extend(chunker.push(sample(time, keys.contains(&time))).expect("encodes"));
    }
    chunks.extend(chunker.finish(end).expect("encodes"));
    chunks
}

#[test]
fn parts_lie_on_a_grid_and_sum_up_to_their_segment() {
    let chunks = run(3_000, 270_000, &[0, 90_000, 180_000]);
    assert!(chunks.iter().all(|chunk| chunk.shown == 18_000));
    let segments: Vec<u64> = chunks.iter().filter_map(|chunk| chunk.ends_segment).collect();
    assert_eq!(segments, [90_000; 3]);
    assert_eq!(chunks.iter().filter(|chunk| chunk.independent).count(), 3);
}

#[test]
fn uneven_frame_times_keep_every_part_within_its_target() {
    // 7 pictures a second do not divide a part.
    let chunks = run(12_857, 400_000, &[0, 12_857 * 7, 12_857 * 14]);
    assert!(chunks.iter().all(|chunk| chunk.shown <= PART));
    let mut sum = 0;
    for chunk in &chunks {
        sum += chunk.shown;
        if let Some(length) = chunk.ends_segment {
            assert_eq!(std::mem::take(&mut sum), length);
        }
    }
}

#[test]
fn a_segment_ends_with_the_last_sample_before_the_time_that_was_told() {
    let mut chunker = Chunker::new(Boundary::Told(None), PART);
    chunker.push(sample(0, true)).expect("encodes");
    chunker.end_segment_at(89_000);
    let mut ends = (1..40).filter_map(|n| chunker.push(sample(n * 3_000, n == 30)).expect("encodes"));
    let last = ends.find(|chunk| chunk.ends_segment.is_some()).expect("it ends");
    assert_eq!(last.ends_segment, Some(90_000));
    assert_eq!(ends.filter_map(|chunk| chunk.ends_segment).count(), 0, "once");
    assert_eq!(chunker.boundary(), None);
}

#[test]
fn nothing_is_taken_before_the_first_key_frame() {
    let mut chunker = Chunker::new(Boundary::Told(None), PART);
    assert!(chunker.push(sample(0, false)).expect("encodes").is_none());
    assert_eq!(chunker.newest(), None);
    assert!(chunker.finish(9_000).expect("encodes").is_none());
}

#[test]
fn time_never_runs_backwards() {
    let mut chunker = Chunker::new(Boundary::Told(None), PART);
    for time in [90_000, 93_000, 30_000, 30_000] {
        chunker.push(sample(time, true)).expect("encodes");
    }
    assert_eq!(chunker.newest(), Some(93_002));
}
