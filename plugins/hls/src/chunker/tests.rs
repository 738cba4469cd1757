use super::*;

const CUT: Cut = Cut { boundary: Boundary::KeyFrame, part: 18_000, segment: 90_000, longest: 135_000 };

fn sample(time: u64, key: bool) -> Sample {
    Sample { time, key, data: Bytes::from_static(&[0, 0, 0, 1, 0x65]) }
}

/// Frames of `step` units up to `end`; those at the times in `keys` are key frames.
fn run(step: u64, end: u64, keys: &[u64]) -> Vec<Chunk> {
    let mut chunker = Chunker::new(CUT);
    let times = (0..end).step_by(step as usize);
    let mut chunks: Vec<Chunk> =
        times.filter_map(|time| chunker.push(sample(time, keys.contains(&time))).expect("encodes")).collect();
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
    assert!(chunks.iter().all(|chunk| chunk.shown <= CUT.part));
    let mut sum = 0;
    for chunk in &chunks {
        sum += chunk.shown;
        if let Some(length) = chunk.ends_segment {
            assert_eq!(std::mem::take(&mut sum), length);
        }
    }
}

#[test]
fn without_a_key_frame_a_segment_ends_at_its_longest() {
    let chunks = run(3_000, 450_000, &[0]);
    let segments: Vec<u64> = chunks.iter().filter_map(|chunk| chunk.ends_segment).collect();
    assert_eq!(segments, [135_000, 135_000, 135_000, 45_000]);
}

#[test]
fn a_key_frame_that_comes_early_does_not_end_the_segment() {
    let chunks = run(3_000, 180_000, &[0, 30_000, 60_000, 90_000]);
    assert_eq!(chunks.iter().filter_map(|chunk| chunk.ends_segment).collect::<Vec<_>>(), [90_000, 90_000]);
}

#[test]
fn nothing_is_taken_before_the_first_key_frame() {
    let mut chunker = Chunker::new(CUT);
    assert!(chunker.push(sample(0, false)).expect("encodes").is_none());
    assert_eq!(chunker.newest(), None);
    assert!(chunker.finish(9_000).expect("encodes").is_none());
}

#[test]
fn time_never_runs_backwards() {
    let mut chunker = Chunker::new(CUT);
    for time in [90_000, 93_000, 30_000, 30_000] {
        chunker.push(sample(time, true)).expect("encodes");
    }
    assert_eq!(chunker.newest(), Some(93_002));
}
